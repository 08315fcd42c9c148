//! What one stratum of counts is worth against one alternative.
//!
//! The event rates of canary and stable in a stratum are `p_c` and `p_s`. The null hypothesis of a
//! regression test is `p_c <= ratio * p_s + excess`, that of an assurance test the opposite. Under
//! the null the expectation of `exp(increment)` is at most 1 *whatever* `p_s` is, which is why a
//! shared outage cannot create evidence. For `excess = 0` the increment is the likelihood ratio of
//! the question "in which arm did this event fall", the time-inhomogeneous Bernoulli test of Lindon
//! & Malek (arXiv 2011.03567) with the observed exposures in place of a fixed split; for a stable
//! arm that never fails it is the Poisson ratio against the rate `excess`. One line covers
//! everything between.
//!
//! Why it is valid: with `r_c`, `r_s` the factors of one canary and one stable event and `S_c`,
//! `S_s` the sums of the event probabilities, `1 + x <= e^x` bounds the expectation of the product
//! by `exp(S_c (r_c - 1) + S_s (r_s - 1))`. The factors are chosen such that
//! `ratio X_c (r_c - 1) + X_s (r_s - 1) = 0`, so on the null's side at most
//! `excess * units * (r_c - 1)` is left, and the last term takes that away.
//!
//! Strata must not be pooled over different shares: the sum of honest strata can accuse a healthy
//! canary with astronomical confidence (Simpson's paradox).

use serde::{Deserialize, Serialize};

/// How much worse than stable the canary may be: `p_c <= ratio * p_s + excess`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tolerance {
    /// Tolerated factor between the rates (theta0); positive, without unit.
    pub ratio: f64,
    /// Tolerated absolute excess (delta) in events per canary unit; not negative.
    pub excess: f64,
}

impl Tolerance {
    /// No margin at all: the rates are equal.
    pub const NONE: Self = Self {
        ratio: 1.0,
        excess: 0.0,
    };

    /// Failures: 10 % relative and 0.02 percentage points.
    ///
    /// A cold start or a rounding difference is no incident, and at high rates every real
    /// difference, however harmless, becomes significant without a margin.
    pub const FAILURES: Self = Self {
        ratio: 1.1,
        excess: 0.0002,
    };
}

/// Counts of one signal in one interval of one epoch, both arms from the same snapshot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stratum {
    /// What an event had to fall on in the canary: units, or the canary's share by design.
    pub exposure_canary: f64,
    /// The same for stable, in the same unit.
    pub exposure_stable: f64,
    /// Units newly exposed to the canary; the base of [`Tolerance::excess`].
    pub canary_units: f64,
    /// Events counted in the canary.
    pub canary_events: f64,
    /// Events counted in stable.
    pub stable_events: f64,
}

/// Units and events of one version, when the unit itself is the exposure.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Arm {
    /// Requests, or visitors each sampled once.
    pub units: f64,
    /// Those of them that count as an event; at most one each.
    pub events: f64,
}

impl Stratum {
    /// Units assigned independently (requests of machine clients, first requests of visitors):
    /// the observed numbers are the exposures.
    pub fn of_units(canary: Arm, stable: Arm) -> Self {
        Self {
            exposure_canary: canary.units,
            exposure_stable: stable.units,
            canary_units: canary.units,
            canary_events: canary.events,
            stable_events: stable.events,
        }
    }
}

/// Natural logarithm of the factor by which `stratum` multiplies a bet on `lambda`.
///
/// `lambda` is positive: above 1 bets against "not worse than `tolerance`", below 1 against the
/// opposite. `dispersion` (at least 1) divides the result; this is exact when independent units
/// bring at most that many events each. A stratum in which one arm had no exposure is worth 0:
/// there was nothing to compare.
pub fn increment(stratum: &Stratum, tolerance: Tolerance, lambda: f64, dispersion: f64) -> f64 {
    let Stratum {
        exposure_canary,
        exposure_stable,
        canary_units,
        canary_events,
        stable_events,
    } = *stratum;
    if !(exposure_canary > 0.0 && exposure_stable > 0.0) {
        return 0.0;
    }
    let tolerated = tolerance.ratio * exposure_canary;
    // Both factors minus 1, written without a difference of logarithms: with 1e9 events in a
    // stratum the last places of that difference would be worth nats.
    let canary_gain = (lambda - 1.0) * exposure_stable / (lambda * tolerated + exposure_stable);
    let stable_gain = (1.0 - lambda) * tolerated / (lambda * tolerated + exposure_stable);
    (canary_events * canary_gain.ln_1p() + stable_events * stable_gain.ln_1p()
        - tolerance.excess * canary_units * canary_gain)
        / dispersion
}

/// A count as a real number; exact below 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "2^53 events are out of reach of any counter that is scraped"
)]
pub const fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::grid::Alternatives;

    fn stratum(canary: (f64, f64), stable: (f64, f64)) -> Stratum {
        let arm = |(units, events)| Arm { units, events };
        Stratum::of_units(arm(canary), arm(stable))
    }

    #[test]
    fn sign_follows_the_question() {
        let check = |counts: Stratum, lambda: f64, sign: f64, why: &str| {
            let value = increment(&counts, Tolerance::FAILURES, lambda, 1.0);
            assert!(
                value * sign > 0.0 || (sign.abs() + value.abs() < f64::MIN_POSITIVE),
                "{why}: {value}"
            );
        };
        let worse = stratum((500.0, 20.0), (500.0, 5.0));
        check(worse, 3.0, 1.0, "many canary events speak for a regression");
        check(worse, 0.3, -1.0, "and against assurance");
        let clean = stratum((500.0, 0.0), (500.0, 0.0));
        check(
            clean,
            3.0,
            -1.0,
            "silence costs a regression bet its excess",
        );
        check(clean, 0.3, 1.0, "silence assures, through the excess alone");
        let alone = stratum((0.0, 0.0), (500.0, 5.0));
        check(alone, 3.0, 0.0, "no canary traffic, no comparison");
        let unpaired = stratum((500.0, 5.0), (0.0, 0.0));
        check(unpaired, 3.0, 0.0, "no stable traffic, no comparison");
    }

    #[test]
    fn dispersion_divides() {
        let counts = stratum((500.0, 20.0), (500.0, 5.0));
        let whole = increment(&counts, Tolerance::NONE, 2.0, 1.0);
        let third = increment(&counts, Tolerance::NONE, 2.0, 3.0);
        assert!((whole - 3.0 * third).abs() < 1e-12);
    }

    /// Probabilities of 0..=n successes.
    fn binomial(n: u32, p: f64) -> Vec<f64> {
        let mut row = vec![1.0];
        for _ in 0..n {
            let mut next = vec![0.0; row.len() + 1];
            for (k, mass) in row.iter().enumerate() {
                next[k] += mass * (1.0 - p);
                next[k + 1] += mass * p;
            }
            row = next;
        }
        row
    }

    fn expectation(units: (u32, u32), rates: (f64, f64), tolerance: Tolerance, lambda: f64) -> f64 {
        let stable = binomial(units.1, rates.1);
        let mut sum = 0.0;
        for (i, canary_mass) in binomial(units.0, rates.0).iter().enumerate() {
            for (j, stable_mass) in stable.iter().enumerate() {
                let counts = stratum(
                    (f64::from(units.0), real(i as u64)),
                    (f64::from(units.1), real(j as u64)),
                );
                sum += canary_mass * stable_mass * increment(&counts, tolerance, lambda, 1.0).exp();
            }
        }
        sum
    }

    fn any_lambda() -> impl Strategy<Value = f64> {
        let both = [Alternatives::Regression, Alternatives::Assurance];
        proptest::sample::select(both.map(Alternatives::factors).concat())
    }

    proptest! {
        #[test]
        fn expectation_on_the_null_boundary_is_at_most_one(
            canary in 1_u32..12, stable in 1_u32..12, p in 0.0..0.6_f64,
            ratio in 0.5..1.5_f64, excess in 0.0..0.1_f64, lambda in any_lambda(),
        ) {
            let tolerance = Tolerance { ratio, excess };
            let boundary = ratio * p + excess;
            prop_assume!(boundary <= 1.0);
            let value = expectation((canary, stable), (boundary, p), tolerance, lambda);
            prop_assert!(value <= 1.0 + 1e-12, "{value}");
        }

        #[test]
        fn expectation_inside_the_null_is_at_most_one(
            canary in 1_u32..10, stable in 1_u32..10, p in 0.01..0.6_f64,
            inside in 0.0..1.0_f64, lambda in any_lambda(),
        ) {
            let tolerance = Tolerance::FAILURES;
            let boundary = tolerance.ratio * p + tolerance.excess;
            let rate = if lambda > 1.0 {
                boundary * inside
            } else {
                boundary + (1.0 - boundary) * inside
            };
            let value = expectation((canary, stable), (rate, p), tolerance, lambda);
            prop_assert!(value <= 1.0 + 1e-12, "{value}");
        }

        #[test]
        fn a_shared_outage_creates_no_regression_evidence(
            canary in 1.0..1e9_f64, stable in 1.0..1e9_f64, p in 0.0..=1.0_f64,
            ratio in 1.0..2.0_f64, excess in 0.0..0.1_f64,
        ) {
            let counts = stratum((canary, canary * p), (stable, stable * p));
            for &lambda in Alternatives::Regression.factors() {
                let value = increment(&counts, Tolerance { ratio, excess }, lambda, 1.0);
                prop_assert!(value <= 1e-6, "{lambda}: {value}");
            }
        }

        #[test]
        fn an_event_and_a_margin_push_as_expected(
            canary in 1.0..1e6_f64, stable in 1.0..1e6_f64, events in 0.0..1e3_f64,
            ratio in 0.5..2.0_f64, lambda in any_lambda(),
        ) {
            let towards = if lambda > 1.0 { 1.0 } else { -1.0 };
            let at = |on_canary: f64, on_stable: f64, ratio: f64, excess: f64| {
                let counts = stratum((canary, on_canary), (stable, on_stable));
                towards * increment(&counts, Tolerance { ratio, excess }, lambda, 1.0)
            };
            let base = at(events, events, ratio, 0.001);
            prop_assert!(at(events + 1.0, events, ratio, 0.001) >= base, "canary event");
            prop_assert!(at(events, events + 1.0, ratio, 0.001) <= base, "stable event");
            prop_assert!(at(events, events, ratio, 0.002) <= base, "wider excess");
            prop_assert!(at(events, events, ratio * 1.1, 0.0) <= at(events, events, ratio, 0.0) + 1e-9,
                "wider ratio");
        }
    }
}
