//! Replicas of the controller are killed and frozen at random moments, and the API server goes away, while applications are
//! released all the time.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{EvictParams, ListParams};
use kube::{Api, ResourceExt};
use rustix::process::Signal;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::application::{Application, kinds};
use crate::cluster::{Cluster, Replica, is_there, kubectl};
use crate::crowd::Seen;
use crate::outcome::{Outcome, hurt, milliseconds, spread, table, unlike};
use crate::stage::{NAMESPACE, Stage};
use crate::way::{Through, Way};
use crate::{Fault, say};

/// What scales a workload.
const AUTOSCALER: &str = include_str!("../autoscaler.yaml");
/// Until another replica leads, at most.
const TAKEOVER_S: u64 = 60;
/// Until a pod is evicted, at most.
const EVICTION: Duration = Duration::from_secs(5);

/// What disturbs, and how often. Without any, this is what an undisturbed trial looks like.
#[derive(Debug, Clone, Args)]
pub(crate) struct Disturb {
    /// How many replicas are killed, four of five of them the leader.
    #[arg(long, default_value_t = 0)]
    kills: u32,
    /// How many leaders are frozen until another leads, and go on then.
    #[arg(long, default_value_t = 0)]
    freezes: u32,
    /// How often etcd and the API server are killed, to come back after --away.
    #[arg(long, default_value_t = 0)]
    outages: u32,
    /// Seconds that they are away.
    #[arg(long, default_value_t = 60)]
    away: u64,
    /// How many pods are evicted, proxies and applications alike.
    #[arg(long, default_value_t = 0)]
    evictions: u32,
    /// How often the kubelet is started again.
    #[arg(long, default_value_t = 0)]
    kubelets: u32,
    /// How often a horizontal autoscaler brings every workload from 2 pods to 10 and back.
    #[arg(long, default_value_t = 0)]
    scalings: u32,
    /// Seconds between a replica's leading and the next of all this, at most.
    #[arg(long, default_value_t = 8.0)]
    apart: f64,
    /// Seconds that the trial takes at least.
    #[arg(long, default_value_t = 0)]
    seconds: u64,
    /// Where versions come from.
    #[arg(long, value_enum, default_value_t = Way::InPlace)]
    way: Way,
    /// How visitors come.
    #[arg(long, value_enum, default_value_t = Through::Gateway)]
    through: Through,
    /// New visitors a second of each application.
    #[arg(long, default_value_t = 40)]
    rate: u32,
    /// The program of the visitors.
    #[arg(long, env = "SHOP")]
    shop: PathBuf,
    /// The script that takes components of the cluster away.
    #[arg(long, env = "COMPONENT")]
    component: PathBuf,
}

impl Disturb {
    /// Runs the trial; says whether all was as it would have been undisturbed.
    pub(crate) async fn run(self) -> Result<bool, Fault> {
        let cluster = Cluster::new().await?;
        let kinds: Vec<_> = kinds(self.way, self.through).collect();
        let policies: Vec<(&str, &str)> = kinds.iter().map(|kind| (kind.name, kind.policy)).collect();
        let stage = Rc::new(Stage::set(&cluster, (self.way, self.through), &policies, "").await?);
        let (end, ended) = watch::channel(false);
        let mut running = JoinSet::new();
        let unsteady = self.evictions + self.scalings + self.kubelets + self.outages > 0;
        for kind in kinds {
            let application = Application::new(kind, Rc::clone(&stage), &self.shop, self.rate, unsteady)?;
            running.spawn_local(application.run(ended.clone()));
        }
        let began = Instant::now();
        let takeovers = tokio::select! {
            takeovers = self.disturb(&cluster) => takeovers?,
            Some(ended) = running.join_next() => {
                ended??;
                return Err("an application has ended by itself".into());
            }
        };
        sleep(Duration::from_secs(self.seconds).saturating_sub(began.elapsed())).await;
        end.send_replace(true);
        let mut outcomes = Vec::new();
        let mut seen = Seen::default();
        while let Some(ended) = running.join_next().await {
            let (releases, by_visitors) = ended??;
            outcomes.extend(releases);
            seen.add(&by_visitors);
        }
        say(format!("takeovers: {}", spread(takeovers)));
        Ok(report(&stage, &outcomes, &seen))
    }

    /// Disturbs, and returns how long it took each time that the leader was taken away until another led, in milliseconds.
    async fn disturb(&self, cluster: &Cluster) -> Result<Vec<u64>, Fault> {
        let mut takeovers = Vec::new();
        for number in 1..=self.kills {
            takeovers.extend(self.kill(cluster, number).await?);
        }
        for number in 1..=self.freezes {
            takeovers.push(self.freeze(cluster, number).await?);
        }
        for number in 1..=self.outages {
            self.outage(cluster, number).await?;
        }
        for number in 1..=self.kubelets {
            self.moment(cluster).await?;
            self.component("restart", "kubelet").await?;
            say(format!("kubelet {number}"));
        }
        for number in 1..=self.scalings {
            self.moment(cluster).await?;
            scale().await?;
            say(format!("scaling {number}"));
        }
        for number in 1..=self.evictions {
            self.moment(cluster).await?;
            say(format!("eviction {number}: {}", evict(cluster).await?));
        }
        Ok(takeovers)
    }

    async fn kill(&self, cluster: &Cluster, number: u32) -> Result<Option<u64>, Fault> {
        let leader = self.moment(cluster).await?;
        let other = cluster.replicas().await?.into_iter().find(|replica| replica.name != leader.name);
        if let Some(other) = other.filter(|_| rand::random_bool(0.2)) {
            // One that has been made a moment ago may have no process yet: that is a leader without a second, too.
            let killed = cluster.kill(&other).await;
            killed.unwrap_or_else(say);
            say(format!("kill {number}: another replica"));
            return Ok(None);
        }
        let began = Instant::now();
        cluster.kill(&leader).await?;
        let next = leading(cluster, &leader.name).await?;
        let took = milliseconds(began.elapsed());
        say(format!("kill {number}: the leader; {} leads after {took} ms", next.name));
        Ok(Some(took))
    }

    async fn freeze(&self, cluster: &Cluster, number: u32) -> Result<u64, Fault> {
        let leader = self.moment(cluster).await?;
        let began = Instant::now();
        leader.signal(Signal::STOP)?;
        let next = leading(cluster, &leader.name).await?;
        let took = milliseconds(began.elapsed());
        // The new leader has time to act, before the old one does what it was about to.
        sleep(Duration::from_secs_f64(rand::random_range(0.0..self.apart))).await;
        // A kubelet that has found it dead has ended it.
        let goes_on = leader.signal(Signal::CONT).is_ok();
        say(format!("freeze {number}: {} leads after {took} ms; the old one went on: {goes_on}", next.name));
        Ok(took)
    }

    async fn outage(&self, cluster: &Cluster, number: u32) -> Result<(), Fault> {
        self.moment(cluster).await?;
        for name in ["kube-apiserver", "etcd"] {
            self.component("kill", name).await?;
        }
        say(format!("outage {number}: no API server, no etcd"));
        sleep(Duration::from_secs(self.away)).await;
        for name in ["etcd", "kube-apiserver"] {
            self.component("restart", name).await?;
        }
        let began = Instant::now();
        let leader = leading(cluster, "").await?;
        say(format!("outage {number}: {} leads {} ms after it", leader.name, milliseconds(began.elapsed())));
        Ok(())
    }

    async fn component(&self, action: &str, name: &str) -> Result<(), Fault> {
        let ended = Command::new(&self.component).args([action, name]).output().await?;
        let said = String::from_utf8_lossy(&ended.stderr);
        if ended.status.success() { Ok(()) } else { Err(format!("{action} {name}: {said}").into()) }
    }

    /// A random moment at which a replica leads.
    async fn moment(&self, cluster: &Cluster) -> Result<Replica, Fault> {
        leading(cluster, "").await?;
        sleep(Duration::from_secs_f64(rand::random_range(0.0..self.apart))).await;
        leading(cluster, "").await
    }
}

/// Evicts a pod by chance, as a drain of its node would; says which one, or why not.
async fn evict(cluster: &Cluster) -> Result<String, Fault> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let there = pods.list(&ListParams::default()).await?.items;
    let there: Vec<Pod> = there.into_iter().filter(is_there).collect();
    let Some(pod) = there.get(rand::random_range(0..there.len().max(1))) else { return Ok("no pod".to_owned()) };
    let name = pod.name_any();
    // Where a disruption budget stands before it, it is tried again and again.
    let evicted = timeout(EVICTION, pods.evict(&name, &EvictParams::default())).await;
    match evicted.unwrap_or_else(|_| Err(kube::Error::Service("no answer but that it may not be evicted".into()))) {
        Ok(_) => Ok(name),
        Err(kube::Error::Service(why)) => Ok(format!("{name}: {why}")),
        Err(kube::Error::Api(status)) if status.code == 429 => Ok(format!("{name}: {}", status.message)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(format!("{name}: gone meanwhile")),
        Err(error) => Err(error.into()),
    }
}

/// Has autoscalers bring the workloads of applications to ten pods and back to two: as many as they ask for at least.
async fn scale() -> Result<(), Fault> {
    let path = r#"jsonpath={range .items[*]}{.kind} {.metadata.name}{"\n"}{end}"#;
    let workloads = kubectl(&["-n", NAMESPACE, "get", "deployments,statefulsets", "-l", "app", "-o", path], "").await?;
    for (least, pause) in [("2", 5), ("10", 40), ("2", 20)] {
        for (kind, name) in workloads.lines().filter_map(|line| line.split_once(' ')) {
            let manifest = AUTOSCALER.replace("KIND", kind).replace("NAME", name).replace("LEAST", least);
            kubectl(&["apply", "--server-side", "-f", "-"], &manifest).await?;
        }
        sleep(Duration::from_secs(pause)).await;
    }
    kubectl(&["-n", NAMESPACE, "delete", "horizontalpodautoscalers", "--all"], "").await.map(drop)
}

/// The replica that leads, once one does that is not `before`.
async fn leading(cluster: &Cluster, before: &str) -> Result<Replica, Fault> {
    let until = Instant::now() + Duration::from_secs(TAKEOVER_S);
    loop {
        // While the API server is away nobody says.
        let leader = cluster.leader().await.ok().flatten();
        if let Some(leader) = leader.filter(|leader| leader.name != before) {
            return Ok(leader);
        }
        if Instant::now() > until {
            return Err(format!("nobody leads after {TAKEOVER_S} s").into());
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Tells what was seen; says whether all of it is as it would have been undisturbed.
pub(crate) fn report(stage: &Stage, outcomes: &[Outcome], seen: &Seen) -> bool {
    say(table(outcomes));
    say(hurt(outcomes));
    let in_force = outcomes.iter().flat_map(|it| it.split.in_force.iter().copied()).collect();
    say(format!("from a share that is written down until every proxy serves it: {}", spread(in_force)));
    let mut faults = unlike(outcomes);
    for (name, chronicle) in stage.chronicles.borrow().iter() {
        let (statuses, leaders) = (chronicle.statuses, chronicle.leaders.len());
        say(format!("{name}: {} rollouts, {statuses} statuses by {leaders} leaders", chronicle.rollouts.len()));
        faults.extend(chronicle.faults.iter().map(|fault| format!("{name}: {fault}")));
    }
    let lost = seen.lost();
    faults.extend(lost.iter().map(|(what, count)| format!("{count} requests failed: {what}")));
    say(format!("{} requests, {} failed that no version was told to fail", seen.requests, lost.values().sum::<u64>()));
    for fault in &faults {
        say(format!("FAULT {fault}"));
    }
    faults.is_empty()
}
