//! PURE. A version that has become stable though nobody promoted it: its pods were not held, because the webhook did not
//! answer when they were created, and by the time that somebody leads the Deployment is complete. Its owner is told.

use crate::rollout_object::Memory;
use crate::site::Site;
use crate::versions::{Way, is_restart_of, revision};
use crate::world::World;

/// Notes that `site` has a stable version that is neither what it was nor anything that was tried, nor the same once more
/// after `kubectl rollout restart`, whose pods are never held.
pub(super) fn note(world: &World, site: &Site, memory: &mut Memory) {
    let (Way::InPlace(deployment), Some(now)) = (&site.way, &site.service.stable) else { return };
    let Some(before) = memory.stable.as_ref().filter(|before| *before != now) else { return };
    let sets = |version| revision(world, deployment, version);
    let (Some(old), Some(new)) = (sets(before), sets(now)) else { return };
    if !memory.trusted.contains(now) && !is_restart_of(&new, &old) {
        memory.ordinary = Some(now.clone());
    }
}

/// What people are told of it, while it is stable.
pub(super) fn message(memory: &Memory) -> Option<String> {
    let version = memory.ordinary.as_ref().filter(|version| memory.stable.as_ref() == Some(version))?;
    Some(format!(
        "{version} became stable by an ordinary update: its pods were created without a gate, because the controller's \
         webhook did not answer then. Nothing was compared."
    ))
}
