//! What may be written after `tidegate-proxy`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgGroup, Parser};
use tidegate_proxy::subscribe::Origin;

/// The data plane of Tidegate alone: serves what a controller publishes, or what one file says.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER_HELP, group = ArgGroup::new("source").required(true).args(["controller", "config"]))]
pub(crate) struct Options {
    /// The controller; its name may stand for several replicas
    #[arg(long, env = "TIDEGATE_CONTROLLER", value_name = "https://HOST:PORT", requires_all = ["ca", "token"])]
    pub(crate) controller: Option<Origin>,
    /// The certificates in PEM one of which must have signed the controller's. Read at every connection
    #[arg(long, env = "TIDEGATE_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// The token that proves who this proxy is: a projected service-account token for the audience "tidegate". Read at every
    /// request
    #[arg(long, env = "TIDEGATE_TOKEN", value_name = "FILE")]
    pub(crate) token: Option<PathBuf>,
    /// A configuration without rollouts instead of a controller. Read once
    #[arg(long, env = "TIDEGATE_CONFIG", value_name = "FILE", conflicts_with_all = ["fallback"])]
    pub(crate) config: Option<PathBuf>,
    /// Where the last publication is kept, and found again while no controller can be reached
    #[arg(long, env = "TIDEGATE_STATE_DIR", value_name = "DIR")]
    pub(crate) state_dir: PathBuf,
    /// Worker threads; without it one for each core
    #[arg(long, env = "TIDEGATE_WORKERS", value_name = "N")]
    pub(crate) workers: Option<NonZeroUsize>,
    /// Where metrics and health are. Anybody who can reach another address than a loopback one can read them there
    #[arg(long, env = "TIDEGATE_ADMIN", value_name = "ADDRESS", default_value = "127.0.0.1:9900")]
    pub(crate) admin: SocketAddr,
    /// Where everything goes until there is a publication: the application beside this proxy
    #[arg(long, env = "TIDEGATE_FALLBACK", value_name = "ADDRESS", requires = "fallback_listen")]
    pub(crate) fallback: Option<SocketAddr>,
    /// Where clients connect until then
    #[arg(long, env = "TIDEGATE_FALLBACK_LISTEN", value_name = "ADDRESS", requires = "fallback")]
    pub(crate) fallback_listen: Option<SocketAddr>,
}

const AFTER_HELP: &str = "\
Examples:
  tidegate-proxy --controller https://tidegate-controller.tidegate-system.svc:8443 \\
    --ca /etc/tidegate/ca.crt --token /var/run/secrets/tidegate/token --state-dir /var/lib/tidegate
  tidegate-proxy --config tidegate.yaml --state-dir /var/lib/tidegate

GET /readyz on the admin address is 200 while a publication is in force, or the fallback.
SIGTERM and SIGINT let requests end (timeouts.drain), a second one cuts them.

Exit codes:
  0  stopped by a signal
  1  something failed, or a second signal cut requests
  2  the command line is wrong";
