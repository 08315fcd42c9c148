//! How long the evidence will take: growth rates and the units needed.
//!
//! A bet on the right alternative grows by a fixed number of nats per unit on average, so the units
//! to a bound are the bound's logarithm over that rate, plus what not knowing the effect costs.
//! Simulated medians lie at 0.8 to 1.0 of the formula, and 9 of 10 below [`P90_OVER_MEDIAN`]
//! times it (up to 2.2 for assurance).

use super::exposure::Exposure;
use super::grid::Alternatives;
use super::increment::{Stratum, Tolerance, increment};
use super::mixture::log_evidence;

/// Units within which 9 of 10 rollouts decide, as a multiple of the forecast.
pub const P90_OVER_MEDIAN: f64 = 1.8;

/// Nats that failures and latency pay for restarts and for not knowing the effect.
pub const OVERHEAD_NATS: f64 = 2.0;

/// The same for conversions, whose grid is narrow.
pub const CONVERSION_OVERHEAD_NATS: f64 = 1.3;

/// Units below which [`units_to_go`] is too coarse; count failures with [`failures_alone`] then.
pub const UNITS_MIN: f64 = 500.0;

/// The traffic a test would see if these rates were true.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Setting {
    /// Parts of all units that reach each arm.
    pub exposure: Exposure,
    /// Events per unit in the canary.
    pub canary_rate: f64,
    /// Events per unit in stable.
    pub stable_rate: f64,
    /// The tolerance under test. For conversions by label the excess is 0.
    pub tolerance: Tolerance,
}

/// The fastest-growing bet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Nats per unit of the whole route; not negative.
    pub rate: f64,
    /// The alternative that grows so fast; 1 if none grows at all.
    pub lambda: f64,
}

impl Setting {
    /// Mean growth of a bet on `lambda`, in nats per unit of the whole route.
    pub fn growth(&self, lambda: f64) -> f64 {
        let Exposure { canary, stable } = self.exposure;
        let mean =
            self.exposure
                .stratum(canary, canary * self.canary_rate, stable * self.stable_rate);
        increment(&mean, self.tolerance, lambda, 1.0)
    }

    /// The best bet within the range of `alternatives`.
    ///
    /// The growth has a single peak, where the rate that `lambda` implies for the canary,
    /// `lambda ratio p_s + excess r_c(lambda)`, equals its true rate; with `r_c` written out this
    /// is a quadratic equation in `lambda`.
    pub fn best(&self, alternatives: Alternatives) -> Growth {
        let (low, high) = alternatives.range();
        let lambda = self.peak().clamp(low, high);
        Growth {
            rate: self.growth(lambda).max(0.0),
            lambda,
        }
    }

    /// The best growth on the grid itself, which is what a process can reach.
    pub fn best_on_grid(&self, alternatives: Alternatives) -> f64 {
        let factors = alternatives.factors().iter();
        factors.fold(0.0, |best, &lambda| self.growth(lambda).max(best))
    }

    fn peak(&self) -> f64 {
        let Tolerance { ratio, excess } = self.tolerance;
        let tolerated = ratio * self.exposure.canary;
        let stable = self.exposure.stable;
        let square = ratio * self.stable_rate * tolerated;
        let linear = ratio * self.stable_rate * stable + excess * (tolerated + stable)
            - self.canary_rate * tolerated;
        let constant = self.canary_rate * stable;
        if constant <= 0.0 {
            return 0.0;
        }
        let root = (linear * linear + 4.0 * square * constant).sqrt();
        // The form without cancellation for either sign; a division by 0 means no finite peak.
        if linear >= 0.0 {
            2.0 * constant / (linear + root)
        } else {
            (root - linear) / (2.0 * square)
        }
    }
}

/// Units of the whole route until a process reaches `log_bound` from `log_now` (nats), in the
/// median; `None` if it never will. The overhead counts in proportion to what is still to come,
/// so that the forecast falls steadily to 0.
pub fn units_to_go(growth: f64, log_bound: f64, log_now: f64, overhead: f64) -> Option<f64> {
    let left = (log_bound - log_now).max(0.0);
    if left <= 0.0 {
        return Some(0.0);
    }
    let units = left * (1.0 + overhead / log_bound) / growth;
    (growth > 0.0 && units.is_finite()).then_some(units)
}

/// Failures most worth forecasting: beyond this a bound is out of reach.
const FAILURES_MAX: u32 = 10_000;

/// Canary failures that reach `log_bound` if stable has none meanwhile: the smaller the share,
/// the more each of them says. `None` if no number does.
pub fn failures_alone(exposure: Exposure, tolerance: Tolerance, log_bound: f64) -> Option<u32> {
    // Half the stake is bet from the start.
    let bound = log_bound + std::f64::consts::LN_2;
    (1..=FAILURES_MAX).find(|&failures| {
        let counts = Stratum {
            canary_events: f64::from(failures),
            ..exposure.stratum(0.0, 0.0, 0.0)
        };
        let grown = |lambda| increment(&counts, tolerance, lambda, 1.0);
        log_evidence(Alternatives::Regression, grown) >= bound
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn few_failures_suffice_at_a_small_share() {
        let check = |share: f64, expected: u32| {
            let bound = 200.0_f64.ln();
            let exposure = Exposure::split(share);
            let failures = failures_alone(exposure, Tolerance::FAILURES, bound);
            assert_eq!(failures, Some(expected), "at a share of {share}");
        };
        check(0.01, 2);
        check(0.05, 3);
        check(0.1, 4);
        check(0.25, 6);
        check(0.5, 11);
        let all = Exposure::split(1.0);
        assert_eq!(failures_alone(all, Tolerance::NONE, 5.0), None, "no stable");
    }

    #[test]
    fn forecasts_fall_steadily_and_admit_never() {
        let at = |now| units_to_go(0.001, 3.0, now, 2.0);
        let close = |value: Option<f64>, expected: f64| {
            value.is_some_and(|units| (units - expected).abs() < 1e-6)
        };
        assert!(close(at(0.0), 5000.0), "bound and overhead over growth");
        assert!(close(at(1.5), 2500.0), "half way");
        assert_eq!(at(3.0), Some(0.0), "there");
        assert_eq!(at(9.0), Some(0.0), "beyond");
        assert_eq!(units_to_go(0.0, 3.0, 0.0, 2.0), None, "no growth");
    }

    fn any_setting() -> impl Strategy<Value = Setting> {
        let rate = || prop_oneof![Just(0.0), 1e-6..0.9_f64];
        let excess = prop_oneof![Just(0.0), 1e-5..0.1_f64];
        (0.001..0.999_f64, rate(), rate(), 0.5..2.0_f64, excess).prop_map(
            |(share, canary_rate, stable_rate, ratio, excess)| Setting {
                exposure: Exposure::split(share),
                canary_rate,
                stable_rate,
                tolerance: Tolerance { ratio, excess },
            },
        )
    }

    proptest! {
        #[test]
        fn no_bet_on_the_grid_beats_the_best(setting in any_setting()) {
            for grid in [Alternatives::Regression, Alternatives::Assurance, Alternatives::Gain] {
                let best = setting.best(grid);
                prop_assert!(best.rate.is_finite() && best.lambda.is_finite());
                prop_assert!(best.rate + 1e-12 >= setting.best_on_grid(grid), "{best:?}");
            }
        }
    }
}
