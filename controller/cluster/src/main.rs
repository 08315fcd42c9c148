//! `tidegate-controller`: the control plane of a cluster, as its pods run it.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use kube::Client;
use tidegate_cluster::gateway::{Installation, Parameters, Range};
use tidegate_cluster::run::{Options, run};
use tidegate_cluster::uninstall::uninstall;
use tidegate_config::Problems;
use tidegate_inject::{Quantity, Resources};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// Worlds come and go many times a second on all threads, which this allocator gives back, and at half the cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Releases Services and serves Gateways of a Kubernetes cluster.
///
/// Every setting can be given in the environment. It reaches the API server as its pod's service account, or as the
/// KUBECONFIG says.
#[derive(Debug, Parser)]
#[command(
    name = "tidegate-controller",
    version,
    after_help = "Exit codes: 0 it was told to end, or everything is done; 1 it cannot; 2 the command line is wrong."
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs until it is told to end.
    Run(Box<Run>),
    /// Lets go of everything that would wait for a controller: removes the webhook, then opens the gates of all pods. Does
    /// nothing the second time.
    Uninstall {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
struct Place {
    /// The namespace of the controller itself.
    #[arg(long, env = "TIDEGATE_NAMESPACE", default_value = "tidegate-system")]
    namespace: String,
    /// The namespaces to look after, separated by commas; empty: all.
    #[arg(long, env = "TIDEGATE_WATCH_NAMESPACES", value_delimiter = ',', default_value = "")]
    watch_namespaces: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct Run {
    #[command(flatten)]
    place: Place,
    /// What tells this replica from others: its pod's name.
    #[arg(long, env = "TIDEGATE_POD_NAME")]
    pod_name: String,
    /// The namespaces whose Secrets may be read, for the certificates of Gateways, separated by commas.
    #[arg(long, env = "TIDEGATE_SECRET_NAMESPACES", value_delimiter = ',', default_value = "")]
    secret_namespaces: Vec<String>,
    /// The image of proxies.
    #[arg(long, env = "TIDEGATE_PROXY_IMAGE")]
    proxy_image: String,
    /// How proxies are deployed unless a Gateway says otherwise: an object with the keys of a Gateway's own parameters, such
    /// as {"replicas": "3"}.
    #[arg(long, env = "TIDEGATE_GATEWAY_DEFAULTS", value_name = "JSON", value_parser = Parameters::parse, default_value = "{}")]
    gateway_defaults: Parameters,
    /// The Service in the controller's namespace at which proxies find the controller.
    #[arg(long, env = "TIDEGATE_SERVICE", default_value = "tidegate-controller")]
    service: String,
    /// Where proxies connect.
    #[arg(long, env = "TIDEGATE_LISTEN", default_value_t = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8443)))]
    listen: SocketAddr,
    /// Where API servers ask about pods.
    #[arg(long, env = "TIDEGATE_WEBHOOK", default_value_t = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9443)))]
    webhook: SocketAddr,
    /// The CPU that a sidecar asks for.
    #[arg(long, env = "TIDEGATE_SIDECAR_CPU_REQUEST", default_value = Resources::CPU.0)]
    sidecar_cpu_request: Quantity,
    /// The CPU that it may use.
    #[arg(long, env = "TIDEGATE_SIDECAR_CPU_LIMIT", default_value = Resources::CPU.1)]
    sidecar_cpu_limit: Quantity,
    /// The memory that it asks for.
    #[arg(long, env = "TIDEGATE_SIDECAR_MEMORY_REQUEST", default_value = Resources::MEMORY.0)]
    sidecar_memory_request: Quantity,
    /// The memory that it may use.
    #[arg(long, env = "TIDEGATE_SIDECAR_MEMORY_LIMIT", default_value = Resources::MEMORY.1)]
    sidecar_memory_limit: Quantity,
    /// Where /healthz and /readyz are.
    #[arg(long, env = "TIDEGATE_HEALTH", default_value_t = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 9901)))]
    health: SocketAddr,
    /// The ranges of the cluster's Service addresses, separated by commas, for example 10.96.0.0/16.
    #[arg(long, env = "TIDEGATE_SERVICE_RANGES", value_delimiter = ',')]
    service_ranges: Vec<Range>,
}

impl Run {
    fn options(self) -> Result<Options, Problems> {
        let cpu = (self.sidecar_cpu_request, self.sidecar_cpu_limit);
        let memory = (self.sidecar_memory_request, self.sidecar_memory_limit);
        Ok(Options {
            namespace: self.place.namespace,
            identity: self.pod_name,
            namespaces: named(self.place.watch_namespaces),
            proxy_image: self.proxy_image,
            service: self.service,
            publications: self.listen,
            webhook: self.webhook,
            health: self.health,
            service_ranges: self.service_ranges,
            gateways: Installation {
                parameters: self.gateway_defaults,
                secret_namespaces: named(self.secret_namespaces).into_iter().collect(),
            },
            sidecars: Resources::new(cpu, memory)?,
        })
    }
}

/// A list without what an empty text in the environment becomes.
fn named(namespaces: Vec<String>) -> Vec<String> {
    namespaces.into_iter().filter(|namespace| !namespace.is_empty()).collect()
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Ok(runtime) = Builder::new_multi_thread().enable_all().build() else {
        return failed("cannot start a thread");
    };
    match runtime.block_on(work(arguments.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string()),
    }
}

async fn work(command: Command) -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::try_default().await?;
    match command {
        Command::Run(options) => {
            let mut terminated = signal(SignalKind::terminate())?;
            let mut interrupted = signal(SignalKind::interrupt())?;
            let shutdown = async {
                tokio::select! {
                    _ = terminated.recv() => {}
                    _ = interrupted.recv() => {}
                }
            };
            Ok(run(client, options.options()?, shutdown).await?)
        }
        Command::Uninstall { place } => {
            let Place { namespace, watch_namespaces } = place;
            Ok(uninstall(&client, &namespace, &named(watch_namespaces), say).await?)
        }
    }
}

/// Prints a line. A reader that has gone away is no error.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn failed(why: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "tidegate-controller: {why}");
    ExitCode::FAILURE
}
