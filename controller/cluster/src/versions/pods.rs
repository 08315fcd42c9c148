//! PURE. What a pod says of itself: who owns it, whether it can take requests, whether our gate holds it.

use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Pod, PodCondition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::rollout_object::GATE_LABEL;
use crate::world::{Key, World};

/// The readiness gate by which a pod of a version that is being tried waits for its promotion
/// (`spec.readinessGates[].conditionType`).
pub const GATE: &str = "tidegate.dev/promoted";

/// The gate that a pod waits for before it is scheduled (`spec.schedulingGates[].name`). It can be taken away later, never
/// added.
pub const MIGRATION: &str = "tidegate.dev/migration";

/// The label by which the Deployment controller tells revisions apart.
pub(crate) const TEMPLATE_HASH: &str = "pod-template-hash";
/// The label by which that of a `StatefulSet` does.
pub(crate) const REVISION_HASH: &str = "controller-revision-hash";

/// The workload behind a pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// `Deployment`, `StatefulSet`, or what else made the pod.
    pub kind: String,
    /// Its name.
    pub key: Key,
    /// What tells the pods of one revision from those of another; empty where nothing does.
    pub revision: String,
}

/// Whether our gate holds a pod back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// It has no such gate.
    Ungated,
    /// The gate is shut.
    Shut,
    /// The gate is open.
    Open,
}

/// The workload that owns a pod; `None` for one that nothing owns.
pub fn owner(world: &World, pod: &Pod) -> Option<Owner> {
    let namespace = pod.metadata.namespace.clone().unwrap_or_default();
    let direct = controller_of(pod.metadata.owner_references.as_ref())?;
    let label = |name: &str| pod.metadata.labels.as_ref().and_then(|labels| labels.get(name)).cloned();
    let key = Key::new(namespace.clone(), direct.name.clone());
    if direct.kind != "ReplicaSet" {
        return Some(Owner { kind: direct.kind.clone(), key, revision: label(REVISION_HASH).unwrap_or_default() });
    }
    let revision = label(TEMPLATE_HASH).unwrap_or_default();
    let set = world.replica_sets.get(&key);
    let above = set.and_then(|set| controller_of(set.metadata.owner_references.as_ref()));
    Some(match above {
        Some(above) => Owner { kind: above.kind.clone(), key: Key::new(namespace, above.name.clone()), revision },
        None => Owner { kind: direct.kind.clone(), key, revision },
    })
}

/// Whether a replica set is not known: each kind has a watch of its own, and after an outage one may be back long before another.
/// Or it is really gone, as the old ones of a Deployment are at once with `revisionHistoryLimit: 0`, and its pods soon.
pub(crate) fn is_unknown(world: &World, owner: &Owner) -> bool {
    owner.kind == "ReplicaSet" && world.replica_sets.get(&owner.key).is_none()
}

/// The owner that manages an object.
pub(crate) fn controller_of(owners: Option<&Vec<OwnerReference>>) -> Option<&OwnerReference> {
    owners?.iter().find(|owner| owner.controller == Some(true))
}

/// Which pods of a Service requests can be sent to, whatever our gate says: those that serve, on nodes that are ready. Where
/// there is none, those of all nodes: no node has been heard from for a while after the API server was away, whereupon the cluster
/// itself takes every pod for unready, and they serve all the same.
#[derive(Debug, Clone, Copy)]
pub struct Usable<'a> {
    world: &'a World,
    anywhere: bool,
}

impl<'a> Usable<'a> {
    /// Of these pods, all that there are behind a Service.
    pub fn of(world: &'a World, mut pods: impl Iterator<Item = &'a Arc<Pod>>) -> Self {
        let heard = Self { world, anywhere: false };
        Self { anywhere: !pods.any(|pod| heard.has(pod)), ..heard }
    }

    /// Whether a pod is one of them.
    pub fn has(self, pod: &Pod) -> bool {
        serves(pod) && (self.anywhere || is_heard_of(self.world, pod))
    }
}

/// Whether a pod is not being ended, its containers are ready, and every gate but ours is open. A dead node leaves all of that as
/// it was.
fn serves(pod: &Pod) -> bool {
    let gates = pod.spec.iter().flat_map(|spec| spec.readiness_gates.iter().flatten());
    let mut others = gates.filter(|gate| gate.condition_type != GATE);
    stays(pod)
        && pod.status.as_ref().is_some_and(|status| status.pod_ip.is_some())
        && is_true(pod, "ContainersReady")
        && others.all(|gate| is_true(pod, &gate.condition_type))
}

/// Whether the node of a pod is ready, as far as it is known.
fn is_heard_of(world: &World, pod: &Pod) -> bool {
    let ready = |node: &Node| {
        let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.filter(|condition| condition.type_ == "Ready").all(|condition| condition.status == "True")
    };
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
    let node = node.and_then(|name| world.nodes.get(&Key::new("", name.clone())));
    node.is_none_or(|node| ready(node))
}

/// Whether a pod is not being ended.
pub(crate) fn stays(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
}

/// Whether our gate holds a pod.
pub fn is_open(pod: &Pod) -> Held {
    let mut gates = pod.spec.iter().flat_map(|spec| spec.readiness_gates.iter().flatten());
    if !gates.any(|gate| gate.condition_type == GATE) {
        Held::Ungated
    } else if is_true(pod, GATE) {
        Held::Open
    } else {
        Held::Shut
    }
}

/// Whether a pod is of a gate's Job.
pub(crate) fn is_of_gate(pod: &Pod) -> bool {
    pod.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(GATE_LABEL))
}

/// Whether our gate holds a pod back before it is scheduled.
pub fn is_unscheduled(pod: &Pod) -> bool {
    pod.spec.iter().flat_map(|spec| spec.scheduling_gates.iter().flatten()).any(|gate| gate.name == MIGRATION)
}

/// Whether the cluster sends requests to a pod: every container and every gate is ready.
pub fn is_ready(pod: &Pod) -> bool {
    is_true(pod, "Ready")
}

/// The address of a pod; `None` while it has none.
pub fn ip(pod: &Pod) -> Option<IpAddr> {
    pod.status.as_ref()?.pod_ip.as_deref()?.parse().ok()
}

fn is_true(pod: &Pod, kind: &str) -> bool {
    let mut conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.any(|condition: &PodCondition| condition.type_ == kind && condition.status == "True")
}
