//! What users of the controller see: the statuses of Rollouts, and what a proxy is told.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tidegate_cluster::authority_secret::authorities;
use tidegate_cluster::gateway::infrastructure::object_name;
use tidegate_cluster::rollout_object::{Phase, Rollout};
use tidegate_config::wire::AUDIENCE;
use tidegate_config::{Address, Name, Publication};
use tidegate_proxy::Following;
use tidegate_proxy::initial::publication;
use tidegate_proxy::subscribe::{Controller, Newest, subscribe};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::fill::{GATEWAY, make, make_pod, proxy_pod, send};
use super::process::ORIGIN;
use crate::Fault;
use crate::cluster::SYSTEM;

/// What one Rollout says.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub(super) stable: bool,
    pub(super) under_way: bool,
    pub(super) paused: bool,
    pub(super) leader: String,
    /// The id of the last command that was answered.
    pub(super) answered: String,
}

/// What all Rollouts say.
pub(super) struct Rollouts(watch::Receiver<Known>);

/// By name; `None` until all have been listed.
type Known = Option<BTreeMap<String, Said>>;

impl Rollouts {
    pub(super) fn follow(client: Client) -> Self {
        let (told, said) = watch::channel(None);
        tokio::task::spawn_local(async move {
            let mut events = std::pin::pin!(watcher(Api::<Rollout>::all(client), watcher::Config::default()));
            let mut listed = BTreeMap::new();
            while let Some(event) = events.next().await {
                match event {
                    Ok(Event::InitApply(rollout)) => drop(listed.insert(rollout.name_any(), Said::of(&rollout))),
                    Ok(Event::InitDone) => drop(told.send_replace(Some(std::mem::take(&mut listed)))),
                    Ok(Event::Apply(rollout)) => told.send_modify(|all: &mut Known| {
                        all.get_or_insert_default().insert(rollout.name_any(), Said::of(&rollout));
                    }),
                    _ => {}
                }
            }
        });
        Self(said)
    }

    /// Whether so many are under way, once all have been listed.
    pub(super) async fn are_begun(&mut self, count: usize) -> Result<bool, Fault> {
        self.0.wait_for(Option::is_some).await?;
        Ok(self.wait(Duration::ZERO, count, |said| said.under_way).await.is_ok())
    }

    /// Waits until so many say something.
    pub(super) async fn wait(
        &mut self,
        patience: Duration,
        count: usize,
        says: impl Fn(&Said) -> bool,
    ) -> Result<(), Fault> {
        let there = |known: &Known| known.iter().flat_map(BTreeMap::values).filter(|said| says(said)).count();
        let waited = timeout(patience, self.0.wait_for(|known| there(known) >= count)).await.map(|said| said.map(drop));
        let Ok(said) = waited else {
            let there = there(&self.0.borrow());
            return Err(format!("{there} of {count} Rollouts after {} s", patience.as_secs()).into());
        };
        said.map_err(Fault::from)
    }

    /// Whether a Rollout is paused.
    pub(super) fn is_paused(&self, name: &str) -> bool {
        self.0.borrow().as_ref().and_then(|all| all.get(name)).is_some_and(|said| said.paused)
    }

    /// Waits until a Rollout answers a command.
    pub(super) async fn answer(&mut self, name: &str, id: &str) -> Result<(), Fault> {
        let has = |all: &Known| all.as_ref().and_then(|all| all.get(name)).is_some_and(|said| said.answered == id);
        let answered = timeout(Duration::from_mins(1), self.0.wait_for(has)).await.map(|said| said.map(drop));
        answered.map_err(|_| format!("{name} does not answer"))?.map_err(Fault::from)
    }
}

impl Said {
    fn of(rollout: &Rollout) -> Self {
        let Some(status) = &rollout.status else { return Self::default() };
        Self {
            stable: status.stable.is_some(),
            under_way: matches!(status.phase, Some(Phase::Progressing | Phase::Paused)),
            paused: status.phase == Some(Phase::Paused),
            leader: status.leader.clone().unwrap_or_default(),
            answered: status.command.as_ref().map(|command| command.id.clone()).unwrap_or_default(),
        }
    }
}

/// Makes what a proxy proves itself with, and knows the controller by: its pod is one that nobody runs.
pub(super) async fn credentials(client: &Client, files: &Path) -> Result<(), Fault> {
    let account = object_name("web");
    let path = format!("/api/v1/namespaces/{GATEWAY}");
    let there = send(client, "GET", &format!("{path}/pods/proxy"), None).await;
    if there.is_err() {
        // The controller that begins the rollouts has made the account.
        make_pod(client, proxy_pod(&account)).await?;
    }
    let pod = send(client, "GET", &format!("{path}/pods/proxy"), None).await?;
    let bound = json!({"kind": "Pod", "apiVersion": "v1", "name": "proxy", "uid": pod["metadata"]["uid"]});
    let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"audiences": [AUDIENCE], "expirationSeconds": 86_400, "boundObjectRef": bound}});
    let token = make(client, &path, &format!("serviceaccounts/{account}/token"), request).await?;
    fs::write(files.join("token"), token["status"]["token"].as_str().unwrap_or_default())?;
    let now = k8s_openapi::jiff::Timestamp::now().as_second();
    fs::write(files.join("ca.crt"), authorities(client, SYSTEM, now).await?.bundle())?;
    Ok(())
}

/// A proxy's end of the stream of publications.
pub(super) struct Subscriber {
    publications: watch::Receiver<Arc<Publication>>,
    _following: watch::Sender<Following>,
    task: JoinHandle<()>,
}

impl Subscriber {
    pub(super) fn start(files: &Path) -> Result<Self, Fault> {
        let controller = Controller::new(ORIGIN.parse()?, files.join("ca.crt"), files.join("token"));
        let (newest, publications) = Newest::new(Arc::new(publication(&[])), None);
        let (told, following) = watch::channel(Following::default());
        let task = tokio::task::spawn_local(subscribe(controller, newest, following));
        Ok(Self { publications, _following: told, task })
    }

    /// Waits for the first publication.
    pub(super) async fn first(&mut self, patience: Duration) -> Result<(), Fault> {
        let some = |publication: &Arc<Publication>| !publication.config.services.is_empty();
        let first = timeout(patience, self.publications.wait_for(some)).await.map(|it| it.map(drop));
        first.map_err(|_| "no publication came")?.map_err(Fault::from)
    }

    /// Waits until a service has an endpoint.
    pub(super) async fn endpoint(&mut self, service: &Name, endpoint: &Address) -> Result<(), Fault> {
        let has = |publication: &Arc<Publication>| {
            let versions = publication.config.services.get(service).map(|service| service.versions.values());
            versions.into_iter().flatten().any(|version| version.endpoints.contains(endpoint))
        };
        let seen = timeout(Duration::from_mins(1), self.publications.wait_for(has)).await.map(|it| it.map(drop));
        seen.map_err(|_| format!("{service} has not got {endpoint}"))?.map_err(Fault::from)
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}
