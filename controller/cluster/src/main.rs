//! `tidegate-controller`: the control plane of a cluster, as its pods run it.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use clap::Parser;
use kube::Client;
use tidegate_cluster::gateway::{Parameters, Range};
use tidegate_cluster::run::{Options, run};
use tidegate_config::Problems;
use tidegate_inject::{Quantity, Resources};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// Releases Services and serves Gateways of a Kubernetes cluster.
///
/// Every setting can be given in the environment. It reaches the API server as its pod's service account, or as the
/// KUBECONFIG says.
#[derive(Debug, Parser)]
#[command(
    name = "tidegate-controller",
    version,
    after_help = "Exit codes: 0 it was told to end, 1 it cannot run, 2 the command line is wrong."
)]
struct Arguments {
    /// The namespace of the controller itself.
    #[arg(long, env = "TIDEGATE_NAMESPACE", default_value = "tidegate")]
    namespace: String,
    /// What tells this replica from others: its pod's name.
    #[arg(long, env = "TIDEGATE_POD_NAME")]
    pod_name: String,
    /// The namespaces to look after, separated by commas; empty: all.
    #[arg(long, env = "TIDEGATE_WATCH_NAMESPACES", value_delimiter = ',', default_value = "")]
    watch_namespaces: Vec<String>,
    /// The image of proxies.
    #[arg(long, env = "TIDEGATE_PROXY_IMAGE")]
    proxy_image: String,
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

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Ok(runtime) = Builder::new_multi_thread().enable_all().build() else {
        return failed("cannot start a thread");
    };
    match runtime.block_on(work(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.to_string()),
    }
}

impl Arguments {
    fn options(self) -> Result<Options, Problems> {
        let cpu = (self.sidecar_cpu_request, self.sidecar_cpu_limit);
        let memory = (self.sidecar_memory_request, self.sidecar_memory_limit);
        Ok(Options {
            namespace: self.namespace,
            identity: self.pod_name,
            namespaces: self.watch_namespaces.into_iter().filter(|namespace| !namespace.is_empty()).collect(),
            proxy_image: self.proxy_image,
            service: self.service,
            publications: self.listen,
            webhook: self.webhook,
            health: self.health,
            service_ranges: self.service_ranges,
            defaults: Parameters::default(),
            sidecars: Resources::new(cpu, memory)?,
        })
    }
}

async fn work(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::try_default().await?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let options = arguments.options()?;
    let shutdown = async {
        tokio::select! {
            _ = terminated.recv() => {}
            _ = interrupted.recv() => {}
        }
    };
    Ok(run(client, options, shutdown).await?)
}

fn failed(why: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "tidegate-controller: {why}");
    ExitCode::FAILURE
}
