//! What each signal says, with its effect as people read it.

use serde::{Deserialize, Serialize};

use super::super::judge::bounds;
use super::super::record::{Counts, Reading, Signal};
use super::super::sight::Sight;
use super::super::status::Status;
use crate::evidence::confidence::{Interval, Record as Confidence, Sides};
use crate::evidence::increment::{Stratum, real};
use crate::evidence::ratio_mismatch::ALARM;
use crate::evidence::rule::displayed;

/// Chance that an interval ever misses the truth, over all looks.
const INTERVAL_ALPHA: f64 = 0.05;

/// One signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignalReport {
    /// The signal.
    pub signal: Signal,
    /// The canary's units and events that were judged.
    pub canary: Counts,
    /// Stable's.
    pub stable: Counts,
    /// Natural logarithm of the evidence against the canary (of `split`: against the split).
    pub log_regression: f64,
    /// The same as a number, clamped to what an `f64` holds.
    pub regression: f64,
    /// Where that has a bound of its own: 1,000 for the split, 20 for lost conversions.
    pub regression_bound: Option<f64>,
    /// Natural logarithm of the evidence that the next share is harmless (of a conversion: that the goal is reached).
    pub log_assurance: Option<f64>,
    /// What it must reach.
    pub assurance_bound: Option<f64>,
    /// Estimate of the ratio of the rates, canary to stable.
    pub estimate: Option<f64>,
    /// 95% confidence sequence of the ratio of the rates, canary to stable.
    pub ratio: Option<Interval>,
    /// 95% confidence sequence of how much more often canary visitors meet a failure, as a fraction of them.
    pub excess: Option<Interval>,
}

pub(super) fn signals(status: &Status, sight: &Sight) -> Vec<SignalReport> {
    let bounds = bounds(status);
    let each = sight.readings.iter().map(|reading| {
        let (ratio, excess) = match reading.signal {
            Signal::Errors => confidence(status, &status.log.failure_strata(), Sides::FAILURES),
            Signal::Conversion => (confidence(status, &status.log.conversion_strata(), Sides::CONVERSIONS).0, None),
            Signal::Latency | Signal::Split => (None, None),
        };
        let regression_bound = match reading.signal {
            Signal::Conversion => Some(bounds.harm),
            Signal::Split => Some(ALARM),
            Signal::Errors | Signal::Latency => None,
        };
        let assurance_bound = match reading.signal {
            Signal::Conversion => 1.0 / bounds.goal_alpha,
            _ => 1.0 / bounds.beta,
        };
        SignalReport {
            signal: reading.signal,
            canary: reading.canary,
            stable: reading.stable,
            log_regression: reading.log_regression,
            regression: displayed(reading.log_regression),
            regression_bound,
            log_assurance: reading.log_assurance,
            assurance_bound: reading.log_assurance.map(|_| assurance_bound),
            estimate: estimate(status, reading),
            ratio,
            excess,
        }
    });
    each.collect()
}

fn estimate(status: &Status, reading: &Reading) -> Option<f64> {
    let Reading { signal, canary, stable, .. } = reading;
    match signal {
        Signal::Conversion => status.log.conversion_ratio(),
        Signal::Errors | Signal::Latency => {
            let units = canary.units > 0 && stable.units > 0 && stable.events > 0;
            units.then(|| real(canary.events) / real(canary.units) * real(stable.units) / real(stable.events))
        }
        Signal::Split => None,
    }
}

/// Confidence sequences of ratio and excess; `None` before there is anything.
fn confidence(status: &Status, strata: &[Stratum], sides: Sides) -> (Option<Interval>, Option<Interval>) {
    if strata.is_empty() {
        return (None, None);
    }
    let dispersion = f64::from(status.plan.counts_per_visitor);
    let record = Confidence { strata, sides, dispersion, alpha: INTERVAL_ALPHA };
    (Some(record.ratio()), Some(record.excess()))
}
