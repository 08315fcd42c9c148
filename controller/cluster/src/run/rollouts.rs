//! The leader's work on rollouts: what is due is looked at, what was decided is written, proxies are read meanwhile.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use tidegate_controller::clock::Clock;
use tidegate_controller::engine::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::jobs::{Done, carry_out};
use super::picture::{Picture, Pictures};
use crate::events::Events;
use crate::lead::{Desk, Scraped, Scraper, Write, is_of_annotations};
use crate::rollout_object::{Rollout, RolloutStatus};
use crate::world::Key;

/// Where a leader works.
#[derive(Clone)]
pub(super) struct Office {
    /// The API server.
    pub(super) client: Client,
    /// Who works here.
    pub(super) me: String,
    /// Where people are told.
    pub(super) events: Events,
}

/// Works while this replica leads, until there are no more pictures.
pub(super) async fn work(office: Office, mut pictures: Pictures, mut leads: watch::Receiver<bool>) {
    loop {
        while !*leads.borrow_and_update() {
            if leads.changed().await.is_err() {
                return;
            }
        }
        let mut term = Term::new(office.clone(), Clock::System);
        pictures.mark_changed();
        loop {
            tokio::select! {
                changed = leads.changed() => match changed {
                    Ok(()) if *leads.borrow() => {}
                    Ok(()) => break,
                    Err(_) => return,
                },
                changed = pictures.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let picture = pictures.borrow_and_update().clone();
                    term.see(picture);
                }
                Some(scraped) = term.readings.recv() => term.desk.read(scraped),
                Some(Ok((write, version))) = term.writing.join_next() => {
                    term.wrote(write, version);
                }
                Some(Ok(done)) = term.jobs.join_next() => {
                    term.desk.made(&done.rollout, &done.job, done.refused, term.clock.now());
                }
                () = until(&term.clock, term.desk.next_due()) => {}
            }
            term.look();
        }
    }
}

/// One time of leading. What it still writes when that is over names a state of the object that is over, too.
struct Term {
    client: Client,
    events: Events,
    clock: Clock,
    desk: Desk,
    scraper: Scraper,
    readings: mpsc::Receiver<Scraped>,
    writing: JoinSet<(Write, Option<String>)>,
    jobs: JoinSet<Done>,
    picture: Option<Arc<Picture>>,
}

impl Term {
    fn new(Office { client, me, events }: Office, clock: Clock) -> Self {
        let (scraper, readings) = Scraper::new(clock.clone());
        let (writing, jobs) = (JoinSet::new(), JoinSet::new());
        Self { client, events, desk: Desk::new(me), scraper, readings, writing, jobs, picture: None, clock }
    }

    fn see(&mut self, picture: Option<Arc<Picture>>) {
        if let Some(picture) = &picture {
            self.desk.take(&picture.rollouts, self.clock.now());
        }
        self.picture = picture;
        self.read();
    }

    /// Has the proxies of all Services in work read, each as often as the one that is most in a hurry wants.
    fn read(&mut self) {
        let Some(picture) = &self.picture else { return };
        let mut wanted: BTreeMap<SocketAddr, Duration> = BTreeMap::new();
        for (name, every) in self.desk.reads() {
            for target in picture.served.get(name).into_iter().flat_map(|served| &served.targets) {
                let every = Duration::from_millis(every.millis());
                wanted.entry(*target).and_modify(|known| *known = every.min(*known)).or_insert(every);
            }
        }
        self.scraper.want(&wanted);
        self.desk.keep(|target| wanted.contains_key(target));
    }

    /// Notes how a write ended, and tells people of what is in it.
    fn wrote(&mut self, write: Write, version: Option<String>) {
        let (key, uid) = (write.key.clone(), write.uid.clone());
        let news = self.desk.wrote(write, version, self.clock.now());
        let Some(picture) = self.picture.as_ref().filter(|_| !news.is_empty()) else { return };
        let world = &picture.world;
        let annotated = world.rollouts.get(&key).is_some_and(|object| is_of_annotations(object));
        let service = world.services.get(&key).filter(|_| annotated);
        let regarding: Vec<ObjectReference> =
            service.map(|service| service.object_ref(&())).into_iter().chain([rollout(&key, &uid)]).collect();
        for (news, regarding) in news.iter().flat_map(|news| regarding.iter().map(move |it| (news, it))) {
            self.events.once(regarding.clone(), news);
        }
    }

    fn look(&mut self) {
        let Some(picture) = self.picture.clone() else { return };
        let (outcomes, writes) = self.desk.look(&picture.world, &picture.served, self.clock.now());
        for (key, outcome) in &outcomes {
            for decision in &outcome.decided {
                eprintln!("tidegate-controller: Rollout {key}: {}", decision.record.text);
            }
        }
        if !writes.is_empty() {
            // A rollout that has started, or is over, is read at another pace.
            self.read();
        }
        for write in writes {
            let known = picture.world.rollouts.get(&write.key).and_then(|object| object.0.clone().ok());
            self.writing.spawn(store(self.client.clone(), write, known));
        }
        for (rollout, work) in self.desk.jobs(&picture.world, self.clock.now()) {
            self.jobs.spawn(carry_out(self.client.clone(), rollout, work));
        }
    }
}

/// A Rollout, as Events name it.
pub(super) fn rollout(key: &Key, uid: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some(Rollout::api_version(&()).into_owned()),
        kind: Some(Rollout::kind(&()).into_owned()),
        name: Some(key.name.clone()),
        namespace: Some(key.namespace.clone()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    }
}

/// Writes a status, as what follows from the state of the object that is named in it. Returns its new version, or nothing.
async fn store(client: Client, write: Write, known: Option<Rollout>) -> (Write, Option<String>) {
    let Some(known) =
        known.filter(|known| write.memory.is_some() || known.resource_version() == Some(write.version.clone()))
    else {
        return (write, None);
    };
    // Where nothing is remembered anew, what was remembered stays.
    let status = if write.memory.is_some() {
        write.status.clone()
    } else {
        RolloutStatus { conditions: write.status.conditions.clone(), ..known.status.unwrap_or_default() }
    };
    let metadata = ObjectMeta {
        name: Some(write.key.name.clone()),
        namespace: Some(write.key.namespace.clone()),
        uid: Some(write.uid.clone()),
        resource_version: Some(write.version.clone()),
        ..ObjectMeta::default()
    };
    let next = Rollout { metadata, spec: known.spec, status: Some(status) };
    let api: Api<Rollout> = Api::namespaced(client, &write.key.namespace);
    match api.replace_status(&write.key.name, &PostParams::default(), &next).await {
        Ok(stored) => {
            let version = stored.resource_version();
            (write, version)
        }
        // It has changed, or is gone: that will be seen.
        Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => (write, None),
        Err(error) => {
            eprintln!("tidegate-controller: status of Rollout {}: {error}", write.key);
            (write, None)
        }
    }
}

/// Waits for an instant; for ever without one.
async fn until(clock: &Clock, due: Option<Timestamp>) {
    match due {
        Some(due) => tokio::time::sleep(Duration::from_millis(due.millis_since(clock.now()))).await,
        None => std::future::pending().await,
    }
}
