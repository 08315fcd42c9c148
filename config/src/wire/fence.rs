//! What a proxy takes of a publication when it has shares in force already: shares that a rollout has moved are not taken
//! back by a controller that has not heard of it yet.

use std::sync::Arc;

use crate::publication::Publication;

/// `new` with the splits of `in_force` where those have a later epoch. A service that is gone takes its epoch with it, and
/// so does one that no rollout moves any more, which is published in epoch 0.
///
/// A configuration that says the same stays the same value, so that nothing is built anew for it.
#[must_use]
pub fn fenced(mut new: Publication, in_force: &Publication) -> Publication {
    for (name, split) in &mut new.splits {
        if let Some(held) = in_force.splits.get(name).filter(|held| held.epoch > split.epoch && split.epoch > 0) {
            *split = held.clone();
        }
    }
    if new.config == in_force.config {
        new.config = Arc::clone(&in_force.config);
    }
    new
}
