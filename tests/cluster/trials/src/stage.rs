//! Where a trial takes place: a namespace with a Gateway, and applications behind it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt};
use tidegate_cluster::rollout_object::Rollout;
use tidegate_controller::clock::Clock;
use tokio::sync::watch;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use crate::chronicle::Chronicle;
use crate::cluster::{Cluster, kubectl};
use crate::way::{Through, Way, application};
use crate::{Fault, say};

/// The namespace of a trial.
pub(crate) const NAMESPACE: &str = "trial";
const STAGE: &str = include_str!("../stage.yaml");

/// The Rollouts of a trial: what they say now, and what they have said.
pub(crate) struct Stage {
    /// Where versions come from.
    pub(crate) way: Way,
    /// How visitors come.
    pub(crate) through: Through,
    /// The address of the Gateway, with its port.
    gateway: String,
    /// What has been said, by the name of the Rollout.
    pub(crate) chronicles: Rc<RefCell<BTreeMap<String, Chronicle>>>,
    /// What is said now.
    pub(crate) now: watch::Receiver<BTreeMap<String, Rollout>>,
}

impl Stage {
    /// Sets it up anew, with these applications: their names, and the YAML of their policies. `gateway` is added to the
    /// Gateway's manifest.
    pub(crate) async fn set(
        cluster: &Cluster,
        (way, through): (Way, Through),
        applications: &[(&str, &str)],
        gateway: &str,
    ) -> Result<Self, Fault> {
        kubectl(&["delete", "namespace", NAMESPACE, "--ignore-not-found"], "").await?;
        let mut objects = format!("{STAGE}{gateway}---\n");
        for (name, policy) in applications {
            objects.push_str(&application(name, policy));
            objects.push_str(&way.manifest(through, name, 1, "0"));
            objects.push_str("---\n");
        }
        kubectl(&["apply", "--server-side", "-f", "-"], &objects).await?;
        let (told, now) = watch::channel(BTreeMap::new());
        let chronicles = Rc::new(RefCell::new(BTreeMap::new()));
        spawn_local(follow(cluster.clone(), told, Rc::clone(&chronicles)));
        for (name, _) in applications {
            let workload = way.workload(name, 1);
            kubectl(&["-n", NAMESPACE, "rollout", "status", &workload, "--timeout=120s"], "").await?;
        }
        let stage = Self { way, through, gateway: address().await?, chronicles, now };
        for (name, _) in applications {
            stage.wait(name, 60, |rollout| stable(rollout).is_some()).await?;
        }
        say(format!("{} applications are ready", applications.len()));
        Ok(stage)
    }

    /// Where visitors of an application connect to.
    pub(crate) fn address(&self, name: &str) -> String {
        match self.through {
            Through::Gateway => self.gateway.clone(),
            Through::Sidecar => format!("{name}.{NAMESPACE}.svc.cluster.local:80"),
        }
    }

    /// Waits until a Rollout says something, at most so many seconds.
    pub(crate) async fn wait(
        &self,
        name: &str,
        seconds: u64,
        says: impl Fn(&Rollout) -> bool,
    ) -> Result<Rollout, Fault> {
        let mut now = self.now.clone();
        let until = async {
            let found = now.wait_for(|all| all.get(name).is_some_and(&says)).await.map(|all| all.get(name).cloned());
            found.ok().flatten()
        };
        match tokio::time::timeout(Duration::from_secs(seconds), until).await {
            Ok(Some(rollout)) => Ok(rollout),
            Ok(None) => Err("the watch has ended".into()),
            Err(_) => {
                let status = self.now.borrow().get(name).and_then(|rollout| rollout.status.clone());
                let said =
                    status.map(|it| format!("{:?} at {:?}, {:?}, {:?}", it.phase, it.share, it.message, it.conditions));
                Err(format!("{name}: not after {seconds} s; it says {}", said.unwrap_or_default()).into())
            }
        }
    }
}

/// The version that is stable, where it is known.
pub(crate) fn stable(rollout: &Rollout) -> Option<&str> {
    rollout.status.as_ref().and_then(|status| status.stable.as_ref()).map(tidegate_config::Name::as_str)
}

async fn address() -> Result<String, Fault> {
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        let path = "jsonpath={.status.addresses[0].value}";
        let found = kubectl(&["-n", NAMESPACE, "get", "gateway", "web", "-o", path], "").await?;
        if !found.is_empty() {
            kubectl(&["-n", NAMESPACE, "rollout", "status", "deployment/tidegate-web", "--timeout=120s"], "").await?;
            return Ok(format!("{found}:80"));
        }
        if Instant::now() > until {
            return Err("the Gateway has no address after 60 s".into());
        }
        sleep(Duration::from_millis(200)).await;
    }
}

async fn follow(
    cluster: Cluster,
    told: watch::Sender<BTreeMap<String, Rollout>>,
    chronicles: Rc<RefCell<BTreeMap<String, Chronicle>>>,
) {
    let api: Api<Rollout> = Api::namespaced(cluster.client, NAMESPACE);
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default()));
    while let Some(event) = events.next().await {
        let Ok(Event::Apply(rollout) | Event::InitApply(rollout)) = event else { continue };
        let name = rollout.name_any();
        if let Some(status) = &rollout.status {
            chronicles.borrow_mut().entry(name.clone()).or_default().note(status, Clock::System.now());
        }
        told.send_modify(|all| drop(all.insert(name, rollout)));
    }
}
