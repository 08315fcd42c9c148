//! PURE. The record of managed Deployments, as it follows from the world and from what rollouts remember.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tidegate_config::{Name, Problem};
use tidegate_controller::engine::Phase;

use super::beside::Beside;
use super::gateable::is_gateable;
use super::valves::{Gating, Standing, Valve, Valves};
use crate::catalog::Released;
use crate::lead::{Asked, Object, Served};
use crate::rollout_object::Memory;
use crate::versions::{deployment_of, labelled, owner};
use crate::world::{Key, World};

/// The Services whose rollout objects ask for a sidecar in their pods.
pub fn asking(objects: &[Arc<Object>]) -> BTreeSet<Key> {
    objects
        .iter()
        .filter_map(|object| object.asked.as_ref())
        .filter(|it| it.inject)
        .map(|it| it.service.clone())
        .collect()
}

/// The valves of all Services that are released by us and managed (their traffic passes us). Until its stable version is
/// remembered a Service has none: nobody could tell a new one.
///
/// A version that was not promoted stays held although its Service is not managed any more, as its pods that are there are:
/// a pod that was created without its sidecar must not let the rest of a rollout through.
///
/// Where several such Services select one Deployment, each may exempt a revision: any doubt means no gate.
pub fn valves(world: &World, released: &Released, served: &BTreeMap<Name, Served>) -> Valves {
    let mut valves = Valves::default();
    let managed = |asked: &Asked| served.get(&asked.name).is_some_and(|served| served.managed);
    let tried = |memory: &Memory| memory.record.rollout.as_ref().is_some_and(|status| status.phase != Phase::Promoted);
    for (service, (asked, memory)) in released.iter().filter(|(_, (asked, memory))| managed(asked) || tried(memory)) {
        valves.services.extend(Beside::of(world, service, asked, memory));
        let Some(deployment) = deployment_of(world, service) else { continue };
        let Some(valve) = valve(world, service, &deployment, (asked, memory)) else { continue };
        let valve = match valves.deployments.remove(&deployment) {
            Some(other) => both(other, valve),
            None => valve,
        };
        valves.deployments.insert(deployment, valve);
    }
    valves
}

fn valve(world: &World, service: &Key, deployment: &Key, (asked, memory): (&Asked, &Memory)) -> Option<Valve> {
    let stable = memory.stable.as_ref()?;
    let object = world.deployments.get(deployment)?;
    let promoted: BTreeSet<String> = memory.trusted.iter().map(|name: &Name| name.as_str().to_owned()).collect();
    let sets = world.replica_sets_of(deployment);
    let revisions = Valve::standings(sets.iter().map(AsRef::as_ref), stable.as_str(), &promoted);
    let gating = match before_ready(world, service).map_or(Ok(()), Err).and_then(|()| is_gateable(object)) {
        Ok(()) => Gating::On,
        Err(problem) => Gating::Off(problem),
    };
    Some(Valve { gating, before_start: asked.starts_late(), revisions })
}

/// Why pods of new versions are not held though their Service is managed: of one Deployment's revisions in general, of
/// workloads those that have the version that is tried.
pub fn unheld(world: &World, asked: &Asked, memory: &Memory) -> Option<Problem> {
    let service = &asked.service;
    let off = |gating: &Gating| if let Gating::Off(problem) = gating { Some(problem.clone()) } else { None };
    if let Some(deployment) = deployment_of(world, service) {
        return off(&valve(world, service, &deployment, (asked, memory))?.gating);
    }
    let beside = Beside::of(world, service, asked, memory)?;
    let canary = &memory.record.under_way()?.canary;
    let discovery = labelled(world, service, &asked.label).ok()?;
    let mut owners = discovery.versions.get(canary)?.pods.iter().filter_map(|pod| owner(world, pod));
    owners.find_map(|owner| off(beside.workloads.get(&(owner.kind, owner.key))?))
}

/// A Service that gives traffic to pods that are not ready: no gate holds it back.
fn before_ready(world: &World, service: &Key) -> Option<Problem> {
    let spec = world.services.get(service)?.spec.as_ref()?;
    (spec.publish_not_ready_addresses == Some(true)).then(|| Problem {
        path: format!("Service {service}: spec.publishNotReadyAddresses"),
        wrong: "true: pods that are held back would get traffic".to_owned(),
        allowed: "false".to_owned(),
    })
}

/// What two Services say of one Deployment.
fn both(one: Valve, other: Valve) -> Valve {
    let gating = match (one.gating, other.gating) {
        (Gating::On, gating) | (gating, Gating::On) => gating,
        (off, Gating::Off(_)) => off,
    };
    let mut revisions: BTreeMap<String, Standing> = one.revisions;
    for (uid, standing) in other.revisions {
        revisions.entry(uid).and_modify(|known| *known = exempt(*known, standing)).or_insert(standing);
    }
    Valve { gating, before_start: one.before_start && other.before_start, revisions }
}

fn exempt(one: Standing, other: Standing) -> Standing {
    if one == Standing::Candidate { other } else { one }
}

#[cfg(test)]
mod tests;
