//! PURE. What is remembered of one visitor.

use super::Event;
use crate::cohort::{Key, Window};
use crate::cookie::Facts;

/// What is remembered of one visitor: 24 bytes with its draw, of which there may be a million.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) first_epoch: u64,
    first_at: u32,
    pub(super) met: u16,
    pub(super) first_arm: u8,
    /// Bits: [`FAILED`], [`CONVERTED`], [`AWAITED`].
    flags: u8,
}

pub(super) const FAILED: u8 = 1;
pub(super) const CONVERTED: u8 = 2;
/// Its conversion is awaited in a group of [`Cohorts`](crate::cohort::Cohorts).
pub(super) const AWAITED: u8 = 4;

impl Seen {
    /// Nothing yet, but for where and when.
    pub(super) fn fresh(event: &Event) -> Self {
        Self { first_epoch: event.epoch, first_at: event.at, met: 0, first_arm: event.arm, flags: 0 }
    }

    /// Whether it has a flag.
    pub(super) fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Gives it a flag where `is`.
    pub(super) fn note(&mut self, flag: u8, is: bool) {
        self.flags |= if is { flag } else { 0 };
    }

    /// The group in which its conversion is awaited.
    pub(super) fn group(&self, window: Option<Window>) -> Key {
        (window.map_or(0, |window| window.end(self.first_at)), self.first_epoch, self.first_arm)
    }
}

impl From<Facts> for Seen {
    /// Another process awaits its conversion, or one that has ended did.
    fn from(facts: Facts) -> Self {
        let Facts { rollout: _, first_epoch, first_seen, first_arm, met, failed, converted } = facts;
        let flags = if failed { FAILED } else { 0 } | if converted { CONVERTED } else { 0 };
        Self { first_epoch, first_at: first_seen, met, first_arm, flags }
    }
}
