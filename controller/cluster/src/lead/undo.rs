//! PURE. Which Deployments are to be set back to their stable revision after an abort (`onFailure: undo`, `capacity: follow`). It follows from
//! what is written down; that it is done is written down, too, so that whoever applies the version again is not fought.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tidegate_config::RolloutId;
use tidegate_controller::engine::Phase;

use super::object::{Asked, Object};
use crate::rollout_object::Memory;
use crate::versions::{
    Held, TEMPLATE_HASH, deployment_of, is_open, is_ready, newest_revision, revision, selected, template_hash,
};
use crate::world::{Key, World};

/// A Deployment that is to be set back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// The Rollout.
    pub rollout: Key,
    /// Its uid.
    pub uid: String,
    /// What was aborted.
    pub aborted: RolloutId,
    /// The Deployment.
    pub deployment: Key,
    /// The replica set of the version that was aborted.
    pub from: Key,
    /// That of the stable one.
    pub to: Key,
}

/// What is to be set back in a world.
pub fn undos(world: &World, objects: &[Arc<Object>]) -> Vec<Undo> {
    objects.iter().filter_map(|object| undo(world, object)).collect()
}

fn undo(world: &World, object: &Object) -> Option<Undo> {
    let (asked, memory) = (object.asked.as_ref()?, object.memory.as_deref()?);
    let aborted = due(asked, memory)?;
    let deployment = deployment_of(world, &asked.service)?;
    let from = aborted_revision(world, &deployment, memory)?;
    let to = revision(world, &deployment, memory.stable.as_ref()?)?;
    let there = world.deployments.get(&deployment)?;
    if !is_shut(world, asked, memory) {
        return None;
    }
    // What somebody holds on purpose, or takes away, is theirs.
    let free = !is_paused(there) && there.metadata.deletion_timestamp.is_none();
    free.then(|| Undo {
        rollout: object.key.clone(),
        uid: object.uid.clone(),
        aborted,
        from: Key::of(&*from),
        to: Key::of(&*to),
        deployment,
    })
}

/// The rollout that was aborted, and not undone yet.
fn due(asked: &Asked, memory: &Memory) -> Option<RolloutId> {
    let last = memory.record.rollout.as_ref().filter(|status| status.phase == Phase::Aborted)?;
    (asked.undoes().is_some() && memory.undone != Some(last.rollout)).then_some(last.rollout)
}

/// Whether no pod of the version that was aborted is counted as ready by Services any more. Where gates were open they are
/// shut first: the Deployment would else keep such pods until new ones of the stable revision are there.
fn is_shut(world: &World, asked: &Asked, memory: &Memory) -> bool {
    let aborted = memory.record.rollout.as_ref().map(|status| status.canary.as_str());
    let is_of = |pod: &Pod| pod.labels().get(TEMPLATE_HASH).map(String::as_str) == aborted;
    let left = |pod: &Pod| match is_open(pod) {
        Held::Ungated => false,
        Held::Open => true,
        Held::Shut => is_ready(pod),
    };
    let pods = selected(world, &asked.service);
    pods.iter().all(|pod| !is_of(pod) || pod.metadata.deletion_timestamp.is_some() || !left(pod))
}

/// The replica set of the version that was aborted, as long as its Deployment asks for it.
fn aborted_revision(world: &World, deployment: &Key, memory: &Memory) -> Option<Arc<ReplicaSet>> {
    let canary = &memory.record.rollout.as_ref()?.canary;
    newest_revision(world, deployment).filter(|set| template_hash(set) == Some(canary.as_str()))
}

fn is_paused(deployment: &Deployment) -> bool {
    deployment.spec.as_ref().is_some_and(|spec| spec.paused == Some(true))
}

/// Notes that there is nothing left to undo: the Deployment asks for another version, whoever has seen to it.
pub(super) fn note(world: &World, asked: &Asked, memory: &mut Memory) {
    let Some(aborted) = due(asked, memory) else { return };
    let Some(deployment) = deployment_of(world, &asked.service) else { return };
    let seen = newest_revision(world, &deployment).is_some();
    if seen && aborted_revision(world, &deployment, memory).is_none() {
        memory.undone = Some(aborted);
    }
}

/// Why an abort is not undone though that is asked for, with the field.
pub(super) fn impossible(world: &World, asked: &Asked, memory: &Memory) -> Option<String> {
    due(asked, memory)?;
    let field = asked.undoes()?;
    let Some(deployment) = deployment_of(world, &asked.service) else {
        return Some(format!(
            "{field}: the versions of Service {} are separate workloads, of which none was changed; it holds",
            asked.service
        ));
    };
    aborted_revision(world, &deployment, memory)?;
    let stable = memory.stable.as_ref()?;
    if revision(world, &deployment, stable).is_none() {
        return Some(format!(
            "{field}: Deployment {deployment} has no replica set of {stable} any more \
             (spec.revisionHistoryLimit), so it holds"
        ));
    }
    let there = world.deployments.get(&deployment)?;
    is_paused(there).then(|| format!("{field}: Deployment {} is paused, so it holds", there.name_any()))
}
