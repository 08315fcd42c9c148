//! The two versions behind the proxies: one process, one thread, a fixed body.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

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
        let mut process = pinned(Core::Load, &own, Path::new(".")).arg("backend").stdout(Stdio::piped()).spawn()?;
        let stdout = process.stdout.take().ok_or("the backend has no stdout")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).await?;
        let (v1, v2) = line
            .trim_end()
            .split_once(' ')
            .ok_or_else(|| format!("the backend said {line:?} instead of its two addresses"))?;
        Ok(Self { versions: Versions { v1: v1.parse()?, v2: v2.parse()? }, _process: process })
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
    let response = response(name);
    loop {
        let (stream, _) = listener.accept().await.map_err(Failure::from)?;
        stream.set_nodelay(true)?;
        let response = Arc::clone(&response);
        tokio::spawn(async move {
            // A proxy that closes its connection is no event here.
            let _closed = answer(stream, &response).await;
        });
    }
}

/// One response for each head that ends. All requests here are without a body, so nothing else is to be
/// understood of them; a real HTTP server would take so much of the generator's core that the fastest
/// proxies would not be busy.
async fn answer(mut stream: TcpStream, response: &[u8]) -> std::io::Result<()> {
    let mut received = Vec::with_capacity(READ_BYTES);
    while stream.read_buf(&mut received).await? > 0 {
        while let Some(at) = received.windows(HEAD_END.len()).position(|bytes| bytes == HEAD_END) {
            received.drain(..at + HEAD_END.len());
            stream.write_all(response).await?;
        }
    }
    Ok(())
}

const HEAD_END: &[u8] = b"\r\n\r\n";
const READ_BYTES: usize = 4096;

/// Private, because a shared cache would forbid the visitor's cookie.
fn response(version: &str) -> Arc<[u8]> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\ncontent-type: text/plain\r\n\
         cache-control: private\r\n{VERSION_HEADER}: {version}\r\ncontent-length: {BODY_BYTES}\r\n\r\n"
    );
    [head.as_bytes(), &BODY].concat().into()
}
