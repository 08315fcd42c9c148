//! One connection to one replica of the controller: TLS, HTTP/2, the stream, and acknowledgements beside it. All of it on
//! one connection, so that who publishes is who hears.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tidegate_config::limits;
use tidegate_config::wire::{ACKNOWLEDGEMENTS, Acknowledgement, PUBLICATIONS, Refusal};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::controller::Controller;
use super::credentials;
use super::error::SubscribeError;
use super::lines::Lines;

const ANSWER: Duration = Duration::from_secs(limits::CONTROLLER_ANSWER_SECONDS as u64);

/// An open stream.
pub(super) struct Link {
    address: SocketAddr,
    sender: http2::SendRequest<Full<Bytes>>,
    stream: Incoming,
    lines: Lines,
    /// What moves the connection; ends with the link.
    _connection: JoinSet<()>,
}

impl Link {
    /// Opens a stream from the replica at an address.
    pub(super) async fn open(controller: &Controller, address: SocketAddr) -> Result<Self, SubscribeError> {
        timeout(ANSWER, Self::connect(controller, address)).await.map_err(|_| SubscribeError::Late(address))?
    }

    async fn connect(controller: &Controller, address: SocketAddr) -> Result<Self, SubscribeError> {
        let trust = credentials::trust(&controller.ca)?;
        let untrusted = |source| SubscribeError::Tls { address, source };
        let name = ServerName::try_from(controller.host().to_owned());
        let name = name.map_err(|error| untrusted(std::io::Error::other(error)))?;
        let stream = TcpStream::connect(address).await.map_err(|source| SubscribeError::Connect { address, source })?;
        // Acknowledgements are small and are waited for. Where this is refused they are slower.
        let _ = stream.set_nodelay(true);
        let stream = TlsConnector::from(trust).connect(name, stream).await.map_err(untrusted)?;
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        let mut task = JoinSet::new();
        task.spawn(async move {
            // Whoever uses it is told.
            let _ = connection.await;
        });
        let request = request(controller, Method::GET, PUBLICATIONS, Bytes::new())?;
        let answer = sender.send_request(request).await?;
        if answer.status() != StatusCode::OK {
            return Err(refused(answer).await);
        }
        Ok(Self { address, sender, stream: answer.into_body(), lines: Lines::default(), _connection: task })
    }

    /// The next line of the stream. May be dropped and called again.
    pub(super) async fn line(&mut self) -> Result<BytesMut, SubscribeError> {
        loop {
            if let Some(line) = self.lines.next() {
                return Ok(line);
            }
            let frame = self.stream.frame().await.ok_or(SubscribeError::Ended)??;
            if let Ok(data) = frame.into_data() {
                self.lines.add(&data)?;
            }
        }
    }

    /// Says what is in force.
    pub(super) async fn acknowledge(
        &mut self,
        controller: &Controller,
        acknowledgement: &Acknowledgement,
    ) -> Result<(), SubscribeError> {
        let request = request(controller, Method::POST, ACKNOWLEDGEMENTS, acknowledgement.body()?.into())?;
        let answer = timeout(ANSWER, self.sender.send_request(request)).await;
        let answer = answer.map_err(|_| SubscribeError::Late(self.address))??;
        if answer.status().is_success() { Ok(()) } else { Err(refused(answer).await) }
    }
}

fn request(
    controller: &Controller,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, SubscribeError> {
    let bearer = credentials::bearer(&controller.token)?;
    let builder = Request::builder().method(method).uri(controller.url(path)).header(header::AUTHORIZATION, bearer);
    // Its parts are right already.
    builder.body(Full::new(body)).map_err(|_| SubscribeError::Order("a request that cannot be made"))
}

/// What an answer says that is no success: our controller's `message`, or the beginning of whatever it is.
async fn refused(answer: Response<Incoming>) -> SubscribeError {
    let status = answer.status();
    let body = timeout(ANSWER, Limited::new(answer.into_body(), limits::ACKNOWLEDGEMENT_BYTES_MAX).collect()).await;
    let body = body.ok().and_then(Result::ok).map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let message = Refusal::read(&body).map(|refusal| refusal.message);
    let message = message.unwrap_or_else(|_| String::from_utf8_lossy(&body).chars().take(200).collect());
    SubscribeError::Refused { status, message }
}
