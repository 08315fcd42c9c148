//! Time as the engine knows it: an argument, never read from a clock.

use serde::{Deserialize, Serialize};
use tidegate_config::Span;

/// An instant: milliseconds since the Unix epoch, as the caller's wall clock has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The instant so many milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Milliseconds from `earlier` to this instant; 0 where the clock has gone back.
    pub const fn millis_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Looks at a rollout measure its time, not the wall clock: a clock that jumps back takes nothing away, and one that
/// jumps ahead (or a controller that was away) adds no more than [`LOOK_INTERVALS_MAX`] scrape intervals. Soak,
/// standby and deadline therefore count time *under watch*, and nothing is ever due merely because nobody looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Watch {
    last: Timestamp,
    most_ms: u64,
}

/// Scrape intervals that may pass between two looks and still count in full: a few scrapes may come late.
const LOOK_INTERVALS_MAX: u64 = 5;

impl Watch {
    /// Begins to watch at `now`, expecting a look every `interval`.
    pub(crate) fn start(now: Timestamp, interval: Span) -> Self {
        Self { last: now, most_ms: interval.millis().max(1).saturating_mul(LOOK_INTERVALS_MAX) }
    }

    /// Milliseconds under watch since the last look.
    pub(crate) fn look(&mut self, now: Timestamp) -> u64 {
        let passed = now.millis_since(self.last).min(self.most_ms);
        self.last = now;
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jumps_of_the_clock_add_little_and_take_nothing() {
        let mut watch = Watch::start(Timestamp::from_millis(10_000), Span::from_secs(1));
        let mut check = |at, expected, why: &str| {
            assert_eq!(watch.look(Timestamp::from_millis(at)), expected, "{why}");
        };
        check(11_000, 1_000, "on time");
        check(13_500, 2_500, "late");
        check(3_600_000, 5_000, "a jump ahead counts as a few looks");
        check(20_000, 0, "a jump back counts as nothing");
        check(21_000, 1_000, "and goes on from there");
    }
}
