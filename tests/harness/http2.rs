//! A client that speaks HTTP/2 with prior knowledge, and can have many requests under way.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::clock::DEADLINE;

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
        let sender = runtime.block_on(async {
            let stream = TcpStream::connect(address).await.unwrap();
            let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
            // How the connection ends shows in the responses.
            drop(tokio::spawn(connection));
            sender
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
