//! PURE. Which rollout objects must not go yet: those whose stable version has given way (`strategy: recreate`). What its
//! workloads had is written in their status and nowhere else, so the finalizer is there before the first of them is scaled down,
//! and it stays until they are back, or another version is promoted.

use std::sync::Arc;

use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use super::object::Object;
use crate::world::Key;

/// The finalizer.
pub const FINALIZER: &str = "tidegate.dev/recreate";

/// An object whose finalizers are to be others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finalizers {
    /// The Rollout.
    pub rollout: Key,
    /// The state of it that this follows from.
    pub version: String,
    /// All that it is to have.
    pub all: Vec<String>,
}

/// What is to be changed.
pub fn finalizers(objects: &[Arc<Object>]) -> Vec<Finalizers> {
    objects.iter().filter_map(|object| change(object)).collect()
}

fn change(object: &Object) -> Option<Finalizers> {
    let waits = object.memory.as_ref().is_some_and(|memory| memory.given_way.is_some());
    let has = object.is_bound();
    // An object that goes already takes no other one.
    let adds = waits && !has && !object.leaves;
    // Where nothing can be carried out any more, as where its Service is gone, nothing is waited for. Until it goes, though:
    // what cannot be read may be in the status still.
    let done = if object.asked.is_some() { !waits } else { object.leaves };
    let (rollout, version) = (object.key.clone(), object.version.clone());
    if adds {
        let all = others(&object.finalizers).chain([FINALIZER.to_owned()]).collect();
        return Some(Finalizers { rollout, version, all });
    }
    (has && done).then(|| Finalizers { rollout, version, all: others(&object.finalizers).collect() })
}

fn others(finalizers: &[String]) -> impl Iterator<Item = String> {
    finalizers.iter().filter(|it| *it != FINALIZER).cloned()
}

fn is_among(finalizers: &[String]) -> bool {
    finalizers.iter().any(|it| it == FINALIZER)
}

impl Finalizers {
    /// An object without ours; `None` where it has not.
    pub fn without_ours(object: &impl Resource) -> Option<Self> {
        let all = object.finalizers();
        let version = object.resource_version().unwrap_or_default();
        is_among(all).then(|| Self { rollout: Key::of(object), version, all: others(all).collect() })
    }

    /// What is to be merged into the object, as long as it is in that state.
    pub fn patch(&self) -> Value {
        json!({"metadata": {"resourceVersion": self.version, "finalizers": self.all}})
    }
}

impl Object {
    /// Whether it has our finalizer.
    pub(super) fn is_bound(&self) -> bool {
        is_among(&self.finalizers)
    }
}
