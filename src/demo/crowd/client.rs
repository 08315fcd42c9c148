//! One keep-alive connection to the proxy, opened again when it breaks.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::Empty;
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderValue, SET_COOKIE};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::super::scenario::VERSIONS;
use super::super::shop::{APPEAL, PAGE, VERSION, VISITOR};
use super::visitor::Visitor;

/// A visitor's patience: twice what the proxy gives a request.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection.
#[derive(Debug)]
pub(crate) struct Client {
    to: SocketAddr,
    host: HeaderValue,
    sender: Option<SendRequest<Empty<Bytes>>>,
}

/// What came back.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    /// The status; 0 where there was no answer at all.
    pub(crate) status: u16,
    /// The version that gave it, by its place in [`VERSIONS`].
    pub(crate) version: Option<usize>,
    /// How persuasive it is.
    pub(crate) appeal: f64,
    /// What is to be kept.
    pub(crate) cookies: Vec<HeaderValue>,
}

impl Answer {
    /// Whether the visitor sees an error.
    pub(crate) fn is_error(&self) -> bool {
        !(200..400).contains(&self.status)
    }

    fn of(response: &Response<Incoming>) -> Self {
        let text = |name| response.headers().get(name)?.to_str().ok();
        Self {
            status: response.status().as_u16(),
            version: text(VERSION).and_then(|name| VERSIONS.iter().position(|version| *version == name)),
            appeal: text(APPEAL).and_then(|appeal| appeal.parse().ok()).unwrap_or(0.0),
            cookies: response.headers().get_all(SET_COOKIE).iter().cloned().collect(),
        }
    }
}

impl Client {
    /// A connection that is opened with the first request.
    pub(crate) fn new(to: SocketAddr) -> Self {
        let host = HeaderValue::try_from(to.to_string()).unwrap_or(HeaderValue::from_static("localhost"));
        Self { to, host, sender: None }
    }

    /// Sends a visitor's next request, and waits for the whole answer.
    pub(crate) async fn ask(&mut self, visitor: &Visitor) -> Answer {
        let request = self.request(visitor);
        let answer = tokio::time::timeout(PATIENCE, self.exchange(request)).await;
        answer.ok().flatten().unwrap_or_else(|| {
            self.sender = None;
            Answer::default()
        })
    }

    fn request(&self, visitor: &Visitor) -> Request<Empty<Bytes>> {
        let (method, path) = visitor.request();
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = Uri::from_static(path);
        let fields = request.headers_mut();
        fields.insert(HOST, self.host.clone());
        fields.insert(VISITOR, HeaderValue::from(visitor.number()));
        fields.insert(PAGE, HeaderValue::from(visitor.page()));
        if let Some(cookie) = visitor.jar().cookie() {
            fields.insert(COOKIE, cookie);
        }
        if method == Method::POST {
            fields.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        *request.method_mut() = method;
        request
    }

    async fn exchange(&mut self, request: Request<Empty<Bytes>>) -> Option<Answer> {
        let sender = self.open().await?;
        let response = sender.send_request(request).await.ok()?;
        let answer = Answer::of(&response);
        let mut body = std::pin::pin!(response.into_body());
        while let Some(frame) = std::future::poll_fn(|context| body.as_mut().poll_frame(context)).await {
            frame.ok()?;
        }
        Some(answer)
    }

    /// The connection, opened where it is not.
    async fn open(&mut self) -> Option<&mut SendRequest<Empty<Bytes>>> {
        let alive = match &mut self.sender {
            Some(sender) => sender.ready().await.is_ok(),
            None => false,
        };
        if !alive {
            let stream = TcpStream::connect(self.to).await.ok()?;
            // Without it requests are a little later.
            let _ = stream.set_nodelay(true);
            let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
            tokio::task::spawn_local(connection);
            self.sender = Some(sender);
        }
        self.sender.as_mut()
    }
}
