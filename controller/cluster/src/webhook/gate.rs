//! PURE. Whether a pod that is being created is to be held back.
//!
//! A pod of a candidate gets a readiness gate, by which the Deployment's own update stops until somebody opens it; where
//! something must happen before it even starts, a scheduling gate as well. Any doubt means no gate: a pod that waits for
//! us for no reason is an outage, one that should have waited is an ordinary update.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};
use tidegate_config::Problem;

use super::beside::Workload;
use super::valves::{Gating, Standing, Valve, Valves};
use crate::versions::TEMPLATE_HASH;
pub use crate::versions::{GATE as PROMOTED, MIGRATION};
use crate::world::Key;

/// What a pod gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Gate {
    /// Nothing, for a reason.
    None(Why),
    /// The readiness gate.
    Hold {
        /// And the scheduling gate.
        before_start: bool,
    },
    /// Nothing yet: it is managed, and its revision or its workload not on record. It was made a moment ago, so the record may
    /// know it in another one.
    Unseen,
}

/// Why a pod gets no gate.
#[derive(Debug, Clone, PartialEq)]
pub enum Why {
    /// It belongs to no managed Deployment, nor to a managed Service as another workload.
    NotManaged,
    /// Its Deployment is updated as ever.
    Off(Problem),
    /// Its revision never waits for us.
    Exempt(Standing),
}

/// Decides for a pod in a namespace. Its own metadata names none: the API server adds it later.
pub fn gate(namespace: &str, pod: &ObjectMeta, valves: &Valves) -> Gate {
    let origin = origin(namespace, pod);
    if let Some(Origin { workload: (_, key), replica_set: Some(set) }) = &origin
        && let Some(valve) = valves.deployments.get(key)
    {
        return revision(valve, set);
    }
    let Some(Origin { workload, .. }) = origin else { return Gate::None(Why::NotManaged) };
    let decided = valves.services.iter().filter_map(|service| service.decide(namespace, pod, &workload));
    // Where several Services select it, any doubt of one means no gate.
    decided.reduce(Gate::or_less).unwrap_or(Gate::None(Why::NotManaged))
}

/// Decides for a pod of a revision of a Deployment.
fn revision(valve: &Valve, replica_set: &str) -> Gate {
    if let Gating::Off(problem) = &valve.gating {
        return Gate::None(Why::Off(problem.clone()));
    }
    match valve.revisions.get(replica_set) {
        None => Gate::Unseen,
        Some(Standing::Candidate) => Gate::Hold { before_start: valve.before_start },
        Some(exempt) => Gate::None(Why::Exempt(*exempt)),
    }
}

/// Where a pod comes from.
struct Origin<'a> {
    workload: Workload,
    /// The uid of the replica set between a Deployment and its pod.
    replica_set: Option<&'a str>,
}

/// Where a pod comes from; `None` where that is no workload whose pods could be held. A Deployment names its replica sets
/// after itself and the hash, so it is known before the replica set has been seen.
fn origin<'a>(namespace: &str, pod: &'a ObjectMeta) -> Option<Origin<'a>> {
    let owners = pod.owner_references.iter().flatten();
    let owner = owners.into_iter().find(|owner| owner.controller == Some(true))?;
    let (kind, name, replica_set) = match (owner.api_version.as_str(), owner.kind.as_str()) {
        ("apps/v1", "ReplicaSet") => {
            let hash = pod.labels.as_ref()?.get(TEMPLATE_HASH)?;
            ("Deployment", owner.name.strip_suffix(hash)?.strip_suffix('-')?, Some(owner.uid.as_str()))
        }
        ("apps/v1", "StatefulSet") => ("StatefulSet", owner.name.as_str(), None),
        _ => return None,
    };
    Some(Origin { workload: (kind.to_owned(), Key::new(namespace, name)), replica_set })
}

impl Gate {
    /// The one that holds a pod less.
    fn or_less(self, other: Self) -> Self {
        match (self, other) {
            (Self::Hold { before_start: one }, Self::Hold { before_start: two }) => {
                Self::Hold { before_start: one && two }
            }
            (Self::Hold { .. }, less) | (less @ Self::None(_), _) | (Self::Unseen, less @ Self::None(_)) => less,
            (Self::Unseen, _) => Self::Unseen,
        }
    }

    /// Puts the gates into the pod. Those that are there stay, and none is there twice.
    pub(super) fn put_into(&self, pod: &mut Value) {
        let Self::Hold { before_start } = self else { return };
        add(pod, "readinessGates", &json!({ "conditionType": PROMOTED }));
        // What is assigned to a node passes no scheduler, and the API server refuses the two together.
        if *before_start && pod["spec"]["nodeName"].as_str().is_none_or(str::is_empty) {
            add(pod, "schedulingGates", &json!({ "name": MIGRATION }));
        }
    }
}

fn add(pod: &mut Value, list: &str, gate: &Value) {
    let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let gates = spec.entry(list).or_insert(Value::Null);
    match gates.as_array_mut() {
        Some(gates) if gates.contains(gate) => {}
        Some(gates) => gates.push(gate.clone()),
        None => *gates = json!([gate]),
    }
}
