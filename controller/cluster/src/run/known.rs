//! From every world to what the webhook answers with.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidegate_config::Problems;
use tidegate_inject::{InjectionOptions, KubernetesVersion, Resources};
use tokio::sync::watch;

use crate::catalog::Released;
use crate::webhook::{Known, valves};
use crate::world::World;

/// What sidecars are made of, but for whom they trust, and for how old a cluster.
#[derive(Debug, Clone)]
pub(super) struct Sidecars {
    /// The image of the proxy.
    pub(super) image: String,
    /// Where the proxy finds the controller.
    pub(super) controller: String,
    /// What each asks for and may use.
    pub(super) resources: Resources,
    /// How old the cluster is.
    pub(super) kubernetes: KubernetesVersion,
}

impl Sidecars {
    /// The options for sidecars that trust these certificates (PEM), or what is wrong with them.
    pub(super) fn options(&self, ca: String) -> Result<InjectionOptions, Problems> {
        let Self { image, controller, resources, kubernetes: _ } = self.clone();
        let audience = InjectionOptions::AUDIENCE.to_owned();
        let options = InjectionOptions { image, controller, ca, audience, resources };
        let problems = options.problems();
        if problems.is_empty() { Ok(options) } else { Err(problems) }
    }
}

/// Keeps `known` at the newest world and the newest certificates, until there are no more.
pub(super) async fn know(
    mut worlds: watch::Receiver<Option<Arc<World>>>,
    mut trusted: watch::Receiver<String>,
    sidecars: Sidecars,
    mut options: InjectionOptions,
    known: watch::Sender<Option<Known>>,
) {
    let released = Released::new();
    loop {
        tokio::select! {
            changed = worlds.changed() => if changed.is_err() { return },
            changed = trusted.changed() => {
                if changed.is_err() { return }
                // Certificates that cannot be used leave those that can.
                options = sidecars.options(trusted.borrow_and_update().clone()).unwrap_or(options);
            }
        }
        let Some(world) = worlds.borrow_and_update().clone() else { continue };
        let valves = Arc::new(valves(&world, &released, &BTreeSet::new()));
        let (options, kubernetes) = (Arc::new(options.clone()), sidecars.kubernetes);
        known.send_replace(Some(Known { world, valves, options, kubernetes }));
    }
}
