//! How long a change of shares takes to every proxy: from the command, and from the status that says it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tidegate_cluster::keys::keys;
use tidegate_cluster::lead::Wish;
use tidegate_cluster::rollout_object::{Phase, Rollout};
use tidegate_config::{Key, Name};
use tidegate_controller::engine::Verb;
use tidegate_controller::publish::{Keys, salt};
use tidegate_proxy::assign::Draw;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, spawn_local};
use tokio::time::{Instant, interval};

use crate::cluster::{Cluster, SYSTEM, is_there, kubectl};
use crate::outcome::{milliseconds, spread};
use crate::stage::{NAMESPACE, Stage};
use crate::way::{Through, Way};
use crate::{Fault, say};

/// Between two requests to one proxy: how exactly a change is seen.
const EVERY: Duration = Duration::from_millis(5);
/// Until a change has come to every proxy, at most.
const PATIENCE: Duration = Duration::from_secs(30);
const NAME: &str = "steered";

/// How many.
#[derive(Debug, Clone, Args)]
pub(crate) struct Shares {
    /// Proxies of the Gateway.
    #[arg(long, default_value_t = 20)]
    proxies: u32,
    /// Changes of the share.
    #[arg(long, default_value_t = 1_000)]
    changes: u32,
}

/// What is waited for: the version that a visitor is to see, and who has seen it.
struct Watched {
    visitor: String,
    version: String,
    from: Instant,
}

type Times = Rc<RefCell<Vec<u64>>>;

impl Shares {
    /// Runs the trial.
    pub(crate) async fn run(self) -> Result<bool, Fault> {
        let cluster = Cluster::new().await?;
        let keys = keys(&cluster.client, SYSTEM).await?;
        let stage =
            Stage::set(&cluster, (Way::InPlace, Through::Gateway), &[(NAME, &policy())], &gateway(self.proxies))
                .await?;
        let proxies = proxies(&cluster).await?;
        say(format!("{} proxies", proxies.len()));
        let (commands, statuses): (Times, Times) = Default::default();
        let mut version = 1;
        while u32::try_from(commands.borrow().len() / proxies.len()).unwrap_or(u32::MAX) < self.changes {
            version += 1;
            self.steer(&cluster, &stage, &keys, &proxies, version, (&commands, &statuses)).await?;
            say(format!("release {version}: from the command {}", spread(commands.borrow().clone())));
        }
        say(format!("from the command to the first request at the new share: {}", spread(commands.take())));
        say(format!("from the status, as a watcher sees it: {}", spread(statuses.take())));
        Ok(true)
    }

    /// One release, steered through all its steps.
    async fn steer(
        &self,
        cluster: &Cluster,
        stage: &Stage,
        keys: &Keys,
        proxies: &[String],
        version: u32,
        (commands, statuses): (&Times, &Times),
    ) -> Result<(), Fault> {
        let deployment = format!("deployment/{NAME}");
        kubectl(&["-n", NAMESPACE, "set", "env", &deployment, &format!("SHOP_VERSION={version}")], "").await?;
        let fresh = |rollout: &Rollout| {
            let status = rollout.status.as_ref();
            status.is_some_and(|it| it.phase == Some(Phase::Progressing) && it.step.is_none())
        };
        let rollout = stage.wait(NAME, 60, fresh).await?;
        let memory =
            rollout.status.and_then(|status| status.remembered().ok().flatten()).ok_or("nothing remembered")?;
        let id = memory.record.rollout.as_ref().map(|status| status.rollout);
        let service: Name = format!("{NAME}.{NAMESPACE}").parse()?;
        // A command must name who writes it.
        let by = kubectl(&["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"], "").await?;
        let salt = salt(&keys.master, &service, id);
        for percent in 1..50 {
            let visitor = visitor(&salt, (percent - 1) * 10_000, percent * 10_000).ok_or("no such visitor")?;
            let watched = Rc::new(Watched { visitor, version: version.to_string(), from: Instant::now() });
            let mut waits = JoinSet::new();
            for proxy in proxies {
                waits.spawn_local(first(proxy.clone(), Rc::clone(&watched)));
            }
            command(cluster, &by, &format!("{version}-{percent}")).await?;
            let share = format!("{percent}%");
            let says = |rollout: &Rollout| {
                rollout.status.as_ref().and_then(|it| it.share).is_some_and(|found| found.to_string() == share)
            };
            stage.wait(NAME, 30, says).await?;
            let told = Instant::now();
            while let Some(seen) = waits.join_next().await {
                let seen = seen??;
                commands.borrow_mut().push(milliseconds(seen.duration_since(watched.from)));
                statuses.borrow_mut().push(milliseconds(seen.saturating_duration_since(told)));
            }
        }
        command(cluster, &by, &format!("{version}-100")).await?;
        kubectl(&["-n", NAMESPACE, "rollout", "status", &deployment, "--timeout=120s"], "").await.map(drop)
    }
}

/// Fifty steps that only commands take.
fn policy() -> String {
    let steps: Vec<String> = (1..50).map(|percent| format!("'{percent}%'")).collect();
    format!(
        "strategy: canary
  pace: time
  soak: 5m
  deadline: 24h
  capacity: ignore
  latency: {{enabled: false}}
  warmUp: 1s
  visitor: {{header: x-user-id}}
  scrapeInterval: 1s
  steps: [{}, '100%']",
        steps.join(", ")
    )
}

/// What makes the Gateway have so many proxies.
fn gateway(proxies: u32) -> String {
    format!(
        "  infrastructure: {{parametersRef: {{group: '', kind: ConfigMap, name: web}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: web, namespace: {NAMESPACE}}}
data: {{serviceType: ClusterIP, replicas: '{proxies}', cpu: 10m, memory: 64Mi}}
"
    )
}

/// Where each proxy takes requests: what the Gateway's Service sends them to.
async fn proxies(cluster: &Cluster) -> Result<Vec<String>, Fault> {
    let path = "jsonpath={.spec.ports[0].targetPort}";
    let port = kubectl(&["-n", NAMESPACE, "get", "service", "tidegate-web", "-o", path], "").await?;
    let there = cluster.pods(NAMESPACE, "proxy").await?.into_iter().filter(is_there);
    let all: Vec<_> = there.filter_map(|pod| Some(format!("{}:{port}", pod.status?.pod_ip?))).collect();
    if all.is_empty() { Err("the Gateway has no proxies".into()) } else { Ok(all) }
}

/// A visitor whose place is between two shares, in parts per million: whom the second one brings to the canary.
fn visitor(salt: &Key, from: u32, to: u32) -> Option<String> {
    let found = (0..1_000_000).map(|number| format!("u{number}"));
    found.into_iter().find(|name| (from..to).contains(&Draw::of(salt, name.as_bytes()).place()))
}

async fn command(cluster: &Cluster, by: &str, id: &str) -> Result<(), Fault> {
    let rollouts: Api<Rollout> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let annotations = Wish::annotations(id, Verb::Promote { full: false }, None, by);
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    rollouts.patch(NAME, &PatchParams::default(), &patch).await.map(drop).map_err(Fault::from)
}

/// Asks one proxy until the visitor sees the version; returns when.
async fn first(proxy: String, watched: Rc<Watched>) -> Result<Instant, Fault> {
    let mut sender = connect(&proxy).await?;
    let mut times = interval(EVERY);
    loop {
        times.tick().await;
        let request = Request::get("/")
            .header("host", format!("{NAME}.example.com"))
            .header("x-user-id", &watched.visitor)
            .body(Empty::new())?;
        sender.ready().await?;
        let sent = Instant::now();
        let response = sender.send_request(request).await?;
        let is_it = response.headers().get("x-version").is_some_and(|version| version == watched.version.as_str());
        response.into_body().collect().await?;
        if is_it {
            return Ok(sent);
        }
        if watched.from.elapsed() > PATIENCE {
            return Err(format!("{proxy} has not changed its share").into());
        }
    }
}

async fn connect(proxy: &str) -> Result<SendRequest<Empty<Bytes>>, Fault> {
    let stream = TcpStream::connect(proxy).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    spawn_local(async move {
        let _ = connection.await;
    });
    Ok(sender)
}
