//! The two versions behind the proxies: one process, one thread, a fixed body.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;

use super::process::{Core, pinned};
use super::{Failure, Result};

/// The header in which a backend names its version.
pub(crate) const VERSION_HEADER: &str = "x-version";

/// The length of every body.
pub(crate) const BODY_BYTES: usize = 1024;

/// The body of every response.
pub(crate) static BODY: [u8; BODY_BYTES] = [b't'; BODY_BYTES];

/// Where the two versions listen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Versions {
    pub(crate) v1: SocketAddr,
    pub(crate) v2: SocketAddr,
}

/// The backends' process; it ends with this value.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) versions: Versions,
    _process: tokio::process::Child,
}

impl Backend {
    /// Starts this very program once more, as the backends, on the generator's core.
    pub(crate) async fn start() -> Result<Self> {
        let own = std::env::current_exe()?;
        let mut process = pinned(Core::Load, &own, Path::new("."))
            .arg("backend")
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take().ok_or("the backend has no stdout")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await?;
        let (v1, v2) = line
            .trim_end()
            .split_once(' ')
            .ok_or_else(|| format!("the backend said {line:?} instead of its two addresses"))?;
        Ok(Self {
            versions: Versions {
                v1: v1.parse()?,
                v2: v2.parse()?,
            },
            _process: process,
        })
    }
}

/// Serves both versions until the process is killed. Prints their addresses on one line.
pub(crate) async fn serve() -> Result<()> {
    let v1 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let v2 = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{} {}", v1.local_addr()?, v2.local_addr()?);
    let served = tokio::try_join!(version(v1, "v1"), version(v2, "v2"));
    served.map(|_| ())
}

/// Answers every request on every connection with the same response.
async fn version(listener: TcpListener, name: &'static str) -> Result<Infallible> {
    loop {
        let (stream, _) = listener.accept().await.map_err(Failure::from)?;
        stream.set_nodelay(true)?;
        let answer =
            service_fn(
                move |_: Request<Incoming>| async move { Ok::<_, Infallible>(response(name)) },
            );
        tokio::spawn(async move {
            // A proxy that closes its connection is no event here.
            let _closed = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

/// Private, because a shared cache would forbid the visitor's cookie.
fn response(version: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(&BODY)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
    headers.insert(VERSION_HEADER, HeaderValue::from_static(version));
    response
}
