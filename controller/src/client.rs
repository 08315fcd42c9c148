//! Asks a running instance over its control socket: what the command line uses.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tidegate_config::Name;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use crate::control::{CommandBody, ProblemBody, SOCKET};
use crate::engine::Verb;
use crate::limits::{ANSWER_BYTES_MAX, CONTROL_TIMEOUT_SECONDS};
use crate::view::{Explanation, Overview, ServiceView};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens on the socket.
    #[error(
        "no instance answers on {}; start one with `tidegate run`, or name the state directory of the one that runs \
        with --state-dir", .path.display()
    )]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The socket belongs to another user.
    #[error("{} is not yours to use; run this as the user who runs the instance", .path.display())]
    NotAllowed {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The instance did not answer in time.
    #[error("no answer within {CONTROL_TIMEOUT_SECONDS} s")]
    Timeout,
    /// The exchange broke off.
    #[error("the exchange broke off")]
    Http(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer is not what this version of the protocol says.
    #[error("the answer is not understood; is the instance of another version?")]
    Answer(#[source] serde_json::Error),
    /// The instance says no.
    #[error("{error}; possible: {allowed}")]
    Refused {
        /// The status: 404 nothing of that name, 409 not now, 500 not stored, 503 busy.
        status: StatusCode,
        /// What is wrong.
        error: String,
        /// What is possible instead.
        allowed: String,
    },
}

/// A running instance.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// Finds the instance of a state directory.
    pub async fn connect(state_dir: &Path) -> Result<Self, ClientError> {
        let this = Self { socket: state_dir.join(SOCKET) };
        this.open().await?;
        Ok(this)
    }

    /// The whole instance.
    pub async fn overview(&self) -> Result<Overview, ClientError> {
        self.ask(Method::GET, "/v1/status", None).await
    }

    /// One service.
    pub async fn status(&self, service: &Name) -> Result<ServiceView, ClientError> {
        self.ask(Method::GET, &format!("/v1/status/{service}"), None).await
    }

    /// Why a service is where it is.
    pub async fn explain(&self, service: &Name) -> Result<Explanation, ClientError> {
        self.ask(Method::GET, &format!("/v1/explain/{service}"), None).await
    }

    /// Has a command carried out; `actor` absent: the user of this process.
    /// `version` says which of several that are tried is meant.
    pub async fn command(
        &self,
        service: &Name,
        verb: Verb,
        version: Option<&Name>,
        actor: Option<String>,
    ) -> Result<ServiceView, ClientError> {
        let (word, full) = match verb {
            Verb::Promote { full } => ("promote", full),
            Verb::Abort => ("abort", false),
            Verb::Pause => ("pause", false),
            Verb::Resume => ("resume", false),
        };
        let body = CommandBody { actor, full, version: version.map(ToString::to_string) };
        self.ask(Method::POST, &format!("/v1/rollouts/{service}/{word}"), Some(body)).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<CommandBody>,
    ) -> Result<T, ClientError> {
        let deadline = Duration::from_secs(CONTROL_TIMEOUT_SECONDS);
        let exchange = self.exchange(method, path, body);
        let (status, bytes) = tokio::time::timeout(deadline, exchange).await.map_err(|_| ClientError::Timeout)??;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(ClientError::Answer);
        }
        let ProblemBody { error, allowed } = serde_json::from_slice(&bytes).map_err(ClientError::Answer)?;
        Err(ClientError::Refused { status, error, allowed })
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<CommandBody>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let http = |error: hyper::Error| ClientError::Http(error.into());
        let stream = self.open().await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
        // Dropped, and with it the connection, when this function ends.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let body =
            body.map(|body| serde_json::to_vec(&body)).transpose().map_err(|error| ClientError::Http(error.into()))?;
        let mut request = Request::new(Full::new(Bytes::from(body.unwrap_or_default())));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse::<Uri>().map_err(|error| ClientError::Http(error.into()))?;
        request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let answer = sender.send_request(request).await.map_err(http)?;
        let status = answer.status();
        let collected =
            Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(ClientError::Http)?;
        Ok((status, collected.to_bytes()))
    }

    async fn open(&self) -> Result<UnixStream, ClientError> {
        let path = self.socket.clone();
        UnixStream::connect(&self.socket).await.map_err(|source| match source.kind() {
            io::ErrorKind::PermissionDenied => ClientError::NotAllowed { path, source },
            _ => ClientError::NotRunning { path, source },
        })
    }
}
