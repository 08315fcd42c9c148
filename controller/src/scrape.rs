//! One HTTP GET of a proxy's `/metrics`: bytes in, text out, within a deadline and a size. The same code for a proxy in
//! this process and for one far away.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, Uri, header};
use hyper_util::rt::TokioIo;
use tidegate_config::limits::{SCRAPE_BYTES_MAX, SCRAPE_TIMEOUT_SECONDS};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Why a scrape brought nothing.
#[derive(Debug, thiserror::Error)]
pub enum ScrapeError {
    /// No connection: nothing listens there, or it is out of reach.
    #[error("cannot connect")]
    Connect(#[source] std::io::Error),
    /// The deadline passed.
    #[error("no answer within {SCRAPE_TIMEOUT_SECONDS} s")]
    Timeout,
    /// The connection broke, or what came is not HTTP.
    #[error("the exchange broke off")]
    Http(#[source] hyper::Error),
    /// Something else than metrics was answered.
    #[error("answered {0}")]
    Status(StatusCode),
    /// More than the limit.
    #[error("answered more than {SCRAPE_BYTES_MAX} bytes")]
    TooLarge,
    /// The answer is not text.
    #[error("line {line} is not UTF-8")]
    NotText {
        /// Number of the line, from 1.
        line: usize,
    },
}

/// Scrapes every target at the same time; the answers are in the order of the targets.
pub async fn scrape_all(targets: &[SocketAddr]) -> Vec<Result<String, ScrapeError>> {
    let mut under_way = JoinSet::new();
    for (index, target) in targets.iter().copied().enumerate() {
        under_way.spawn(async move { (index, scrape(target).await) });
    }
    let mut answers = under_way.join_all().await;
    answers.sort_unstable_by_key(|(index, _)| *index);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// Scrapes one target.
pub async fn scrape(target: SocketAddr) -> Result<String, ScrapeError> {
    let deadline = Duration::from_secs(SCRAPE_TIMEOUT_SECONDS.into());
    let bytes = tokio::time::timeout(deadline, get(target)).await.map_err(|_| ScrapeError::Timeout)??;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        ScrapeError::NotText { line: error.as_bytes()[..valid].split(|byte| *byte == b'\n').count() }
    })
}

async fn get(target: SocketAddr) -> Result<Vec<u8>, ScrapeError> {
    let stream = TcpStream::connect(target).await.map_err(ScrapeError::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(ScrapeError::Http)?;
    // Dropped, and with it the connection, when this function ends.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = Uri::from_static("/metrics");
    let host = target.to_string().parse().unwrap_or(header::HeaderValue::from_static("localhost"));
    request.headers_mut().insert(header::HOST, host);
    let accept = header::HeaderValue::from_static("text/plain; version=0.0.4");
    request.headers_mut().insert(header::ACCEPT, accept);
    let answer = sender.send_request(request).await.map_err(ScrapeError::Http)?;
    if answer.status() != StatusCode::OK {
        return Err(ScrapeError::Status(answer.status()));
    }
    read(answer.into_body()).await
}

async fn read(mut body: Incoming) -> Result<Vec<u8>, ScrapeError> {
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if expected > SCRAPE_BYTES_MAX {
        return Err(ScrapeError::TooLarge);
    }
    let mut bytes = Vec::with_capacity(expected);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(ScrapeError::Http)?;
        let data = frame.data_ref().map_or(&[][..], |data| data);
        if bytes.len() + data.len() > SCRAPE_BYTES_MAX {
            return Err(ScrapeError::TooLarge);
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Serves one connection: reads the request head, writes `answer`, and keeps the connection open.
    async fn serve(answer: Vec<u8>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            assert!(head.starts_with(b"GET /metrics HTTP/1.1\r\nhost: 127.0.0.1:"), "{}", head.escape_ascii());
            // The reader may hang up in the middle of an answer that is too long.
            let _ = stream.write_all(&answer).await;
            std::future::pending::<()>().await;
        });
        address
    }

    fn with_length(status: &str, body: &[u8]) -> Vec<u8> {
        let mut answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
        answer.extend_from_slice(body);
        answer
    }

    #[tokio::test]
    async fn brings_the_text_of_every_target_in_order() {
        let targets = [serve(with_length("200 OK", b"a 1\n")).await, serve(with_length("200 OK", b"b 2\n")).await];
        let texts: Vec<_> = scrape_all(&targets).await.into_iter().map(Result::unwrap).collect();
        assert_eq!(texts, ["a 1\n", "b 2\n"]);
    }

    #[tokio::test]
    async fn says_why_there_is_nothing() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(matches!(scrape(free).await, Err(ScrapeError::Connect(_))));
        let missing = serve(with_length("404 Not Found", b"")).await;
        assert!(matches!(scrape(missing).await, Err(ScrapeError::Status(StatusCode::NOT_FOUND))));
        let foreign = serve(b"SSH-2.0-OpenSSH\r\n".to_vec()).await;
        assert!(matches!(scrape(foreign).await, Err(ScrapeError::Http(_))));
        let binary = serve(with_length("200 OK", b"a 1\nb \xff\n")).await;
        assert!(matches!(scrape(binary).await, Err(ScrapeError::NotText { line: 2 })));
    }

    #[tokio::test]
    async fn reads_no_more_than_the_limit() {
        let announced = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", SCRAPE_BYTES_MAX + 1).into_bytes();
        assert!(matches!(scrape(serve(announced).await).await, Err(ScrapeError::TooLarge)));
        let mut unannounced = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
        unannounced.resize(unannounced.len() + SCRAPE_BYTES_MAX + 1, b'\n');
        assert!(matches!(scrape(serve(unannounced).await).await, Err(ScrapeError::TooLarge)));
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_at_the_deadline() {
        let silent = serve(Vec::new()).await;
        assert!(matches!(scrape(silent).await, Err(ScrapeError::Timeout)));
    }
}
