//! The side for operators: `/metrics`, `/healthz` and `/readyz` to read, and `POST /leave` for whoever is on this machine. On
//! loopback unless somebody asks for more.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tidegate_config::limits;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::headers;
use crate::metrics::{self, Metrics};
use crate::server::Proxy;

/// What operators ask about.
#[derive(Debug, Clone)]
pub struct Operated {
    /// What leaves when somebody on this machine tells it to (`POST /leave`); `None`: nobody may.
    pub leaves: Option<Arc<Proxy>>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Turns `/readyz` from 503 to 200 and back.
    pub ready: Arc<AtomicBool>,
}

/// Answers operators until its task is dropped.
///
/// On a loopback address, requests must be made to a loopback name. Whoever opens another address means everybody there to
/// read, and only clients on this machine to change something.
pub async fn serve(listener: TcpListener, operated: Operated) {
    let local = listener.local_addr().is_ok_and(|address| address.ip().is_loopback());
    let places = Arc::new(Semaphore::new(limits::ADMIN_CONNECTIONS_MAX));
    loop {
        // It is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, peer)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let operated = operated.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let response = answer(&request, local, peer, &operated);
            async move { Ok::<_, Infallible>(response) }
        });
        tokio::spawn(async move {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new());
            // A scraper that breaks off has nothing to be told.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
}

fn answer<B>(request: &Request<B>, local: bool, peer: SocketAddr, operated: &Operated) -> Response<Full<Bytes>> {
    let host = request.headers().get(header::HOST).map(headers::without_port);
    if local && !is_local(host.unwrap_or_default()) {
        // A web page that points its own name at loopback must not read this through somebody's browser.
        return text(StatusCode::FORBIDDEN, "this address answers as localhost or by its loopback address only\n");
    }
    match (request.method(), &operated.leaves) {
        (&Method::POST, Some(proxy)) if request.uri().path() == "/leave" => leave(request, peer, proxy),
        (&Method::GET | &Method::HEAD, _) => read(request.uri().path(), operated),
        _ => text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n"),
    }
}

fn leave<B>(request: &Request<B>, peer: SocketAddr, proxy: &Proxy) -> Response<Full<Bytes>> {
    if !peer.ip().to_canonical().is_loopback() {
        return text(StatusCode::FORBIDDEN, "only for clients on this machine, by its loopback address\n");
    }
    if request.headers().contains_key(header::ORIGIN) {
        return text(StatusCode::FORBIDDEN, "not for web pages\n");
    }
    proxy.leave();
    text(StatusCode::OK, "leaving\n")
}

fn read(path: &str, operated: &Operated) -> Response<Full<Bytes>> {
    match path {
        "/metrics" => match operated.metrics.render() {
            Ok(body) => {
                let mut response = Response::new(Full::new(Bytes::from(body)));
                let kind = HeaderValue::from_static(metrics::CONTENT_TYPE);
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
                response
            }
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be rendered\n"),
        },
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" if operated.ready.load(Ordering::Relaxed) => text(StatusCode::OK, "ready\n"),
        "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
        _ => text(StatusCode::NOT_FOUND, "known: /metrics, /healthz, /readyz\n"),
    }
}

fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_are_local() {
        for (host, local) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("[::1]", true),
            ("evil.example", false),
            ("", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_local(host), local, "{host}");
        }
    }
}
