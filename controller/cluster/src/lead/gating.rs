//! PURE. Which gates of pods are to be opened, and which to be shut, and which pods may start. It follows from what is written
//! down alone: a promotion is written before a gate opens, and whoever leads opens every gate that nobody holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tidegate_config::Name;
use tidegate_controller::engine::Phase;

use super::fault::Fault;
use super::gates::Gate;
use super::job::{Owner, Tried};
use super::object::Object;
use super::recreate;
use super::served::Served;
use crate::site::{Site, site};
use crate::versions::{Held, Way, is_open, is_unscheduled, owner, selected, stays};
use crate::world::{Key, World};

/// A gate, and what it is to be.
#[derive(Debug, Clone)]
pub struct Change {
    /// The pod as it was seen.
    pub pod: Arc<Pod>,
    /// What its gate is to be.
    pub gate: Gate,
}

/// What is to become of gates.
#[derive(Debug, Clone, Default)]
pub struct Gating {
    /// Those that are to be other than they are.
    pub changes: Vec<Change>,
    /// Pods whose gates are shut, and are to stay so.
    pub held: Vec<Arc<Pod>>,
    /// Pods that are to be scheduled: what had to be done before is done, or nobody waits for it.
    pub starts: Vec<Arc<Pod>>,
}

/// What is to become of the gates of a world.
pub fn gating(world: &World, objects: &[Arc<Object>], served: &BTreeMap<Name, Served>) -> Gating {
    let mut gating = Gating::default();
    let mut claimed: BTreeSet<Key> = BTreeSet::new();
    let mut asleep: BTreeSet<Key> = BTreeSet::new();
    for object in objects {
        let pods = object.service.as_ref().map(|service| selected(world, service)).unwrap_or_default();
        if pods.iter().all(|pod| is_open(pod) == Held::Ungated) {
            continue;
        }
        match held_by(world, object, served) {
            Holds::Nothing => {}
            Holds::All => {
                claimed.extend(pods.iter().map(|pod| Key::of(&**pod)));
                asleep.extend(pods.iter().map(|pod| Key::of(&**pod)));
            }
            Holds::These(site) => {
                claimed.extend(pods.iter().map(|pod| Key::of(&**pod)));
                let waits = pods.iter().filter(|pod| !may_start(world, object, &site, pod));
                asleep.extend(waits.map(|pod| Key::of(&**pod)));
                gating.changes.extend(site.to_open.iter().map(|pod| Change { pod: pod.clone(), gate: Gate::Open }));
                gating.changes.extend(site.to_shut.iter().map(|pod| Change { pod: pod.clone(), gate: Gate::Shut }));
            }
        }
    }
    let to_open: BTreeSet<Key> = gating.changes.iter().map(|change| Key::of(&*change.pod)).collect();
    let held = world.held();
    for (key, pod) in held.iter().filter(|(key, pod)| is_open(pod) == Held::Shut && !to_open.contains(key)) {
        if claimed.contains(key) {
            gating.held.push(pod.clone());
        } else if stays(pod) {
            gating.changes.push(Change { pod: pod.clone(), gate: Gate::Open });
        }
    }
    let late = held.iter().filter(|(key, pod)| is_unscheduled(pod) && !asleep.contains(key));
    gating.starts = late.map(|(_, pod)| pod.clone()).filter(|pod| stays(pod)).collect();
    gating
}

/// Whether nothing is left to be done before a pod starts: it is of a version that was stable before, or its gates have
/// succeeded.
fn may_start(world: &World, object: &Object, site: &Site, pod: &Pod) -> bool {
    let (Some(asked), Some(memory)) = (&object.asked, &object.memory) else { return true };
    let named = match &site.way {
        Way::InPlace(_) => owner(world, pod).map(|owner| owner.revision),
        Way::Workloads => pod.labels().get(&asked.label).cloned(),
    };
    let Ok(version) = named.unwrap_or_default().parse::<Name>() else { return true };
    let found = site.service.versions.get(&version).and_then(|found| found.revision.as_deref());
    let served = site.service.stable.as_ref() == Some(&version) || memory.trusted.contains(&version);
    let tried = Tried { version: &version, revision: found.unwrap_or_default() };
    let done = asked.may_start(Owner { key: &object.key, uid: &object.uid }, tried, &memory.gates);
    served || done && recreate::has_way(world, asked, memory, &version)
}

/// What an object holds of its Service's pods.
enum Holds {
    /// None of them: an update is an ordinary one.
    Nothing,
    /// Every gate stays as it is, because the versions cannot be told, or what is asked for.
    All,
    /// Those of a version that is not promoted.
    These(Box<Site>),
}

fn held_by(world: &World, object: &Object, served: &BTreeMap<Name, Served>) -> Holds {
    let Some(asked) = &object.asked else {
        // Another object decides, or nobody can tell what was asked for before.
        let remembers = object.memory.is_some() || matches!(object.fault, Some(Fault::Record(_)));
        let decides = !matches!(object.fault, Some(Fault::Conflicted(_)));
        return if remembers && decides { Holds::All } else { Holds::Nothing };
    };
    let managed = served.get(&asked.name).is_some_and(|served| served.managed);
    let memory = object.memory.as_deref();
    let last = memory.and_then(|memory| memory.record.rollout.as_ref());
    // An aborted version stays held: its owner reverts the workload, or nobody does.
    let holds = managed || last.is_some_and(|status| status.phase != Phase::Promoted);
    if !holds {
        return Holds::Nothing;
    }
    // Which version is stable must be written down before anything follows from it.
    let Some((memory, stable)) = memory.and_then(|memory| Some((memory, memory.stable.as_ref()?))) else {
        return Holds::All;
    };
    match site(world, &asked.ask(memory), Some(stable), &memory.trusted) {
        Ok(site) => Holds::These(Box::new(site)),
        Err(_) => Holds::All,
    }
}
