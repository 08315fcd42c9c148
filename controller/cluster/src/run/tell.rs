//! From every picture of the world to what each Gateway's proxies and each sidecar are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_controller::clock::Clock;
use tidegate_controller::publish::Keys;

use super::picture::Pictures;
use crate::catalog::{Catalog, Entries};
use crate::feeds::{Account, Feeds};
use crate::gateway::Compiled;
use crate::gateway::infrastructure::object_name;
use crate::publish::{Answers, answers, are_same, publication};
use crate::sidecar::sidecars;
use crate::world::Key;

/// Tells proxies of every picture, until there are no more.
pub(super) async fn tell(mut pictures: Pictures, keys: Keys, feeds: Arc<Feeds>) {
    // Above every generation that an earlier process may have issued.
    let first = Clock::System.now().millis();
    let (mut entries, mut before) = (Entries::default(), Told::default());
    while pictures.changed().await.is_ok() {
        let Some(picture) = pictures.borrow_and_update().clone() else { continue };
        let catalog = Catalog::new(&picture.world, &picture.released, &keys, entries);
        feeds.update_sidecars(sidecars(&picture.world, &catalog, &keys), first);
        let mut told = Told { compiled: Arc::clone(&picture.compiled), answers: BTreeMap::new() };
        let publications = picture.compiled.gateways.iter().filter_map(|(key, gateway)| {
            let account: Account = (key.namespace.clone(), object_name(&key.name));
            let answers = answers(&gateway.plan, &catalog, &keys);
            let publication = if before.says(&picture.compiled, key, &answers) {
                None
            } else {
                Some(publication(&gateway.plan, &answers, &keys)?)
            };
            told.answers.insert(key.clone(), answers);
            Some((account, publication))
        });
        feeds.update(publications.collect(), first);
        entries = catalog.into_entries();
        before = told;
    }
}

/// What publications were made of.
#[derive(Default)]
struct Told {
    compiled: Arc<Compiled>,
    answers: BTreeMap<Key, Answers>,
}

impl Told {
    /// Whether the proxies of a Gateway were told all of this.
    fn says(&self, compiled: &Arc<Compiled>, gateway: &Key, answers: &Answers) -> bool {
        Arc::ptr_eq(&self.compiled, compiled) && self.answers.get(gateway).is_some_and(|known| are_same(known, answers))
    }
}
