//! What follows from each world, worked out once for all who need it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_config::Name;
use tokio::sync::watch;

use crate::catalog::Released;
use crate::gateway::{CONTROLLER_NAME, Compiled, Installation, compile};
use crate::lead::{Object, Remembered, Served, objects, served};
use crate::sidecar;
use crate::world::World;

/// A world and what follows from it.
#[derive(Debug)]
pub(crate) struct Picture {
    /// The world.
    pub(crate) world: Arc<World>,
    /// What its Gateways and routes mean.
    pub(crate) compiled: Compiled,
    /// Its rollout objects.
    pub(crate) rollouts: Vec<Object>,
    /// What of them is written down, by Service.
    pub(crate) released: Released,
    /// Which proxies serve which Service.
    pub(crate) served: BTreeMap<Name, Served>,
}

/// The newest picture; `None` before the first.
pub(crate) type Pictures = watch::Receiver<Option<Arc<Picture>>>;

/// Draws a picture of every world, until there are no more.
pub(super) async fn draw(
    mut worlds: watch::Receiver<Option<Arc<World>>>,
    gateways: Installation,
    pictures: watch::Sender<Option<Arc<Picture>>>,
) {
    let mut remembered = Remembered::default();
    while worlds.changed().await.is_ok() {
        let Some(world) = worlds.borrow_and_update().clone() else { continue };
        let compiled = compile(&world, CONTROLLER_NAME, &gateways);
        let rollouts = objects(&world, &mut remembered);
        let of = |object: &Object| {
            let asked = object.asked.clone()?;
            Some((asked.service.clone(), (asked, object.memory.clone()?)))
        };
        let released = rollouts.iter().filter_map(of).collect();
        let mut served = served(&world, &compiled);
        let asked = rollouts.iter().filter_map(|object| Some((object.asked.as_ref()?, object.memory.as_ref())));
        sidecar::served(&world, asked, &mut served);
        pictures.send_replace(Some(Arc::new(Picture { world, compiled, rollouts, released, served })));
    }
}
