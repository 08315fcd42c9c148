//! PURE. New visitors whose conversion is still awaited, in groups: not to convert in time says something too.
//!
//! Nobody keeps a timer for a visitor. All who are first seen in one stretch of time, in one epoch and on one version, are
//! one group that closes as a whole; of each visitor only the second of first sight is remembered.

use std::collections::BTreeMap;

use tidegate_config::limits;

/// A window is cut into so many stretches, or into seconds where it is shorter.
const STRETCHES: u32 = 32;
/// Seconds after its end that a group is closed: what happened in time has arrived by then.
const LATE: u32 = 1;

/// How long after its first sight a visitor's conversion counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Seconds, at least 1.
    pub(crate) seconds: u32,
}

impl Window {
    /// The second from which a visitor first seen at `seen` converts too late: the window after the end of its stretch.
    pub(crate) fn end(self, seen: u32) -> u32 {
        let stretch = (self.seconds / STRETCHES).max(1);
        (seen / stretch).saturating_add(1).saturating_mul(stretch).saturating_add(self.seconds)
    }
}

/// A group's window's end, its epoch and its arm.
pub(crate) type Key = (u32, u64, u8);

/// One group.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cohort {
    /// How many were seen.
    pub(crate) visitors: u64,
    /// How many of them have converted, moved to another version meanwhile or not.
    pub(crate) converted: u64,
}

/// The open groups of one rollout.
#[derive(Debug, Default)]
pub(crate) struct Cohorts(BTreeMap<Key, Cohort>);

impl Cohorts {
    /// Adds a visitor; says whether there was room for its group.
    pub(crate) fn join(&mut self, key: Key) -> bool {
        let room = self.0.len() < limits::COHORTS_MAX || self.0.contains_key(&key);
        if room {
            self.0.entry(key).or_default().visitors += 1;
        }
        room
    }

    /// A visitor who has joined converts in time.
    pub(crate) fn convert(&mut self, key: Key) {
        if let Some(cohort) = self.0.get_mut(&key) {
            cohort.converted += 1;
        }
    }

    /// A visitor who has joined is counted no more.
    pub(crate) fn leave(&mut self, key: Key, converted: bool) {
        if let Some(cohort) = self.0.get_mut(&key) {
            cohort.visitors = cohort.visitors.saturating_sub(1);
            cohort.converted = cohort.converted.saturating_sub(u64::from(converted));
        }
    }

    /// Takes out one group whose window was closed by the second `now`.
    pub(crate) fn next_closed(&mut self, now: u32) -> Option<(Key, Cohort)> {
        self.is_due(now).then(|| self.0.pop_first()).flatten()
    }

    /// Whether there is one.
    pub(crate) fn is_due(&self, now: u32) -> bool {
        self.0.first_key_value().is_some_and(|((end, ..), _)| end.saturating_add(LATE) <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_at_least_as_long_as_it_says_and_at_most_a_stretch_longer() {
        for (seconds, stretch) in [(1, 1), (5, 1), (64, 2), (1_800, 56)] {
            let window = Window { seconds };
            for seen in [1_000_000, 1_000_001, 1_000_055, u32::MAX - 10_000] {
                let left = window.end(seen) - seen;
                assert!((seconds + 1..=seconds + stretch).contains(&left), "{seconds} s: {left} from {seen}");
            }
        }
        assert_eq!(Window { seconds: 5 }.end(u32::MAX), u32::MAX, "2106");
    }

    #[test]
    fn groups_close_in_their_order_and_not_before_their_time() {
        let mut cohorts = Cohorts::default();
        for key in [(20, 1, 0), (10, 1, 0), (10, 1, 1), (10, 1, 0)] {
            assert!(cohorts.join(key));
        }
        cohorts.convert((10, 1, 0));
        cohorts.convert((10, 2, 0));
        assert_eq!(cohorts.next_closed(10), None, "the last conversions may be on their way");
        assert_eq!(cohorts.next_closed(11), Some(((10, 1, 0), Cohort { visitors: 2, converted: 1 })));
        assert_eq!(cohorts.next_closed(11), Some(((10, 1, 1), Cohort { visitors: 1, converted: 0 })));
        assert_eq!(cohorts.next_closed(11), None);
        cohorts.leave((20, 1, 0), false);
        assert_eq!(cohorts.next_closed(99), Some(((20, 1, 0), Cohort::default())));
    }

    #[test]
    fn groups_are_bounded() {
        let mut cohorts = Cohorts::default();
        for epoch in 0..2 * limits::COHORTS_MAX as u64 {
            assert_eq!(cohorts.join((10, epoch, 0)), epoch < limits::COHORTS_MAX as u64, "{epoch}");
        }
        assert!(cohorts.join((10, 0, 0)), "who belongs to a group that is there still joins it");
    }
}
