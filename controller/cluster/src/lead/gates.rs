//! Lets pods start, and opens and shuts their gates, one condition of a pod's status each (`status.conditions`, type [`GATE`]).

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

use crate::versions::{GATE, MIGRATION};
use crate::world::Key;

/// What a gate is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Its pod's version was promoted.
    Open,
    /// Its pod's version is being tried.
    Shut,
    /// Nobody will decide about it any more.
    Released,
}

/// Opens or shuts the gate of a pod as it was seen: one that has changed since is refused by the API server (409), and seen
/// anew. The name of whoever leads is in it, so that a new leader changes every gate it holds, and what an earlier one still
/// writes is refused.
pub async fn set(client: &Client, pod: &Pod, gate: Gate, leader: &str, now: &Time) -> Result<(), kube::Error> {
    let Key { namespace, name } = Key::of(pod);
    let (status, reason, message) = match gate {
        Gate::Open => ("True", "Promoted", "nothing holds this pod"),
        Gate::Shut => {
            ("False", "OnTrial", "this version is tried on a part of the visitors and waits for its promotion")
        }
        Gate::Released => ("True", "Uninstalled", "Tidegate was removed; nobody decides about this version any more"),
    };
    let message = format!("{leader}: {message}");
    let patch = json!({
        "metadata": {"uid": pod.metadata.uid, "resourceVersion": pod.metadata.resource_version},
        "status": {"conditions": [{
            "type": GATE, "status": status, "reason": reason, "message": message, "lastTransitionTime": now,
        }]},
    });
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    pods.patch_status(&name, &PatchParams::default(), &Patch::Strategic(patch)).await.map(drop)
}

/// Lets a pod start, as it was seen (409 where it has changed): takes our scheduling gate away, and nothing else.
pub async fn start(client: &Client, pod: &Pod) -> Result<(), kube::Error> {
    let Key { namespace, name } = Key::of(pod);
    let patch = json!({
        "metadata": {"uid": pod.metadata.uid, "resourceVersion": pod.metadata.resource_version},
        "spec": {"schedulingGates": [{"$patch": "delete", "name": MIGRATION}]},
    });
    let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
    pods.patch(&name, &PatchParams::default(), &Patch::Strategic(patch)).await.map(drop)
}
