//! A client that speaks HTTP/2 with prior knowledge, and can have many requests under way.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::clock::DEADLINE;
use super::tls::TlsClient;

/// A connection to the proxy.
pub(crate) struct Http2 {
    runtime: Runtime,
    sender: SendRequest<Full<Bytes>>,
}

/// A request to the shop.
pub(crate) fn request(method: &str, path: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let target = format!("http://shop.example{path}");
    Request::builder().method(method).uri(target).body(Full::new(body.into())).unwrap()
}

impl Http2 {
    /// Connects.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let sender = runtime.block_on(async { over(TcpStream::connect(address).await.unwrap()).await });
        Self { runtime, sender }
    }

    /// Connects over TLS, and asks for a host by SNI.
    pub(crate) fn connect_tls(client: &TlsClient, address: SocketAddr, host: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let sender = runtime.block_on(async {
            let stream = TcpStream::connect(address).await.unwrap();
            let stream = TlsConnector::from(client.config()).connect(name, stream).await.unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            over(stream).await
        });
        Self { runtime, sender }
    }

    /// Sends requests all at once; returns the responses in the same order. An error is a stream that was reset.
    pub(crate) fn send_all(&self, requests: Vec<Request<Full<Bytes>>>) -> Vec<hyper::Result<Response<Whole>>> {
        self.runtime.block_on(async {
            let mut sent = JoinSet::new();
            for (index, request) in requests.into_iter().enumerate() {
                let mut sender = self.sender.clone();
                sent.spawn(async move {
                    let exchange = tokio::time::timeout(DEADLINE, exchange(&mut sender, request));
                    (index, exchange.await.expect("a response in time"))
                });
            }
            let mut responses = sent.join_all().await;
            responses.sort_by_key(|(index, _)| *index);
            responses.into_iter().map(|(_, response)| response).collect()
        })
    }

    /// Sends one request.
    #[track_caller]
    pub(crate) fn send(&self, request: Request<Full<Bytes>>) -> Response<Whole> {
        self.send_all(vec![request]).remove(0).expect("a response")
    }
}

async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> SendRequest<Full<Bytes>> {
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    // How the connection ends shows in the responses.
    drop(tokio::spawn(connection));
    sender
}

/// A body that has arrived.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) bytes: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> hyper::Result<Response<Whole>> {
    sender.ready().await?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?;
    let trailers = body.trailers().cloned();
    Ok(Response::from_parts(head, Whole { bytes: body.to_bytes(), trailers }))
}
