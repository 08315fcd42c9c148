//! PURE. Which workloads get 0 replicas, because the version that they run was replaced and somebody allowed it
//! (`scaleDown`). That it is done is written down, so that whoever scales one up again is not fought.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tidegate_config::{Name, RolloutId};
use tidegate_controller::engine::Phase;

use super::object::{Asked, Object};
use crate::rollout_object::Memory;
use crate::versions::{Owner, deployment_of, owner, selected};
use crate::world::{Key, World};

/// A workload that is to have no replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScaleDown {
    /// The Rollout.
    pub rollout: Key,
    /// Its uid.
    pub uid: String,
    /// What was promoted.
    pub promoted: RolloutId,
    /// `Deployment` or `StatefulSet`.
    pub kind: String,
    /// The workload.
    pub workload: Key,
}

/// What is to be scaled down in a world.
pub fn scale_downs(world: &World, objects: &[Arc<Object>]) -> Vec<ScaleDown> {
    objects.iter().flat_map(|object| scale_down(world, object)).collect()
}

fn scale_down(world: &World, object: &Object) -> Vec<ScaleDown> {
    let (Some(asked), Some(memory)) = (&object.asked, object.memory.as_deref()) else { return Vec::new() };
    let Some((promoted, replaced)) = due(asked, memory) else { return Vec::new() };
    let down = |Owner { kind, key, .. }| ScaleDown {
        rollout: object.key.clone(),
        uid: object.uid.clone(),
        promoted,
        kind,
        workload: key,
    };
    running(world, asked, replaced).into_iter().map(down).collect()
}

/// Notes that nothing of the version that was replaced is left, whoever has seen to it.
pub(super) fn note(world: &World, asked: &Asked, memory: &mut Memory) {
    let Some((promoted, replaced)) = due(asked, memory) else { return };
    if running(world, asked, replaced).is_empty() {
        memory.scaled_down = Some(promoted);
    }
}

/// The rollout that was promoted, and the version that it replaced, while nothing is noted of it.
fn due<'a>(asked: &Asked, memory: &'a Memory) -> Option<(RolloutId, &'a Name)> {
    let last = memory.record.rollout.as_ref().filter(|status| status.phase == Phase::Promoted)?;
    let replaced = memory.stable.as_ref() == Some(&last.canary) && memory.scaled_down != Some(last.rollout);
    (asked.scale_down && replaced).then_some((last.rollout, &last.stable))
}

/// The workloads that can be scaled and run a version and nothing else. Of one Deployment that is updated in place there is
/// none: it scales its old revisions down itself.
fn running(world: &World, asked: &Asked, version: &Name) -> BTreeSet<Owner> {
    if deployment_of(world, &asked.service).is_some() {
        return BTreeSet::new();
    }
    let pods = selected(world, &asked.service);
    let is_of = |pod: &Pod| pod.labels().get(&asked.label).map(String::as_str) == Some(version.as_str());
    let owned = |of_it: bool| {
        let found = pods.iter().filter(move |pod| is_of(pod) == of_it && pod.metadata.deletion_timestamp.is_none());
        found.filter_map(|pod| owner(world, pod)).map(|owner| Owner { revision: String::new(), ..owner })
    };
    let others: BTreeSet<Owner> = owned(false).collect();
    let scales = |owner: &Owner| matches!(owner.kind.as_str(), "Deployment" | "StatefulSet");
    owned(true).filter(|owner| scales(owner) && !others.contains(owner)).collect()
}
