//! From every new world to what each Gateway's proxies are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_controller::clock::Clock;
use tidegate_controller::publish::Keys;
use tokio::sync::watch;

use crate::catalog::{Catalog, Released};
use crate::feeds::{Account, Feeds};
use crate::gateway::infrastructure::object_name;
use crate::gateway::{CONTROLLER_NAME, Installation, compile};
use crate::publish::publication;
use crate::world::World;

/// Tells proxies of every world, until there are no more.
pub(super) async fn tell(
    mut worlds: watch::Receiver<Option<Arc<World>>>,
    keys: Keys,
    feeds: Arc<Feeds>,
    gateways: Installation,
) {
    // Above every generation that an earlier process may have issued.
    let first = Clock::System.now().millis();
    while worlds.changed().await.is_ok() {
        let Some(world) = worlds.borrow_and_update().clone() else { continue };
        let compiled = compile(&world, CONTROLLER_NAME, &gateways);
        let released = Released::new();
        let catalog = Catalog::new(&world, &released, &keys);
        let told = compiled.gateways.iter().filter_map(|(key, gateway)| {
            let account: Account = (key.namespace.clone(), object_name(&key.name));
            Some((account, publication(&gateway.plan, &catalog, &keys, 0)?))
        });
        feeds.update(told.collect::<BTreeMap<_, _>>(), first);
    }
}
