//! PURE. Which workloads are to have other replicas than they have: those of versions that were replaced or must give way, and
//! those of a version that comes back.

use std::sync::Arc;

use tidegate_config::RolloutId;

use super::object::Object;
use super::{recreate, scale_down};
use crate::versions::Owner;
use crate::world::{Key, World};

/// A workload, and the replicas that it is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scale {
    /// The Rollout.
    pub rollout: Key,
    /// Its uid.
    pub uid: String,
    /// The rollout of it that this follows from.
    pub of: RolloutId,
    /// `Deployment` or `StatefulSet`.
    pub kind: String,
    /// The workload.
    pub workload: Key,
    /// Its replicas. Where they are more than 0, a workload that has any is left as it is.
    pub replicas: i32,
}

/// What is to be scaled in a world.
pub fn scales(world: &World, objects: &[Arc<Object>]) -> Vec<Scale> {
    objects.iter().flat_map(|object| scales_of(world, object)).collect()
}

fn scales_of(world: &World, object: &Object) -> Vec<Scale> {
    let (Some(asked), Some(memory)) = (&object.asked, object.memory.as_deref()) else { return Vec::new() };
    let Some(of) = memory.record.rollout.as_ref().map(|status| status.rollout) else { return Vec::new() };
    let (rollout, uid) = (&object.key, &object.uid);
    let scale = |kind: String, workload: Key, replicas: i32| Scale {
        rollout: rollout.clone(),
        uid: uid.clone(),
        of,
        kind,
        workload,
        replicas,
    };
    let replaced = scale_down::replaced(world, asked, memory).into_iter();
    // What it had must not go with its object.
    let bound = object.is_bound();
    let in_the_way = recreate::in_the_way(world, asked, memory).into_iter().filter(|_| bound);
    let gone = replaced.chain(in_the_way).map(|Owner { kind, key, .. }| scale(kind, key, 0));
    let back = recreate::to_bring_back(world, asked, memory);
    gone.chain(back.into_iter().map(|(kind, key, replicas)| scale(kind, key, replicas))).collect()
}

/// Whether a workload has replicas that can be set.
pub(super) fn can_scale(owner: &Owner) -> bool {
    matches!(owner.kind.as_str(), "Deployment" | "StatefulSet")
}
