//! From every picture of the world to what the webhook answers with.

use std::sync::Arc;

use tidegate_config::Problems;
use tidegate_inject::{InjectionOptions, KubernetesVersion, Resources};
use tokio::sync::watch;

use super::picture::Pictures;
use crate::webhook::{Known, asking, valves};

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

/// Keeps `known` at the newest picture and the newest certificates, until there are no more.
pub(super) async fn know(
    mut pictures: Pictures,
    mut trusted: watch::Receiver<String>,
    sidecars: Sidecars,
    mut options: InjectionOptions,
    known: watch::Sender<Option<Known>>,
) {
    loop {
        tokio::select! {
            changed = pictures.changed() => if changed.is_err() { return },
            changed = trusted.changed() => {
                if changed.is_err() { return }
                // Certificates that cannot be used leave those that can.
                options = sidecars.options(trusted.borrow_and_update().clone()).unwrap_or(options);
            }
        }
        let Some(picture) = pictures.borrow_and_update().clone() else { continue };
        let valves = Arc::new(valves(&picture.world, &picture.released, &picture.served));
        let asking = Arc::new(asking(&picture.rollouts));
        let (world, options) = (Arc::clone(&picture.world), Arc::new(options.clone()));
        known.send_replace(Some(Known { world, valves, asking, options, kubernetes: sidecars.kubernetes }));
    }
}
