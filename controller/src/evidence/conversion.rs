//! Conversions per visitor: which version did the converting visitors see?
//!
//! Every visitor converts at most once and carries the epoch of its first exposure. If the version
//! makes no difference, the arm of a converting visitor is a coin with the shares of that epoch,
//! so labels against designed shares stay valid under ramps, drifting demand and conversion lag.
//! Conversions per assigned visitor would not: with lag the younger canary cohort always looks
//! worse. Visitors seen before the rollout, or moved by a ramp, are left out
//! ([`Exposure::unmoved`]).

use serde::{Deserialize, Serialize};

use super::exposure::Exposure;
use super::grid::Alternatives;
use super::increment::{Stratum, Tolerance, increment};
use super::process::Process;

/// What is to be shown about the canary's conversion rate. Margins are ratios of the two rates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Claim {
    /// It is higher than stable's.
    Superior,
    /// It is higher than `margin` times stable's. The price is steep: excluding a loss of 5 %
    /// takes some four times the visitors of excluding 10 %.
    NotInferior {
        /// At most 1, such as 0.9.
        margin: f64,
    },
    /// It is lower than `margin` times stable's.
    Harmful {
        /// 1, or less to overlook a small loss.
        margin: f64,
    },
}

/// Visitors of one outcome in one epoch, by the version they saw.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Labels {
    /// The designed shares of these visitors.
    pub exposure: Exposure,
    /// How many of them saw the canary.
    pub canary: f64,
    /// How many of them saw stable.
    pub stable: f64,
}

/// One interval's worth of outcomes, each at the epoch of the visitor's first exposure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcomes<'a> {
    /// First conversions.
    pub converted: &'a [Labels],
    /// Visitors whose attribution window closed without one.
    pub unconverted: &'a [Labels],
    /// Stable's conversion rate, known *before* this interval: [`baseline`].
    pub baseline: f64,
}

impl Labels {
    /// The labels as a stratum for a process or a confidence sequence of the ratio.
    pub fn stratum(&self) -> Stratum {
        self.exposure.stratum(0.0, self.canary, self.stable)
    }
}

impl Claim {
    /// The effects this claim bets on.
    pub fn alternatives(self) -> Alternatives {
        match self {
            Self::Superior | Self::NotInferior { .. } => Alternatives::Gain,
            Self::Harmful { .. } => Alternatives::Loss,
        }
    }

    /// The boundary of the claim's null hypothesis.
    pub fn tolerance(self) -> Tolerance {
        let ratio = match self {
            Self::Superior => 1.0,
            Self::NotInferior { margin } | Self::Harmful { margin } => margin,
        };
        Tolerance {
            ratio,
            ..Tolerance::NONE
        }
    }

    /// Nats that `outcomes` add to the bet on `lambda`.
    ///
    /// Unconverted visitors count only for a claim without margin: inside a margin their labels
    /// are no coin of known odds even on the boundary.
    pub fn growth(self, outcomes: &Outcomes<'_>, lambda: f64) -> f64 {
        let tolerance = self.tolerance();
        let labels: f64 = outcomes
            .converted
            .iter()
            .map(|labels| increment(&labels.stratum(), tolerance, lambda, 1.0))
            .sum();
        if tolerance != Tolerance::NONE {
            return labels;
        }
        let credits = outcomes.unconverted.iter();
        labels
            + credits
                .map(|labels| closed_window_credit(labels, outcomes.baseline, lambda))
                .sum::<f64>()
    }

    /// Deposits for `intervals` nominal intervals and bets on `outcomes`. The process must have
    /// been made with [`Claim::alternatives`].
    pub fn advance(self, process: &mut Process, intervals: f64, outcomes: &Outcomes<'_>) {
        process.advance_by(intervals, |lambda| self.growth(outcomes, lambda));
    }
}

/// Closed windows below which stable's rate is not yet known well enough to bet on.
const BASELINE_WINDOWS_MIN: f64 = 200.0;

/// A rate must leave room for non-conversion, in the bet as in the baseline.
const RATE_MAX: f64 = 0.95;

/// Stable's conversion rate for [`Outcomes::baseline`], from the windows closed so far:
/// 0, which makes the credit worthless, below 200 of them.
pub fn baseline(converted: f64, closed: f64) -> f64 {
    if closed < BASELINE_WINDOWS_MIN {
        0.0
    } else {
        (converted / closed).clamp(0.0, RATE_MAX)
    }
}

/// Nats from visitors who did not convert: their labels speak too, a little.
///
/// A visitor who did not convert was likelier on the version that converts less. `baseline` only
/// steers the bet; a wrong one costs speed, not validity. Cannot matter when conversions are a
/// few percent.
pub fn closed_window_credit(labels: &Labels, baseline: f64, lambda: f64) -> f64 {
    let Labels {
        exposure,
        canary,
        stable,
    } = *labels;
    let Some(share) = exposure.canary_odds() else {
        return 0.0;
    };
    let baseline = baseline.clamp(0.0, RATE_MAX);
    let odds = (1.0 - (lambda * baseline).min(RATE_MAX)) / (1.0 - baseline);
    canary * odds.ln() - (canary + stable) * ((odds - 1.0) * share).ln_1p()
}

#[cfg(test)]
#[expect(
    clippy::float_cmp,
    reason = "clamped and exactly representable quotients"
)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evidence::process::Schedule;

    fn labels(share: f64, canary: f64, stable: f64) -> Labels {
        Labels {
            exposure: Exposure::split(share),
            canary,
            stable,
        }
    }

    fn verdict(claim: Claim, converted: &[Labels], unconverted: &[Labels]) -> f64 {
        let mut process = Process::new(claim.alternatives(), Schedule::AT_ONCE, 1.0);
        let outcomes = Outcomes {
            converted,
            unconverted,
            baseline: 0.25,
        };
        claim.advance(&mut process, 1.0, &outcomes);
        process.log_wealth()
    }

    #[test]
    fn each_claim_is_shown_by_its_own_data() {
        let better = [labels(0.5, 600.0, 480.0)];
        let even = [labels(0.5, 2000.0, 2000.0)];
        let worse = [labels(0.5, 480.0, 600.0)];
        let harmful = Claim::Harmful { margin: 1.0 };
        let inferior = Claim::NotInferior { margin: 0.9 };
        let check = |claim, converted: &[Labels], shown: bool, why: &str| {
            let log = verdict(claim, converted, &[]);
            assert_eq!(log >= 20.0_f64.ln(), shown, "{why}: {log}");
        };
        check(Claim::Superior, &better, true, "a quarter more conversions");
        check(Claim::Superior, &even, false, "equal is not superior");
        check(inferior, &even, true, "equal is within 10 %");
        check(inferior, &worse, false, "20 % fewer is not");
        check(harmful, &worse, true, "20 % fewer is harm");
        check(harmful, &better, false, "more is no harm");
    }

    #[test]
    fn closed_windows_help_only_without_margin() {
        let converted = [labels(0.5, 450.0, 375.0)];
        let unconverted = [labels(0.5, 1050.0, 1125.0)];
        let superior = Claim::Superior;
        assert!(verdict(superior, &converted, &unconverted) > verdict(superior, &converted, &[]));
        let inferior = Claim::NotInferior { margin: 0.9 };
        assert_eq!(
            verdict(inferior, &converted, &unconverted).to_bits(),
            verdict(inferior, &converted, &[]).to_bits()
        );
    }

    #[test]
    fn baseline_waits_for_enough_windows() {
        assert_eq!(baseline(50.0, 199.0), 0.0, "too few to bet on");
        assert_eq!(baseline(50.0, 200.0), 0.25, "known");
        assert_eq!(baseline(200.0, 200.0), 0.95, "room for non-conversion");
    }

    proptest! {
        #[test]
        fn a_credit_is_a_fair_bet_for_any_baseline(
            canary in 0.01..1.0_f64, stable in 0.01..1.0_f64, rate in 0.0..=1.0_f64,
            lambda in 0.5..2.0_f64,
        ) {
            let exposure = Exposure { canary, stable };
            let share = exposure.canary_odds().expect("both have a share");
            let factor = |canary, stable| {
                closed_window_credit(&Labels { exposure, canary, stable }, rate, lambda).exp()
            };
            let expected = share * factor(1.0, 0.0) + (1.0 - share) * factor(0.0, 1.0);
            prop_assert!((expected - 1.0).abs() < 1e-9, "{expected}");
        }
    }
}
