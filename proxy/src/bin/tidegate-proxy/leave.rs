//! `tidegate-proxy leave`: tells the proxy on this machine that it is about to be stopped.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Parser;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// How long the proxy may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Has each HTTP/1.1 response of the proxy on this machine end its connection from now on, so that nobody uses one when the
/// proxy is stopped. It takes clients as before, and is ready.
#[derive(Debug, Parser)]
#[command(version, bin_name = "tidegate-proxy leave", after_help = AFTER_HELP)]
pub(crate) struct LeaveOptions {
    /// Where its metrics and health are
    #[arg(long, env = "TIDEGATE_ADMIN", value_name = "ADDRESS", default_value = "127.0.0.1:9900")]
    admin: SocketAddr,
}

const AFTER_HELP: &str = "\
For the preStop hook of a sidecar: the kubelet runs it when the pod begins to end, and stops
the sidecar only when the application is gone.

Exit codes:
  0  the proxy leaves
  1  it could not be told
  2  the command line is wrong";

/// Why the proxy could not be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LeaveError {
    /// No runtime.
    #[error("cannot start")]
    Start(#[source] io::Error),
    /// Nobody is there.
    #[error("cannot connect to {address} (--admin)")]
    Connect {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The connection broke.
    #[error("no answer from {address} (--admin)")]
    Broken {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: hyper::Error,
    },
    /// It was refused, or somebody else is there.
    #[error("{address} (--admin) answered {status}: {said}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// The status.
        status: StatusCode,
        /// The body.
        said: String,
    },
    /// It takes too long.
    #[error("{0} (--admin) did not answer within {PATIENCE:?}")]
    Silent(SocketAddr),
}

/// Tells the proxy.
pub(crate) fn leave(options: &LeaveOptions) -> Result<(), LeaveError> {
    let address = reachable(options.admin);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(LeaveError::Start)?;
    let told = runtime.block_on(async { tokio::time::timeout(PATIENCE, tell(address)).await });
    told.unwrap_or(Err(LeaveError::Silent(address)))
}

async fn tell(address: SocketAddr) -> Result<(), LeaveError> {
    let stream = TcpStream::connect(address).await.map_err(|source| LeaveError::Connect { address, source })?;
    let broken = |source| LeaveError::Broken { address, source };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let connection = tokio::spawn(connection);
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static("/leave");
    request.headers_mut().insert(http::header::HOST, http::HeaderValue::from_static("localhost"));
    let answer = sender.send_request(request).await.map_err(broken)?;
    let status = answer.status();
    let said = answer.into_body().collect().await.map_err(broken)?.to_bytes();
    connection.abort();
    if status == StatusCode::OK {
        return Ok(());
    }
    Err(LeaveError::Refused { address, status, said: String::from_utf8_lossy(&said).trim().to_owned() })
}

/// A proxy that listens on every address is told on a loopback one.
fn reachable(admin: SocketAddr) -> SocketAddr {
    let ip = match admin.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, admin.port())
}
