//! Keeps the world as the API server tells it: a watch for each kind, its objects trimmed of what nobody reads. Readers see
//! whole worlds only, the first one when every kind has been listed.

mod kept;
mod referred;
mod retry;

use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Resource};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::events::Events;
use crate::gateway::Installation;
use crate::lead::News;
use crate::world::{Index, Key, Objects, World};

pub use kept::{Kept, Unreadable};
use referred::Referred;
use retry::Retry;

/// Changes that come within this time of each other make one world: a rollout of a Deployment is many events.
const TOGETHER: Duration = Duration::from_millis(5);
/// Objects of a world for each millisecond until the next: what follows from a large one takes its time, and changes that
/// come all the time must not take all of it.
const OBJECTS_IN_A_MILLISECOND: usize = 250;

/// Which objects of a kind a watch brings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All of the cluster.
    All,
    /// Those of a namespace.
    Namespace(String),
    /// This one: it may be all that we are allowed to read.
    One(Key),
}

/// The world while it changes.
#[derive(Debug)]
pub struct Keeper {
    state: Mutex<State>,
    changed: Notify,
    published: watch::Sender<Option<Arc<World>>>,
    /// Where it is told of an object that cannot be read.
    events: Events,
}

#[derive(Debug, Default)]
struct State {
    world: World,
    /// Watches that have not listed their objects yet.
    unlisted: usize,
}

impl Keeper {
    /// A world that is empty yet.
    pub fn new(events: Events) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), changed: Notify::new(), published: watch::Sender::new(None), events })
    }

    /// The worlds, the newest only; `None` until everything has been listed once.
    pub fn worlds(&self) -> watch::Receiver<Option<Arc<World>>> {
        self.published.subscribe()
    }

    /// Starts to watch a kind. Must be called for every kind before [`publish`](Self::publish) runs.
    pub fn follow<K: Kept>(self: &Arc<Self>, tasks: &mut JoinSet<()>, client: &Client, scope: Scope) {
        self.with(|state| state.unlisted += 1);
        tasks.spawn(Arc::clone(self).keep::<K>(client.clone(), scope));
    }

    /// Publishes what changes, for ever. What the world refers to one by one is watched as long as it does.
    pub async fn publish(self: Arc<Self>, client: Client, installation: Installation) {
        let (mut referred, mut index) = (Referred::default(), Index::default());
        let mut next = Instant::now();
        loop {
            self.changed.notified().await;
            sleep_until(next.max(Instant::now() + TOGETHER)).await;
            referred.follow(&self, &client, &installation);
            let Some(mut world) = self.with(|state| (state.unlisted == 0).then(|| state.world.clone())) else {
                continue;
            };
            index = index.next(&world);
            world.index = index.clone();
            next = Instant::now() + pause(world.size());
            self.published.send_replace(Some(Arc::new(world)));
        }
    }

    async fn keep<K: Kept>(self: Arc<Self>, client: Client, scope: Scope) {
        let (api, config) = K::watched(client, &scope);
        let kind = format!("{} {scope}", K::kind(&()));
        let mut stream = pin!(watcher(api, config).backoff(Retry::default()));
        let (mut unlisted, mut listing, mut trouble) = (Some(Unlisted(&self)), Objects::<K>::default(), None);
        while let Some(event) = stream.next().await {
            // That a list begins does not say that it will be one.
            if !matches!(event, Ok(Event::Init)) {
                tell(&kind, &mut trouble, event.as_ref().err());
            }
            let done = match event {
                Ok(Event::Init) => {
                    listing.clear();
                    continue;
                }
                Ok(Event::InitApply(object)) => {
                    listing.extend(self.read(object));
                    continue;
                }
                Ok(Event::InitDone) => {
                    let listing = std::mem::take(&mut listing);
                    self.change(|world| replace(K::objects(world), &scope, listing));
                    true
                }
                Ok(Event::Apply(object)) => {
                    if let Some((key, object)) = self.read::<K>(object) {
                        self.change(|world| K::objects(world).insert(key, object));
                    }
                    false
                }
                Ok(Event::Delete(object)) => {
                    self.change(|world| K::objects(world).remove(&Key::of(&object)));
                    false
                }
                // A kind whose definition is not installed has no objects; whoever installs it later is noticed. And one
                // object that we may not read is as good as none.
                Err(error) => is_unknown(&error) || matches!(scope, Scope::One(_)),
            };
            if done {
                drop(unlisted.take());
            }
        }
    }

    /// An object as it is kept. One that cannot be read stays as it was, if it was.
    fn read<K: Kept>(&self, watched: K::Watched) -> Option<(Key, Arc<K>)> {
        let key = Key::of(&watched);
        match K::read(watched) {
            Ok(mut object) => {
                object.trim();
                Some((key, Arc::new(object)))
            }
            Err(unreadable) => {
                let Unreadable { object, error } = *unreadable;
                let kind = K::kind(&());
                self.events.once(object, &News::of_unreadable(&error));
                eprintln!("tidegate-controller: {kind} {key}: {error}. It stays as it was when it could be read last.");
                let known = self.with(|state| K::objects(&mut state.world).get(&key).cloned())?;
                Some((key, known))
            }
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) {
        self.with(|state| change(&mut state.world));
        self.changed.notify_one();
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Forgets an object that is not watched any more.
    pub fn forget<K: Kept>(&self, key: &Key) {
        self.change(|world| K::objects(world).remove(key));
    }
}

/// A watch that has not listed its objects yet, until dropped: also one that is not wanted any more.
struct Unlisted<'a>(&'a Keeper);

impl Drop for Unlisted<'_> {
    fn drop(&mut self) {
        self.0.with(|state| state.unlisted -= 1);
        self.0.changed.notify_one();
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("in all namespaces"),
            Self::Namespace(namespace) => write!(f, "in {namespace}"),
            Self::One(key) => write!(f, "{key}"),
        }
    }
}

/// Says what is wrong with a watch, and that it is over, once each: a watch that fails is begun again for ever.
fn tell(kind: &str, trouble: &mut Option<String>, error: Option<&watcher::Error>) {
    let now = error.map(in_words);
    if *trouble != now {
        eprintln!("tidegate-controller: watch of {kind}: {}", now.as_deref().unwrap_or("goes on"));
        *trouble = now;
    }
}

/// An error and its causes on one line, each said once.
fn in_words(error: &watcher::Error) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        cause = inner.source();
    }
    words
}

/// The least time between worlds of so many objects.
fn pause(objects: usize) -> Duration {
    Duration::from_millis((objects / OBJECTS_IN_A_MILLISECOND) as u64)
}

/// Puts what was listed in the place of what was known in that scope.
fn replace<K: Resource>(objects: &mut Objects<K>, scope: &Scope, listed: Objects<K>) {
    match scope {
        Scope::All => {
            *objects = listed;
            return;
        }
        Scope::Namespace(namespace) => objects.retain(|key, _| key.namespace != *namespace),
        Scope::One(one) => objects.remove(one),
    }
    objects.extend(listed.iter().map(|(key, object)| (key.clone(), Arc::clone(object))));
}

/// Whether the API server does not know the kind (404).
fn is_unknown(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::InitialListFailed(kube::Error::Api(status)) if status.code == 404)
}

/// What a watch of a kind that belongs to no namespace asks for.
fn watched_without_namespace<K>(client: Client, _: &Scope) -> (Api<K>, watcher::Config)
where
    K: Resource<DynamicType = (), Scope = kube::core::ClusterResourceScope>,
{
    (Api::all(client), watcher::Config::default())
}

/// What a watch of a kind asks for.
fn watched<K>(client: Client, scope: &Scope) -> (Api<K>, watcher::Config)
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
{
    let config = watcher::Config::default();
    match scope {
        Scope::All => (Api::all(client), config),
        Scope::Namespace(namespace) => (Api::namespaced(client, namespace), config),
        Scope::One(key) => {
            let config = config.fields(&format!("metadata.name={}", key.name));
            (Api::namespaced(client, &key.namespace), config)
        }
    }
}

#[cfg(test)]
mod tests {
    use gateway_api::experimental::httproutes::HttpRoute;
    use kube::core::DeserializeGuard;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_cannot_be_read_stays_as_it_was() {
        let (events, mut told) = Events::new();
        let keeper = Keeper::new(events);
        let route = |name: &str, kind: Value| {
            let filters = json!([{"type": kind, "requestHeaderModifier": {"remove": ["a"]}}]);
            let object = json!({"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
                "metadata": {"name": name, "namespace": "n"}, "spec": {"rules": [{"filters": filters}]}});
            serde_json::from_value::<DeserializeGuard<HttpRoute>>(object).unwrap()
        };
        let newer = || json!("FilterOfTomorrow");
        assert!(keeper.read::<HttpRoute>(route("a", newer())).is_none(), "it was never known");
        let event = format!("{:?}", told.try_recv().unwrap());
        for part in ["\"HTTPRoute\"", "\"a\"", "Unreadable", "FilterOfTomorrow"] {
            assert!(event.contains(part), "{part}: {event}");
        }
        let (key, known) = keeper.read::<HttpRoute>(route("a", json!("RequestHeaderModifier"))).unwrap();
        assert_eq!(key, Key::new("n", "a"));
        keeper.change(|world| world.http_routes.insert(key, Arc::clone(&known)));
        let (_, still) = keeper.read::<HttpRoute>(route("a", newer())).unwrap();
        assert!(Arc::ptr_eq(&still, &known));
        assert!(keeper.read::<HttpRoute>(route("b", newer())).is_none(), "another one");
    }
}
