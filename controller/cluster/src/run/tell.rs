//! From every picture of the world to what each Gateway's proxies and each sidecar are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_controller::clock::Clock;
use tidegate_controller::publish::Keys;

use super::picture::Pictures;
use crate::catalog::Catalog;
use crate::feeds::{Account, Feeds};
use crate::gateway::infrastructure::object_name;
use crate::publish::publication;
use crate::sidecar::sidecars;

/// Tells proxies of every picture, until there are no more.
pub(super) async fn tell(mut pictures: Pictures, keys: Keys, feeds: Arc<Feeds>) {
    // Above every generation that an earlier process may have issued.
    let first = Clock::System.now().millis();
    while pictures.changed().await.is_ok() {
        let Some(picture) = pictures.borrow_and_update().clone() else { continue };
        let catalog = Catalog::new(&picture.world, &picture.released, &keys);
        let told = picture.compiled.gateways.iter().filter_map(|(key, gateway)| {
            let account: Account = (key.namespace.clone(), object_name(&key.name));
            Some((account, publication(&gateway.plan, &catalog, &keys, 0)?))
        });
        feeds.update_sidecars(sidecars(&picture.world, &catalog, &keys), first);
        feeds.update(told.collect::<BTreeMap<_, _>>(), first);
    }
}
