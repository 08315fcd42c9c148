//! What may be written after `tidegate-proxy`.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{ArgGroup, CommandFactory as _, Parser};
use tidegate_proxy::initial::Fallback;
use tidegate_proxy::subscribe::Origin;

use crate::leave::LeaveOptions;

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
    /// Seconds after SIGTERM in which it still takes clients, while /readyz is 503 and HTTP/1.1 responses end their connections:
    /// as long as it takes until whoever chooses between proxies has left this one out
    #[arg(
        long,
        env = "TIDEGATE_LEAVE",
        value_name = "SECONDS",
        default_value_t = 0,
        value_parser = clap::value_parser!(u64).range(0..=3600)
    )]
    pub(crate) leave: u64,
    /// Where metrics and health are. Anybody who can reach another address than a loopback one can read them there
    #[arg(long, env = "TIDEGATE_ADMIN", value_name = "ADDRESS", default_value = "127.0.0.1:9900")]
    pub(crate) admin: SocketAddr,
    /// Where everything goes until there is a publication: the application beside this proxy. Several addresses with commas
    #[arg(
        long,
        env = "TIDEGATE_FALLBACK",
        value_name = "ADDRESS,…",
        value_delimiter = ',',
        requires = "fallback_listen"
    )]
    pub(crate) fallback: Vec<SocketAddr>,
    /// Where clients connect until then: one address for each of the application's, in the same order
    #[arg(
        long,
        env = "TIDEGATE_FALLBACK_LISTEN",
        value_name = "ADDRESS,…",
        value_delimiter = ',',
        requires = "fallback"
    )]
    pub(crate) fallback_listen: Vec<SocketAddr>,
    /// The address of this pod. The ports of --fallback there are the application beside this proxy: what its version is to
    /// answer goes to it while it answers
    #[arg(long, env = "TIDEGATE_OWN_ADDRESS", value_name = "IP", requires = "fallback")]
    pub(crate) own_address: Option<IpAddr>,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Command {
    /// Serve, until a signal.
    Serve(Box<Options>),
    /// Tell the proxy on this machine.
    Leave(LeaveOptions),
}

impl Command {
    /// The command line, or the end of the process with what is wrong with it.
    pub(crate) fn read() -> Self {
        // No subcommand for clap: what `Options` requires would have to be optional beside one.
        if std::env::args_os().nth(1).is_some_and(|word| word == "leave") {
            return Self::Leave(LeaveOptions::parse_from(std::env::args_os().skip(1)));
        }
        let options = Options::parse();
        if let Err(wrong) = options.check() {
            Options::command().error(ErrorKind::ValueValidation, wrong).exit();
        }
        Self::Serve(Box::new(options))
    }
}

impl Options {
    /// Each fallback: where clients connect, and the application behind it.
    pub(crate) fn fallbacks(&self) -> Vec<Fallback> {
        let pairs = self.fallback_listen.iter().zip(&self.fallback);
        pairs.map(|(listen, application)| Fallback { listen: *listen, application: *application }).collect()
    }

    /// Where the application beside this proxy is published, and where it is reached.
    pub(crate) fn beside(&self) -> BTreeMap<SocketAddr, SocketAddr> {
        let published =
            |application: &SocketAddr| Some((SocketAddr::new(self.own_address?, application.port()), *application));
        self.fallback.iter().filter_map(published).collect()
    }

    fn check(&self) -> Result<(), String> {
        let Self { fallback, fallback_listen, .. } = self;
        if fallback.len() != fallback_listen.len() {
            let (applications, doors) = (fallback.len(), fallback_listen.len());
            return Err(format!(
                "--fallback-listen has {doors} address(es) and --fallback {applications}; allowed: as many of the one as of \
                 the other"
            ));
        }
        let twice = fallback_listen.iter().enumerate().find(|(i, address)| fallback_listen[..*i].contains(address));
        match twice {
            Some((_, address)) => Err(format!("--fallback-listen names {address} twice; allowed: each address once")),
            None => Ok(()),
        }
    }
}

const AFTER_HELP: &str = "\
Examples:
  tidegate-proxy --controller https://tidegate-controller.tidegate-system.svc:8443 \\
    --ca /etc/tidegate/ca.crt --token /var/run/secrets/tidegate/token --state-dir /var/lib/tidegate
  tidegate-proxy --config tidegate.yaml --state-dir /var/lib/tidegate
  tidegate-proxy leave            the proxy on this machine has clients go: leave --help

GET /readyz on the admin address is 200 while a publication is in force, or the fallback.
SIGTERM and SIGINT let requests end (timeouts.drain), a second one cuts them. With --leave
it goes on for so long before; one more signal ends that.

Exit codes:
  0  stopped by a signal
  1  something failed, or a second signal cut requests
  2  the command line is wrong";
