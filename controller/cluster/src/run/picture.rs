//! What follows from each world, worked out once for all who need it, and of what has changed in it alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_config::Name;
use tokio::sync::watch;

use crate::catalog::Released;
use crate::gateway::{CONTROLLER_NAME, Compiled, Installation, compile};
use crate::lead::{Object, Remembered, Routed, Served, objects, routed, served};
use crate::sidecar;
use crate::world::World;

/// A world and what follows from it.
#[derive(Debug)]
pub(crate) struct Picture {
    /// The world.
    pub(crate) world: Arc<World>,
    /// What its Gateways and routes mean.
    pub(crate) compiled: Arc<Compiled>,
    /// Its rollout objects.
    pub(crate) rollouts: Vec<Arc<Object>>,
    /// What of them is written down, by Service.
    pub(crate) released: Released,
    /// Which proxies serve which Service of them.
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
    let (mut remembered, mut routing) = (Remembered::default(), None);
    while worlds.changed().await.is_ok() {
        let Some(world) = worlds.borrow_and_update().clone() else { continue };
        let Routing { compiled, routed, .. } = Routing::next(&mut routing, &world, &gateways);
        let rollouts = objects(&world, &mut remembered);
        let of = |object: &Arc<Object>| {
            let asked = object.asked.clone()?;
            Some((asked.service.clone(), (asked, object.memory.clone()?)))
        };
        let released = rollouts.iter().filter_map(of).collect();
        let asked = || rollouts.iter().filter_map(|object| Some((object.asked.as_deref()?, object.memory.as_ref())));
        let mut served = served(&world, routed, asked().map(|(asked, _)| &asked.name));
        sidecar::served(&world, asked(), &mut served);
        let compiled = Arc::clone(compiled);
        pictures.send_replace(Some(Arc::new(Picture { world, compiled, rollouts, released, served })));
    }
}

/// What routes mean, and the part of a world that this was made of.
struct Routing {
    of: World,
    compiled: Arc<Compiled>,
    routed: Routed,
}

impl Routing {
    /// That of a world: the one known, where routing follows from the same objects.
    fn next<'a>(known: &'a mut Option<Self>, world: &World, gateways: &Installation) -> &'a Self {
        // Nothing else of the world is seen by what follows from it.
        let of = world.of_routing();
        let kept = known.take().filter(|known| known.of.same(&of));
        known.insert(kept.unwrap_or_else(|| {
            let compiled = Arc::new(compile(&of, CONTROLLER_NAME, gateways));
            Self { routed: routed(&of, &compiled), compiled, of }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifests::{SERVICE, add, pod, world};

    #[test]
    fn routes_are_compiled_again_when_something_changes_that_they_follow_from() {
        let mut world = world(SERVICE);
        let (mut known, gateways) = (None, Installation::default());
        let mut compiled = |world: &World| Arc::clone(&Routing::next(&mut known, world, &gateways).compiled);
        let first = compiled(&world);
        add(&mut world, &pod("shop-aa", 0, "", "none"));
        assert!(Arc::ptr_eq(&compiled(&world), &first), "a pod routes nothing");
        add(&mut world, &SERVICE.replace("port: 80", "port: 81"));
        let second = compiled(&world);
        assert!(!Arc::ptr_eq(&second, &first));
        add(&mut world, "apiVersion: v1\nkind: Namespace\nmetadata: {name: default}\n");
        assert!(!Arc::ptr_eq(&compiled(&world), &second));
    }
}
