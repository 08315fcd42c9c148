//! PURE. Which workloads get 0 replicas, because the version that they run was replaced and somebody allowed it
//! (`scaleDown`). That it is done is written down, so that whoever scales one up again is not fought.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tidegate_config::{Name, RolloutId};
use tidegate_controller::engine::Phase;

use super::object::Asked;
use super::scale::can_scale;
use crate::rollout_object::Memory;
use crate::versions::{Owner, deployment_of, owner, selected, stays};
use crate::world::World;

/// The workloads of a version that was replaced.
pub(super) fn replaced(world: &World, asked: &Asked, memory: &Memory) -> BTreeSet<Owner> {
    due(asked, memory).map(|(_, versions)| running(world, asked, &versions)).unwrap_or_default()
}

/// Notes that nothing of the version that was replaced is left, whoever has seen to it.
pub(super) fn note(world: &World, asked: &Asked, memory: &mut Memory) {
    let Some((promoted, replaced)) = due(asked, memory) else { return };
    if running(world, asked, &replaced).is_empty() {
        memory.scaled_down = Some(promoted);
    }
}

/// The rollout that was promoted, and the versions that it replaced, while nothing is noted of it: the one that was stable, and
/// those that were tried beside the one that was promoted.
fn due<'a>(asked: &Asked, memory: &'a Memory) -> Option<(RolloutId, Vec<&'a Name>)> {
    let last = memory.record.rollout.as_ref().filter(|status| status.phase == Phase::Promoted)?;
    let replaced = memory.stable.as_ref() == Some(&last.canary) && memory.scaled_down != Some(last.rollout);
    let allowed = asked.scale_down || asked.recreates();
    (allowed && replaced).then(|| (last.rollout, std::iter::once(&last.stable).chain(&last.rivals).collect()))
}

/// The workloads that can be scaled and run some of these versions and nothing else. Of one Deployment that is updated in place there is
/// none: it scales its old revisions down itself.
fn running(world: &World, asked: &Asked, versions: &[&Name]) -> BTreeSet<Owner> {
    if deployment_of(world, &asked.service).is_some() {
        return BTreeSet::new();
    }
    let pods = selected(world, &asked.service);
    let is_of = |pod: &Pod| {
        let label = pod.labels().get(&asked.label).map(String::as_str);
        versions.iter().any(|version| label == Some(version.as_str()))
    };
    let owned = |of_it: bool| {
        let found = pods.iter().filter(move |pod| is_of(pod) == of_it && stays(pod));
        found.filter_map(|pod| owner(world, pod)).map(|owner| Owner { revision: String::new(), ..owner })
    };
    let others: BTreeSet<Owner> = owned(false).collect();
    owned(true).filter(|owner| can_scale(owner) && !others.contains(owner)).collect()
}
