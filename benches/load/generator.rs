//! The load generator: wrk for HTTP/1.1, h2load for HTTP/2 and where wrk is missing.

mod h2load;
mod wrk;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::options::{Options, Protocol};
use super::process::{Core, pinned};
use super::scenario::Request;
use super::{Failure, Result};

/// Which program makes the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Generator {
    /// Cycles through any list of requests.
    Wrk,
    /// Can vary only the path: one host and one visitor for each run.
    H2load,
}

/// What one run of the generator is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run<'a> {
    pub(crate) protocol: Protocol,
    pub(crate) connections: u32,
    pub(crate) streams: u32,
    pub(crate) seconds: u32,
    pub(crate) address: SocketAddr,
    pub(crate) requests: &'a [Request],
    /// Where the generator's own files may lie.
    pub(crate) directory: &'a Path,
}

impl Run<'_> {
    /// When a generator that has not ended never will: h2load connects for ever to a proxy that hangs up.
    fn deadline(&self) -> Duration {
        Duration::from_secs(u64::from(self.seconds)) + GRACE
    }
}

/// How long a generator may take beside making load: connecting, writing its log.
const GRACE: Duration = Duration::from_secs(10);

/// What the generator saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Load {
    /// Requests that were answered with a 2xx.
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Everything that went wrong: other statuses, resets, timeouts.
    pub(crate) errors: u64,
}

impl Generator {
    /// The one that fits the protocol and is installed.
    pub(crate) async fn find(options: &Options) -> Result<Self> {
        let fitting = match options.protocol {
            Protocol::H1 => [Some(Self::Wrk), Some(Self::H2load)],
            Protocol::H2 => [None, Some(Self::H2load)],
        };
        for generator in fitting.into_iter().flatten() {
            // wrk exits with 1 when asked for its version: running at all is the proof.
            if Command::new(generator.name()).arg("--version").output().await.is_ok() {
                return Ok(generator);
            }
        }
        let wanted = match options.protocol {
            Protocol::H1 => "wrk (`apt install wrk`)",
            Protocol::H2 => "h2load (`apt install nghttp2-client`)",
        };
        Err(format!("there is no load generator; install {wanted}").into())
    }

    /// Its command.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Wrk => "wrk",
            Self::H2load => "h2load",
        }
    }

    /// What it cannot do that a reader of the report must know.
    pub(crate) fn caveat(self) -> Option<&'static str> {
        match self {
            Self::Wrk => None,
            Self::H2load => Some("h2load varies only the path: each cell uses one host and, if returning, one visitor"),
        }
    }

    /// Makes load for as long as the run says and waits for its end.
    pub(crate) async fn run(self, run: &Run<'_>) -> Result<Load> {
        let arguments = match self {
            Self::Wrk => wrk::arguments(run)?,
            Self::H2load => h2load::arguments(run)?,
        };
        let mut command = pinned(Core::Load, Path::new(self.name()), run.directory);
        let ended = timeout(run.deadline(), command.args(arguments).output())
            .await
            .map_err(|_| format!("{} was still running after {:?}", self.name(), run.deadline()))??;
        let (out, err) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
        let load = match self {
            Self::Wrk => wrk::parse(&out),
            Self::H2load => h2load::parse(&out, &std::fs::read_to_string(run.directory.join(h2load::LOG))?),
        };
        load.filter(|load| ended.status.success() && load.requests > 0)
            .ok_or_else(|| Failure::from(format!("{} got no answer ({}):\n{out}{err}", self.name(), ended.status)))
    }
}
