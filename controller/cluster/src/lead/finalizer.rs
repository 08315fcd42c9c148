//! PURE. Which rollout objects must not go yet: those whose stable version has given way (`strategy: recreate`). What its
//! workloads had is written in their status and nowhere else, so the finalizer is there before the first of them is scaled down,
//! and it stays until they are back, or another version is promoted.

use std::sync::Arc;

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
    let removes = has && done;
    let others = || object.finalizers.iter().filter(|it| *it != FINALIZER).cloned();
    let all = match (adds, removes) {
        (true, _) => others().chain([FINALIZER.to_owned()]).collect(),
        (_, true) => others().collect(),
        _ => return None,
    };
    Some(Finalizers { rollout: object.key.clone(), version: object.version.clone(), all })
}

impl Object {
    /// Whether it has our finalizer.
    pub(super) fn is_bound(&self) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == FINALIZER)
    }
}
