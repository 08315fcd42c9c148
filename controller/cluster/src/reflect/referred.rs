//! Watches objects one by one that others refer to: of the Secrets of a cluster we read only those.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Client;
use tokio::task::JoinSet;

use super::{Keeper, Scope};
use crate::gateway::{self, Installation};
use crate::world::Key;

/// The watches of single objects.
#[derive(Debug, Default)]
pub(super) struct Referred {
    secrets: BTreeMap<Key, JoinSet<()>>,
    config_maps: BTreeMap<Key, JoinSet<()>>,
}

impl Referred {
    /// Watches what the world refers to now, and nothing else.
    pub(super) fn follow(&mut self, keeper: &Arc<Keeper>, client: &Client, installation: &Installation) {
        let (secrets, config_maps) = keeper.with(|state| gateway::references(&state.world, installation));
        let gone = |watched: &BTreeMap<Key, JoinSet<()>>, wanted: &BTreeSet<Key>| -> Vec<Key> {
            watched.keys().filter(|key| !wanted.contains(*key)).cloned().collect()
        };
        for key in gone(&self.secrets, &secrets) {
            self.secrets.remove(&key);
            keeper.forget::<Secret>(&key);
        }
        for key in gone(&self.config_maps, &config_maps) {
            self.config_maps.remove(&key);
            keeper.forget::<ConfigMap>(&key);
        }
        for key in secrets {
            self.secrets.entry(key).or_insert_with_key(|key| {
                let mut task = JoinSet::new();
                keeper.follow::<Secret>(&mut task, client, Scope::One(key.clone()));
                task
            });
        }
        for key in config_maps {
            self.config_maps.entry(key).or_insert_with_key(|key| {
                let mut task = JoinSet::new();
                keeper.follow::<ConfigMap>(&mut task, client, Scope::One(key.clone()));
                task
            });
        }
    }
}
