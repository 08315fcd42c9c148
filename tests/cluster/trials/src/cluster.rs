//! The cluster: its controller's replicas, who leads, and `kubectl`.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::Fault;

/// Where the controller is installed.
pub(crate) const SYSTEM: &str = "tidegate-system";
/// For which `kubectl` is tried again.
const PATIENCE: Duration = Duration::from_mins(4);
const AGAIN: Duration = Duration::from_secs(2);
/// The controller's processes, as the kernel calls them.
const PROGRAM: &str = "tidegate-contro";

/// A cluster in which Tidegate is installed.
#[derive(Clone)]
pub(crate) struct Cluster {
    pub(crate) client: Client,
}

/// One replica of the controller.
#[derive(Debug, Clone)]
pub(crate) struct Replica {
    pub(crate) name: String,
    uid: String,
}

impl Cluster {
    /// The one of `KUBECONFIG`.
    pub(crate) async fn new() -> Result<Self, Fault> {
        Ok(Self { client: Client::try_default().await? })
    }

    /// The pods of a component of ours.
    pub(crate) async fn pods(&self, namespace: &str, component: &str) -> Result<Vec<Pod>, Fault> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let labels = format!("tidegate.dev/component={component}");
        Ok(pods.list(&ListParams::default().labels(&labels)).await?.items)
    }

    /// The replicas that are not on their way out.
    pub(crate) async fn replicas(&self) -> Result<Vec<Replica>, Fault> {
        let there = self.pods(SYSTEM, "controller").await?.into_iter().filter(is_there);
        Ok(there.map(|pod| Replica { name: pod.name_any(), uid: pod.uid().unwrap_or_default() }).collect())
    }

    /// How often containers of the replicas were started again.
    pub(crate) async fn restarts(&self) -> Result<i32, Fault> {
        let found = self.pods(SYSTEM, "controller").await?;
        let containers = found.into_iter().filter_map(|pod| pod.status?.container_statuses).flatten();
        Ok(containers.map(|container| container.restart_count).sum())
    }

    /// The replica that leads; `None` while the Lease names nobody, or one that is gone.
    pub(crate) async fn leader(&self) -> Result<Option<Replica>, Fault> {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), SYSTEM);
        let lease = leases.get("tidegate-controller").await?;
        let holder = lease.spec.and_then(|spec| spec.holder_identity);
        Ok(self.replicas().await?.into_iter().find(|replica| Some(&replica.name) == holder.as_ref()))
    }

    /// Ends a replica as a crash of its machine would, and takes its pod away: a restart of the container would wait longer
    /// each time.
    pub(crate) async fn kill(&self, replica: &Replica) -> Result<(), Fault> {
        replica.signal(Signal::KILL)?;
        kubectl(&["-n", SYSTEM, "delete", "pod", &replica.name, "--force", "--grace-period=0"], "").await.map(drop)
    }
}

/// Whether a pod is not on its way out.
pub(crate) fn is_there(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
}

impl Replica {
    /// Sends a signal to its process.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Fault> {
        let pid = self.pid().ok_or_else(|| format!("pod {} has no process here", self.name))?;
        Ok(kill_process(pid, signal)?)
    }

    /// Its process, found by the cgroup of its pod: the machine is one node.
    fn pid(&self) -> Option<Pid> {
        let uid = self.uid.replace('-', "_");
        fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let name = fs::read_to_string(entry.path().join("comm")).ok()?;
            let group = fs::read_to_string(entry.path().join("cgroup")).ok()?;
            let is_it = name.trim() == PROGRAM && (group.contains(&self.uid) || group.contains(&uid));
            is_it.then(|| Pid::from_raw(pid)).flatten()
        })
    }
}

/// Runs `kubectl` and returns what it prints; again where it fails, as long as an API server may be away.
pub(crate) async fn kubectl(arguments: &[&str], input: &str) -> Result<String, Fault> {
    let until = Instant::now() + PATIENCE;
    loop {
        match attempt(arguments, input).await {
            Err(fault) if is_away(&fault) && Instant::now() < until => sleep(AGAIN).await,
            ended => return ended,
        }
    }
}

/// Whether the API server or its etcd was not there.
fn is_away(fault: &Fault) -> bool {
    let said = fault.to_string();
    ["onnect", "EOF", "imeout", "timed out", "etcd", "ServiceUnavailable"].iter().any(|sign| said.contains(sign))
}

async fn attempt(arguments: &[&str], input: &str) -> Result<String, Fault> {
    let mut child = Command::new("kubectl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).await?;
    }
    let ended = child.wait_with_output().await?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        return Err(format!("kubectl {}: {}", arguments.join(" "), said.trim()).into());
    }
    Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
}
