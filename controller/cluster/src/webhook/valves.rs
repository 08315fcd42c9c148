//! PURE. The live record by which pods of new revisions are told from all others.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tidegate_config::Problem;

use super::beside::Beside;
use crate::versions::{TEMPLATE_HASH, template_hash};
use crate::world::Key;

/// What `kubectl rollout restart` writes into a template.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";
/// The annotation of a template that stands for another one. It is in no object of a cluster.
const FINGERPRINT: &str = "fingerprint";

/// Whose pods are held.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Valves {
    /// The managed Deployments that are updated in place.
    pub deployments: BTreeMap<Key, Valve>,
    /// The managed Services with what is known of workloads beside the stable one.
    pub services: Vec<Beside>,
}

/// What is known of a managed Deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct Valve {
    /// Whether pods of its candidates are held.
    pub gating: Gating,
    /// Whether they are held before they start, too: something must be done first, such as a migration.
    pub before_start: bool,
    /// Its revisions, by the uid of their replica set: one that was deleted and made again is another one.
    pub revisions: BTreeMap<String, Standing>,
}

/// Whether candidates are held.
#[derive(Debug, Clone, PartialEq)]
pub enum Gating {
    /// They are.
    On,
    /// They are not: an update is an ordinary one. Why, and what would change that.
    Off(Problem),
}

/// What a revision is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// What most visitors are served by.
    Stable,
    /// It has been stable, or is about to be: going back to it must not wait for anybody.
    Promoted,
    /// Stable once more: only the time of a restart differs.
    RestartOnly,
    /// A new one.
    Candidate,
}

impl Valve {
    /// The standing of each replica set of a Deployment, given the hashes of the stable revision and of those that were
    /// promoted before. Without the stable one's replica set nobody can tell a restart, and none is taken for one.
    pub fn standings<'a>(
        replica_sets: impl IntoIterator<Item = &'a ReplicaSet>,
        stable: &str,
        promoted: &BTreeSet<String>,
    ) -> BTreeMap<String, Standing> {
        let all: Vec<_> = replica_sets.into_iter().filter_map(|set| Some((template_hash(set)?, set))).collect();
        let template = |set: &'a ReplicaSet| set.spec.as_ref()?.template.as_ref();
        let stable_template = all.iter().find(|(hash, _)| *hash == stable).and_then(|(_, set)| template(set));
        let standing = |hash: &str, set| match (template(set), stable_template) {
            _ if hash == stable => Standing::Stable,
            _ if promoted.contains(hash) => Standing::Promoted,
            (Some(own), Some(stable)) if is_restart_of(own, stable) => Standing::RestartOnly,
            _ => Standing::Candidate,
        };
        all.into_iter().filter_map(|(hash, set)| Some((set.metadata.uid.clone()?, standing(hash, set)))).collect()
    }
}

/// Whether two templates differ in the time of a restart only (and in the hash, which follows from it).
pub fn is_restart_of(template: &PodTemplateSpec, stable: &PodTemplateSpec) -> bool {
    bare(template) == bare(stable)
}

/// A template that stands for another one where only [`is_restart_of`] is asked: two are the same if those are that they
/// stand for. Templates of all revisions of all Deployments of a cluster would be most of what is kept of it.
pub fn fingerprint(template: &PodTemplateSpec) -> PodTemplateSpec {
    let text = serde_json::to_vec(&bare(template)).unwrap_or_default();
    let digest = ring::digest::digest(&ring::digest::SHA256, &text);
    let annotations = BTreeMap::from([(FINGERPRINT.to_owned(), URL_SAFE_NO_PAD.encode(digest))]);
    let metadata = ObjectMeta { annotations: Some(annotations), ..ObjectMeta::default() };
    PodTemplateSpec { metadata: Some(metadata), spec: None }
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
