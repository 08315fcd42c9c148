//! PURE. `strategy: recreate`: the workloads of the stable version give way (0 replicas) before a pod of the new one starts;
//! where that one does not come, it gives way itself and they get back what they had. Everything follows from what is written
//! down: first that they give way and what they have, then they do.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tidegate_config::Name;
use tidegate_controller::engine::{Hold, Phase, Status};

use super::object::Asked;
use super::scale::can_scale;
use super::work::Work;
use crate::rollout_object::{GivenWay, Memory, Size};
use crate::site::Site;
use crate::versions::{Owner, Way, is_unscheduled, labelled, owner, selected, stays, takeovers};
use crate::world::{Key, World};

/// Which version is to run now.
fn runs(memory: &Memory) -> Option<&Name> {
    let (status, given_way) = (memory.record.rollout.as_ref()?, memory.given_way.as_ref()?);
    match status.phase {
        Phase::Recreating => Some(&status.canary),
        Phase::Promoted => None,
        // The next one comes at once; nobody is brought back for a moment.
        Phase::Progressing if is_about_to(status) => None,
        _ => Some(&given_way.version),
    }
}

fn is_about_to(status: &Status) -> bool {
    let waits = status.hold.is_some_and(|held| held.reason != Hold::NotInForce);
    status.policy.recreates() && !waits
}

/// Notes what gives way, and that it is back or has been replaced for good.
pub(super) fn note(world: &World, asked: &Asked, memory: &mut Memory) {
    let Some(status) = memory.record.rollout.as_ref() else { return };
    let known = memory.given_way.as_ref();
    match status.phase {
        Phase::Recreating if known.is_none_or(|known| known.version != status.stable) => {
            memory.given_way = gives_way(world, asked, &status.stable);
        }
        Phase::Recreating => {}
        Phase::Promoted => memory.given_way = None,
        _ if known.is_some_and(|known| is_back(world, asked, known)) => memory.given_way = None,
        _ => {}
    }
}

fn gives_way(world: &World, asked: &Asked, version: &Name) -> Option<GivenWay> {
    let discovery = labelled(world, &asked.service, &asked.label).ok()?;
    let found = discovery.versions.get(version)?;
    let owners: BTreeSet<(String, Key)> =
        found.pods.iter().filter_map(|pod| owner(world, pod)).filter(can_scale).map(|it| (it.kind, it.key)).collect();
    let replicas = |(kind, key): (String, Key)| {
        let replicas = replicas(world, &kind, &key)?;
        Some(Size { kind, name: key.name, replicas })
    };
    let workloads = owners.into_iter().filter_map(replicas).collect();
    Some(GivenWay { version: version.clone(), revision: found.made_from.clone(), made: found.order, workloads })
}

/// Whether a version has pods again, and its workloads are to keep them; or none of its workloads is there any more.
fn is_back(world: &World, asked: &Asked, GivenWay { version, workloads, .. }: &GivenWay) -> bool {
    let namespace = &asked.service.namespace;
    let all: Vec<i32> =
        workloads.iter().filter_map(|it| replicas(world, &it.kind, &Key::new(namespace, &it.name))).collect();
    let has_pods = pods(world, asked).iter().any(|pod| is_of(asked, version, pod) && stays(pod));
    all.is_empty() || has_pods && all.iter().all(|replicas| *replicas > 0)
}

/// The workloads that must have no pods before the version that is to run can start.
pub(super) fn in_the_way(world: &World, asked: &Asked, memory: &Memory) -> BTreeSet<Owner> {
    let Some(version) = runs(memory) else { return BTreeSet::new() };
    others(world, asked, version, stays)
}

/// The workloads of the version that comes back, once nothing else runs, with their replicas.
pub(super) fn to_bring_back(world: &World, asked: &Asked, memory: &Memory) -> Vec<(String, Key, i32)> {
    let Some(GivenWay { version, workloads, .. }) = memory.given_way.as_ref() else { return Vec::new() };
    if runs(memory) != Some(version) || !others(world, asked, version, |_| true).is_empty() {
        return Vec::new();
    }
    let away = |Size { kind, name, replicas: had }: &Size| {
        let key = Key::new(&asked.service.namespace, name);
        (replicas(world, kind, &key) == Some(0)).then(|| (kind.clone(), key, *had))
    };
    workloads.iter().filter_map(away).collect()
}

/// Whether a pod of this version may start, as far as other versions are concerned: those before it have given way, and
/// nobody of them is left.
pub(super) fn has_way(world: &World, asked: &Asked, memory: &Memory, version: &Name) -> bool {
    let started = |pod: &Arc<Pod>| !is_of(asked, version, pod) && !is_unscheduled(pod);
    !asked.recreates() || runs(memory) == Some(version) && !pods(world, asked).iter().any(started)
}

/// Why the stable version cannot give way to the one that is tried, with the field.
pub(super) fn impossible(work: &Work<'_>, site: &Site, canary: &Name) -> Option<String> {
    let Work { world, asked, .. } = *work;
    let stable = site.service.stable.as_ref().filter(|_| asked.recreates())?;
    let why = if let Way::InPlace(deployment) = &site.way {
        format!("Deployment {deployment} is updated in place; it needs a workload for each version")
    } else {
        let pods = pods(world, asked);
        let mut of_stable = pods.iter().filter(|pod| is_of(asked, stable, pod));
        let in_the_way = |pod: &Arc<Pod>| {
            if takeovers(pod).is_some() {
                return Some(format!(
                    "pod {} has the sidecar, which goes with it; it needs a route of a Gateway",
                    pod.name_any()
                ));
            }
            let cannot = owner(world, pod).filter(|owner| !can_scale(owner));
            cannot.map(|Owner { kind, key, .. }| {
                format!("{kind} {key} has no replicas to take away; it needs a Deployment or StatefulSet")
            })
        };
        of_stable.find_map(in_the_way).or_else(|| work.starts_by_itself(canary.as_str()).map(|it| it.to_string()))?
    };
    Some(format!("spec.strategy: recreate: {why}"))
}

/// The workloads that can be scaled, with pods of other versions that have started and are `such`, and none of this one.
fn others(world: &World, asked: &Asked, version: &Name, such: impl Fn(&Pod) -> bool) -> BTreeSet<Owner> {
    let pods = pods(world, asked);
    let owners = |of_it: bool| {
        let found = pods.iter().filter(move |pod| is_of(asked, version, pod) == of_it);
        let found = found.filter(|pod| of_it || such(pod) && !is_unscheduled(pod));
        let found: BTreeSet<Owner> = found
            .filter_map(|pod| owner(world, pod))
            .filter(can_scale)
            .map(|owner| Owner { revision: String::new(), ..owner })
            .collect();
        found
    };
    &owners(false) - &owners(true)
}

fn pods(world: &World, asked: &Asked) -> Arc<Vec<Arc<Pod>>> {
    selected(world, &asked.service)
}

fn is_of(asked: &Asked, version: &Name, pod: &Pod) -> bool {
    pod.labels().get(&asked.label).map(String::as_str) == Some(version.as_str())
}

/// The replicas that are asked for; `None` where there is no such workload.
fn replicas(world: &World, kind: &str, key: &Key) -> Option<i32> {
    match kind {
        "Deployment" => world.deployments.get(key).map(|it| it.spec.as_ref().and_then(|spec| spec.replicas)),
        _ => world.stateful_sets.get(key).map(|it| it.spec.as_ref().and_then(|spec| spec.replicas)),
    }
    .map(|replicas| replicas.unwrap_or(1))
}
