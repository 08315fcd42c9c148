//! PURE. One question of the API server: may this pod be created? It may, perhaps changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use json_patch::{Patch, diff};
use k8s_openapi::api::core::v1::{ObjectReference, Service as KubeService};
use kube::core::DynamicObject;
use kube::core::admission::{AdmissionRequest, Operation};
use serde_json::Value;
use tidegate_config::limits::{NOTICE_BYTES_MAX, WARNINGS_MAX};
use tidegate_config::{Problem, Problems};
use tidegate_inject::{InjectionOptions, KubernetesVersion, Namespace, NotInjected, Service, inject};

use super::gate::Gate;
use super::valves::Valves;
use crate::world::{Key, World};

/// What answers are made from. Cheap to copy.
#[derive(Debug, Clone)]
pub struct Known {
    /// The cluster.
    pub world: Arc<World>,
    /// Whose pods are held.
    pub valves: Arc<Valves>,
    /// The Services whose pods are to have a sidecar.
    pub asking: Arc<BTreeSet<Key>>,
    /// What sidecars are made of.
    pub options: Arc<InjectionOptions>,
    /// How old the cluster is.
    pub kubernetes: KubernetesVersion,
}

/// What becomes of a pod.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Review {
    /// How it is changed; nothing if it is not.
    pub patch: Patch,
    /// What whoever creates it should know, at most [`WARNINGS_MAX`] lines.
    pub warnings: Vec<String>,
    /// What its owner should know.
    pub notices: Vec<Notice>,
}

/// Something to be told as an Event, of type `Warning`.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The pod's workload, as far as it is known, else the pod.
    pub regarding: ObjectReference,
    /// What kind of event, in one word.
    pub reason: &'static str,
    /// What has happened, at most [`NOTICE_BYTES_MAX`] bytes.
    pub message: String,
}

/// Decides what becomes of the pod of a request, for which `gate` was decided already.
pub fn review(request: &AdmissionRequest<DynamicObject>, known: &Known, gate: &Gate) -> Review {
    let is_pod = request.resource.group.is_empty() && request.resource.resource == "pods";
    let creates = request.operation == Operation::Create && request.sub_resource.as_deref().is_none_or(str::is_empty);
    let Some(pod) = request.object.as_ref().filter(|_| is_pod && creates) else { return Review::default() };
    let Ok(before) = serde_json::to_value(pod) else { return Review::default() };
    let namespace = request.namespace.as_deref().unwrap_or_default();
    let (mut after, problems) = match with_sidecar(&before, namespace, known) {
        Ok(after) => (after, Problems::default()),
        Err(NotInjected::NotAsked) => (before.clone(), Problems::default()),
        Err(NotInjected::Refused(problems)) => (before.clone(), problems),
    };
    gate.put_into(&mut after);
    let warnings = problems.iter().map(|problem| format!("tidegate: no sidecar: {problem}"));
    let told = !problems.is_empty() && !request.dry_run;
    let notice = || Notice {
        regarding: regarding(request, pod, namespace, &known.world),
        reason: "SidecarNotInjected",
        message: message(&problems),
    };
    Review {
        patch: diff(&before, &after),
        warnings: warnings.take(WARNINGS_MAX).collect(),
        notices: told.then(notice).into_iter().collect(),
    }
}

fn with_sidecar(pod: &Value, namespace: &str, known: &Known) -> Result<Value, NotInjected> {
    let World { namespaces, services, .. } = &*known.world;
    let around = namespaces.get(&Key::new("", namespace)).map(|found| Namespace {
        labels: found.metadata.labels.clone().unwrap_or_default(),
        annotations: found.metadata.annotations.clone().unwrap_or_default(),
    });
    let here = services.of(namespace);
    let read = |(key, service): (&Key, &Arc<KubeService>)| {
        let service = Service::read(&serde_json::to_value(&**service).unwrap_or_default())?;
        Ok(if known.asking.contains(key) { service.asking() } else { service })
    };
    let services: Result<Vec<_>, Problem> = here.map(read).collect();
    let services = services.map_err(|Problem { path, wrong, allowed }| {
        let mut problems = Problems::default();
        problems.add(format!("a Service of the namespace: {path}"), wrong, allowed);
        NotInjected::Refused(problems)
    })?;
    inject(pod, &around.unwrap_or_default(), &services, known.kubernetes, &known.options)
}

/// The object whose events people read: the Deployment rather than its replica set, that rather than a pod among many.
fn regarding(
    request: &AdmissionRequest<DynamicObject>,
    pod: &DynamicObject,
    namespace: &str,
    world: &World,
) -> ObjectReference {
    let owner = pod.metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    let set = owner
        .filter(|owner| owner.kind == "ReplicaSet")
        .and_then(|owner| world.replica_sets.get(&Key::new(namespace, &owner.name)));
    let owners = set.and_then(|set| set.metadata.owner_references.as_ref());
    let deployment = owners.into_iter().flatten().find(|owner| owner.controller == Some(true));
    let named = |api_version: &str, kind: &str, name: &str, uid: Option<&String>| ObjectReference {
        api_version: Some(api_version.to_owned()),
        kind: Some(kind.to_owned()),
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        uid: uid.cloned(),
        ..ObjectReference::default()
    };
    match deployment.or(owner) {
        Some(owner) => named(&owner.api_version, &owner.kind, &owner.name, Some(&owner.uid)),
        None => named("v1", "Pod", &request.name, None),
    }
}

fn message(problems: &Problems) -> String {
    let all: Vec<_> = problems.iter().map(ToString::to_string).collect();
    let mut message = format!("A pod was created without the sidecar. {}", all.join(". "));
    if message.len() > NOTICE_BYTES_MAX {
        let mut end = NOTICE_BYTES_MAX - '…'.len_utf8();
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        message.truncate(end);
        message.push('…');
    }
    message
}
