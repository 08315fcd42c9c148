//! PURE. The live record by which pods of new revisions are told from all others.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::ReplicaSet;
use tidegate_config::Problem;

use super::beside::Beside;
use crate::versions::{is_restart_of, template_hash};
use crate::world::Key;

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
        let stable_set = all.iter().find(|(hash, _)| *hash == stable).map(|(_, set)| *set);
        let standing = |hash: &str, set| match stable_set {
            _ if hash == stable => Standing::Stable,
            _ if promoted.contains(hash) => Standing::Promoted,
            Some(stable) if is_restart_of(set, stable) => Standing::RestartOnly,
            _ => Standing::Candidate,
        };
        all.into_iter().filter_map(|(hash, set)| Some((set.metadata.uid.clone()?, standing(hash, set)))).collect()
    }
}
