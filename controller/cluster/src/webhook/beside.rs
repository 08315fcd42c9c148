//! PURE. Pods of workloads beside the one that has the stable version. A version that comes in a workload of its own waits for
//! its promotion, too: a Service sends a part of its requests to every pod that is ready, whatever the shares are.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use tidegate_config::{Name, Problem};

use super::gate::{Gate, Why};
use super::valves::{Gating, Standing};
use crate::lead::Asked;
use crate::rollout_object::{GivenWay, Memory};
use crate::versions::{Found, Owner, is_ready, labelled, owner, selects, still};
use crate::world::{Key, World};

/// A workload: its kind and its name.
pub type Workload = (String, Key);

/// What is known of the workloads behind a managed Service whose versions are told by a label of their pods, or would be if
/// there were a second workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Beside {
    /// The namespace.
    pub namespace: String,
    /// The labels of its pods.
    pub selector: BTreeMap<String, String>,
    /// The label whose values are the versions.
    pub label: String,
    /// Versions that never wait.
    pub exempt: BTreeMap<String, Standing>,
    /// Whether the others are held before they start, too.
    pub before_start: bool,
    /// Whether pods of the workloads that are known can be held.
    pub workloads: BTreeMap<Workload, Gating>,
}

impl Beside {
    /// What there is to know of a Service. `None` where a new version could not be told from the stable one, or where nobody
    /// would serve while it waits.
    pub fn of(world: &World, service: &Key, asked: &Asked, memory: &Memory) -> Option<Self> {
        let selector = world.services.get(service)?.spec.as_ref()?.selector.clone()?;
        let discovery = labelled(world, service, &asked.label).ok()?;
        let nobody = Found::default();
        let (stable, made, found) = if let Some(GivenWay { version, made, .. }) = &memory.given_way {
            // Nobody else serves: what comes waits for its turn.
            (version.clone(), *made, &nobody)
        } else {
            let stable = still(&discovery, &asked.label, memory.stable.as_ref()?)?;
            let found = discovery.versions.get(&stable).filter(|it| it.pods.iter().any(|pod| is_ready(pod)))?;
            (stable, found.order, found)
        };
        let trusted = memory.trusted.iter().map(|name| (name.to_string(), Standing::Promoted));
        let exempt: BTreeMap<_, _> = trusted.chain([(stable.to_string(), Standing::Stable)]).collect();
        let mut workloads = workloads(world, service, made);
        for Owner { kind, key, .. } in found.pods.iter().filter_map(|pod| owner(world, pod)) {
            let problem = problem(
                format!("{kind} {key}: spec.template"),
                format!("it has the stable version {stable}, whose pods its update takes away"),
                "a workload of its own for each version",
            );
            workloads.insert((kind, key), Gating::Off(problem));
        }
        let before_start = asked.starts_late();
        let (namespace, label) = (service.namespace.clone(), asked.label.clone());
        Some(Self { namespace, selector, label, exempt, before_start, workloads })
    }

    /// Decides for a pod of a workload; `None` where it is none of this Service's.
    pub(super) fn decide(&self, namespace: &str, pod: &ObjectMeta, workload: &Workload) -> Option<Gate> {
        let labels = pod.labels.as_ref()?;
        let selected = self.selector.iter().all(|(name, value)| labels.get(name) == Some(value));
        if namespace != self.namespace || !selected {
            return None;
        }
        let version = labels.get(&self.label).filter(|value| value.parse::<Name>().is_ok())?;
        Some(match (self.exempt.get(version), self.workloads.get(workload)) {
            (Some(standing), _) => Gate::None(Why::Exempt(*standing)),
            (None, Some(Gating::Off(problem))) => Gate::None(Why::Off(problem.clone())),
            // What has not been seen yet is new. A Deployment does not mind that its pods wait; a stateful set may.
            (None, None) if workload.0 == "StatefulSet" => Gate::Unseen,
            (None, None | Some(Gating::On)) => Gate::Hold { before_start: self.before_start },
        })
    }
}

/// The workloads whose pods a Service selects. One that was made before that of the stable version has no version that
/// would ever be tried.
fn workloads(world: &World, service: &Key, stable_made: i64) -> BTreeMap<Workload, Gating> {
    let Some(object) = world.services.get(service) else { return BTreeMap::new() };
    let pods = |template: &PodTemplateSpec| template.metadata.as_ref().and_then(|metadata| metadata.labels.clone());
    let later = |kind: &str, meta: &ObjectMeta| {
        let made = meta.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second());
        let name = meta.name.as_deref().unwrap_or_default();
        (made >= stable_made).then_some(()).ok_or_else(|| {
            problem(
                format!("{kind} {name}: metadata.creationTimestamp"),
                "older than the workload of the stable version: no version of it is tried",
                "a workload that is made for the new version",
            )
        })
    };
    let gating = |result: Result<(), Problem>| result.map_or_else(Gating::Off, |()| Gating::On);
    let mut all = BTreeMap::new();
    for (key, it) in world.deployments.of(&service.namespace) {
        if it.spec.as_ref().is_some_and(|spec| selects(object, pods(&spec.template).as_ref())) {
            all.insert(("Deployment".to_owned(), key.clone()), gating(later("Deployment", &it.metadata)));
        }
    }
    for (key, it) in world.stateful_sets.of(&service.namespace) {
        if it.spec.as_ref().is_some_and(|spec| selects(object, pods(&spec.template).as_ref())) {
            let can = later("StatefulSet", &it.metadata).and_then(|()| is_parallel(it));
            all.insert(("StatefulSet".to_owned(), key.clone()), gating(can));
        }
    }
    all
}

/// Whether a stateful set makes its pods without waiting for those before: else a pod that is held would be its last one.
pub(crate) fn is_parallel(set: &StatefulSet) -> Result<(), Problem> {
    let policy = set.spec.as_ref().and_then(|spec| spec.pod_management_policy.as_deref()).unwrap_or("OrderedReady");
    (policy == "Parallel").then_some(()).ok_or_else(|| {
        problem(
            format!("StatefulSet {}: spec.podManagementPolicy", set.name_any()),
            format!("{policy}: behind a pod that is held no other one is made"),
            "Parallel",
        )
    })
}

fn problem(path: String, wrong: impl Into<String>, allowed: &str) -> Problem {
    Problem { path, wrong: wrong.into(), allowed: allowed.to_owned() }
}

#[cfg(test)]
mod tests;
