//! `tidegate inject`: the sidecar put into manifests before they are applied, as the webhook does it in a cluster.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use tidegate_config::Problems;
use tidegate_config::limits::MANIFESTS_BYTES_MAX;
use tidegate_inject::{InjectionOptions, KubernetesVersion, Quantity, Resources, Service, manifests};

use crate::{CommandError, Exit, output};

/// What is shown after the options.
pub const EXAMPLES: &str = "\
Examples:
  tidegate inject -f shop.yaml --image tidegate-proxy:0.1.0 --controller https://HOST:PORT --ca ca.pem
  tidegate inject -f - …                                the manifests come from standard input
  tidegate inject -f deployment.yaml --service-port http …    the Service is not among them

Standard output gets all documents, in their order; those that need no change keep every character. \
What became of each workload is told on standard error. If one cannot be served through a sidecar, \
all reasons are told and nothing is printed; the annotation tidegate.dev/inject: \"false\" in its \
pod template leaves it out.";

/// Put the sidecar into the workloads of YAML manifests
///
/// Into every workload that a Service of the same input selects. The sidecar takes over the names of the ports that the
/// Services aim at; the application's get other names.
#[derive(Debug, Clone, Args)]
pub struct InjectOptions {
    /// The manifests; `-` is standard input
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,
    /// The image of the sidecar
    #[arg(long)]
    pub image: String,
    /// Where the controller serves configurations
    #[arg(long, value_name = "URL")]
    pub controller: String,
    /// The certificates (PEM) that the controller's own is signed with
    #[arg(long, value_name = "FILE")]
    pub ca: PathBuf,
    /// The name of a port that a Service aims at which is not in the input; may be repeated
    #[arg(long, value_name = "NAME")]
    pub service_port: Vec<String>,
    /// The version of the cluster
    #[arg(long, value_name = "VERSION", default_value_t = KubernetesVersion::FIRST)]
    pub kubernetes: KubernetesVersion,
    /// For whom the sidecar's token is made out
    #[arg(long, default_value = InjectionOptions::AUDIENCE)]
    pub audience: String,
    /// CPU that the sidecar asks for
    #[arg(long, value_name = "AMOUNT", default_value = Resources::CPU.0)]
    pub cpu_request: Quantity,
    /// CPU that it may use
    #[arg(long, value_name = "AMOUNT", default_value = Resources::CPU.1)]
    pub cpu_limit: Quantity,
    /// Memory that it asks for
    #[arg(long, value_name = "AMOUNT", default_value = Resources::MEMORY.0)]
    pub memory_request: Quantity,
    /// Memory that it may use
    #[arg(long, value_name = "AMOUNT", default_value = Resources::MEMORY.1)]
    pub memory_limit: Quantity,
}

/// Why nothing was printed.
#[derive(Debug, thiserror::Error)]
pub enum InjectError {
    /// A file cannot be read.
    #[error("cannot read {}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something is wrong with the options, or in the way of a workload.
    #[error("{} has {} problem{}:\n{problems}", .file.display(), .problems.len(), if .problems.len() == 1 { "" } else { "s" })]
    Wrong {
        /// The manifests.
        file: PathBuf,
        /// Every problem.
        problems: Problems,
    },
}

/// Reads manifests, and prints them with the sidecar.
pub fn inject(options: &InjectOptions) -> Result<Exit, CommandError> {
    let file = &options.file;
    let text = read(file)?;
    let wrong = |problems| InjectError::Wrong { file: file.clone(), problems };
    let more: Vec<_> = if options.service_port.is_empty() {
        Vec::new()
    } else {
        vec![Service::of_ports(options.service_port.iter().map(String::as_str))]
    };
    let sidecar = sidecar(options)?;
    let injected = manifests::inject(&text, &more, options.kubernetes, &sidecar).map_err(wrong)?;
    for outcome in &injected.workloads {
        output::note(&outcome.to_string());
    }
    if injected.workloads.is_empty() {
        output::note(&format!("{} holds no workload", file.display()));
    }
    output::print(&injected.text)?;
    Ok(Exit::Done)
}

fn sidecar(options: &InjectOptions) -> Result<InjectionOptions, InjectError> {
    let InjectOptions { file, image, controller, ca, audience, .. } = options;
    let cpu = (options.cpu_request.clone(), options.cpu_limit.clone());
    let memory = (options.memory_request.clone(), options.memory_limit.clone());
    let resources =
        Resources::new(cpu, memory).map_err(|problems| InjectError::Wrong { file: file.clone(), problems })?;
    let (image, controller, audience) = (image.clone(), controller.clone(), audience.clone());
    Ok(InjectionOptions { image, controller, ca: read(ca)?, audience, resources })
}

/// Reads a text, of which at most one byte more than is allowed: what it is for refuses it then.
fn read(file: &Path) -> Result<String, InjectError> {
    let limit = u64::try_from(MANIFESTS_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let mut text = String::new();
    let result = if file == Path::new("-") {
        io::stdin().lock().take(limit).read_to_string(&mut text)
    } else {
        File::open(file).and_then(|opened| opened.take(limit).read_to_string(&mut text))
    };
    result.map_err(|source| InjectError::Read { file: file.to_owned(), source })?;
    Ok(text)
}
