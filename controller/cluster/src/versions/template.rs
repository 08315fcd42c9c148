//! PURE. What a revision's pods are made from, as far as it tells a restart from an update.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::pods::{Owner, TEMPLATE_HASH};
use crate::world::World;

/// What `kubectl rollout restart` writes into a template.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";
/// The annotation of a template that stands for another one. It is in no object of a cluster.
const FINGERPRINT: &str = "fingerprint";

/// Whether the templates of two revisions differ in the time of a restart only (and in the hash, which follows from it).
pub(crate) fn is_restart_of(set: &ReplicaSet, stable: &ReplicaSet) -> bool {
    match (template(set), template(stable)) {
        (Some(own), Some(stable)) => bare(own) == bare(stable),
        _ => false,
    }
}

fn template(set: &ReplicaSet) -> Option<&PodTemplateSpec> {
    set.spec.as_ref()?.template.as_ref()
}

/// A template that stands for another one: two are the same if those that they stand for differ in the time of a restart only.
/// Templates of all revisions of all Deployments of a cluster would be most of what is kept of it.
pub(crate) fn fingerprint(template: &PodTemplateSpec) -> PodTemplateSpec {
    let text = serde_json::to_vec(&bare(template)).unwrap_or_default();
    let digest = ring::digest::digest(&ring::digest::SHA256, &text);
    let annotations = BTreeMap::from([(FINGERPRINT.to_owned(), URL_SAFE_NO_PAD.encode(digest))]);
    let metadata = ObjectMeta { annotations: Some(annotations), ..ObjectMeta::default() };
    PodTemplateSpec { metadata: Some(metadata), spec: None }
}

/// What a workload makes its pods from, as a text that a restart leaves as it is; where that is not known, the revision of the
/// pod that was asked about.
pub(crate) fn made_from(world: &World, owner: &Owner) -> String {
    let deployment = || Some(&world.deployments.get(&owner.key)?.spec.as_ref()?.template);
    let stateful_set = || Some(&world.stateful_sets.get(&owner.key)?.spec.as_ref()?.template);
    let kept = match owner.kind.as_str() {
        "Deployment" => deployment(),
        "StatefulSet" => stateful_set(),
        _ => None,
    };
    // What is kept of a workload has no annotations but this one.
    let annotations = kept.and_then(|template| template.metadata.as_ref()?.annotations.as_ref());
    annotations.and_then(|annotations| annotations.get(FINGERPRINT)).unwrap_or(&owner.revision).clone()
}

fn bare(template: &PodTemplateSpec) -> PodTemplateSpec {
    let mut template = template.clone();
    if let Some(metadata) = &mut template.metadata {
        // No annotations and an empty map of them are the same.
        for (map, name) in [(&mut metadata.labels, TEMPLATE_HASH), (&mut metadata.annotations, RESTARTED_AT)] {
            map.get_or_insert_default().remove(name);
        }
    }
    template
}
