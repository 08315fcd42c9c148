//! The proxy's own guard: a canary that plainly fails is taken out of service here and now, whether or not a controller
//! can be reached. Its visitors see stable until the controller decides.
//!
//! Under the hypothesis that the canary is no worse than stable, a visitor who meets a first failure is the canary's with
//! the probability that the shares give. The product of likelihood ratios against that is an e-process (Ville 1939): it
//! reaches a bound `b` with a chance of at most `1/b`, however often one looks. It begins anew every few seconds, so that a
//! long good time cannot hide a sudden fault, and the bound leaves room for all those beginnings.

use std::sync::atomic::{AtomicBool, Ordering};

use tidegate_config::limits;
use tidegate_config::policy::Errors;

/// The odds of a failure on the canary against stable that are looked for.
const ODDS: [f64; 4] = [4.0, 16.0, 64.0, 256.0];

/// The guard of one service in one epoch.
#[derive(Debug)]
pub struct Trip {
    /// The canary's place among the arms.
    canary: usize,
    stable: usize,
    /// The chance that a first failure is the canary's if it is as bad as the policy allows.
    expected: f64,
    /// Part of the canary's requests that must fail.
    failing_min: f64,
    tripped: AtomicBool,
}

/// Counts of one version since the epoch began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    /// Visitors whose first failure it was.
    pub(crate) failed: u64,
}

/// What has been seen of both, and what had been when the last and the current window began.
#[derive(Debug, Clone, Default)]
pub(crate) struct Windows {
    previous: [Seen; 2],
    current: [Seen; 2],
}

impl Trip {
    /// A guard for two versions with these shares of the visitors, in parts per million. `None` where there is nobody to
    /// compare or the policy does not judge failures.
    pub(crate) fn new(canary: (usize, u32), stable: (usize, u32), policy: &Errors) -> Option<Self> {
        let ((canary, canary_share), (stable, stable_share)) = (canary, stable);
        if !policy.enabled || canary_share == 0 || stable_share == 0 {
            return None;
        }
        let canary_share = f64::from(canary_share) * (1.0 + policy.tolerance.fraction());
        let expected = canary_share / (canary_share + f64::from(stable_share));
        let failing_min = f64::from(limits::TRIP_FAILING_PERCENT_MIN) / 100.0 + policy.excess.fraction();
        Some(Self { canary, stable, expected, failing_min, tripped: AtomicBool::new(false) })
    }

    /// The places of the canary and of stable among the arms.
    pub(crate) fn arms(&self) -> [usize; 2] {
        [self.canary, self.stable]
    }

    /// Whether the visitors of this arm must see stable.
    pub fn is_tripped(&self, arm: usize) -> bool {
        arm == self.canary && self.tripped.load(Ordering::Relaxed)
    }

    /// Judges what was counted so far of the canary and of stable; for good until the epoch ends.
    pub(crate) fn judge(&self, seen: [Seen; 2], windows: &Windows) {
        let [canary, stable] = [0, 1].map(|arm| seen[arm].since(windows.previous[arm]));
        let fails = f64::from(u32::try_from(canary.failures).unwrap_or(u32::MAX));
        let requests = f64::from(u32::try_from(canary.requests).unwrap_or(u32::MAX));
        if requests > 0.0
            && fails / requests >= self.failing_min
            && self.log_evidence(canary.failed, stable.failed) >= f64::from(limits::TRIP_EVIDENCE).ln()
        {
            self.tripped.store(true, Ordering::Relaxed);
        }
    }

    /// The logarithm of the e-value that so many first failures of either make.
    fn log_evidence(&self, canary: u64, stable: u64) -> f64 {
        let count = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let (canary, stable, w) = (count(canary), count(stable), self.expected);
        let logs = ODDS.map(|odds| {
            let q = odds * w / (odds * w + 1.0 - w);
            canary * (q / w).ln() + stable * ((1.0 - q) / (1.0 - w)).ln()
        });
        let most = logs.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = logs.into_iter().map(|log| (log - most).exp()).sum();
        most + (sum / 4.0).ln()
    }
}

impl Windows {
    /// Begins a new window; evidence goes back to the beginning of the one before.
    pub(crate) fn roll(&mut self, seen: [Seen; 2]) {
        self.previous = self.current;
        self.current = seen;
    }
}

impl Seen {
    /// What came after `before`; everything where the counters have begun anew.
    fn since(self, before: Self) -> Self {
        let difference = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        Self {
            requests: difference(self.requests, before.requests),
            failures: difference(self.failures, before.failures),
            failed: difference(self.failed, before.failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn trip(canary: u32) -> Trip {
        Trip::new((0, canary), (1, 1_000_000 - canary), &Errors::default()).unwrap()
    }

    fn seen(requests: u64, failed: u64) -> Seen {
        Seen { requests, failures: failed, failed }
    }

    #[test]
    fn a_few_failures_of_the_canary_alone_suffice() {
        for (share, needed) in [(10_000, 6), (100_000, 10), (250_000, 17), (500_000, 34)] {
            let trips = |failed| {
                let trip = trip(share);
                trip.judge([seen(failed * 2, failed), seen(1_000, 0)], &Windows::default());
                trip.is_tripped(0)
            };
            let least = (1..100).find(|failed| trips(*failed));
            assert_eq!(least, Some(needed), "at {share}");
        }
    }

    #[test]
    fn neither_an_outage_of_both_nor_a_rare_fault_trips() {
        let rows = [
            ("both fail", [seen(100, 50), seen(900, 450)]),
            ("a fault of one in a hundred requests", [seen(10_000, 100), seen(90_000, 0)]),
            ("stable fails", [seen(100, 0), seen(900, 450)]),
            ("nothing at all", [seen(0, 0), seen(0, 0)]),
        ];
        for (why, counts) in rows {
            let trip = trip(100_000);
            trip.judge(counts, &Windows::default());
            assert!(!trip.is_tripped(0), "{why}");
        }
    }

    #[test]
    fn a_good_hour_hides_nothing() {
        let trip = trip(100_000);
        let mut windows = Windows::default();
        let good = [seen(1_000_000, 500), seen(9_000_000, 4_500)];
        windows.roll(good);
        windows.roll(good);
        trip.judge([seen(1_000_040, 520), good[1]], &windows);
        assert!(trip.is_tripped(0));
        assert!(trip.is_tripped(0) && !trip.is_tripped(1), "only the canary's visitors move");
    }

    #[test]
    fn a_canary_that_is_no_worse_does_not_trip_in_a_million_windows() {
        let mut random = StdRng::seed_from_u64(7);
        let trip = trip(100_000);
        for _ in 0..100_000 {
            let mut counts = [Seen::default(); 2];
            for _ in 0..200 {
                let arm = usize::from(random.random_range(0..10) != 0);
                counts[arm].failed += 1;
            }
            // Whatever else, so many failures are not a rare fault.
            for seen in &mut counts {
                (seen.requests, seen.failures) = (seen.failed, seen.failed);
            }
            trip.judge(counts, &Windows::default());
        }
        assert!(!trip.is_tripped(0));
    }

    #[test]
    fn a_policy_can_switch_it_off() {
        let off = Errors { enabled: false, ..Errors::default() };
        assert!(Trip::new((0, 1), (1, 999_999), &off).is_none());
        assert!(Trip::new((0, 0), (1, 1_000_000), &Errors::default()).is_none(), "no canary");
        assert!(Trip::new((0, 1_000_000), (1, 0), &Errors::default()).is_none(), "no stable to go to");
    }
}
