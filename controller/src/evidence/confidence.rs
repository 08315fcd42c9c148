//! Effects for people: confidence sequences and always-valid p-values.
//!
//! A confidence sequence holds the effects that the data so far do not contradict; the chance that
//! it *ever* misses the true one is at most `alpha`. It comes from asking the tests for every
//! possible tolerance and costs a few thousand increments per bisection step, so it is computed on
//! demand. Decisions never read it: they have restarts, this has not.

use serde::{Deserialize, Serialize};

use super::grid::Alternatives;
use super::increment::{Stratum, Tolerance};
use super::mixture::log_evidence_of;

/// Bounds of an effect; `None` where the data do not bound it yet.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Largest effect shown to be exceeded.
    pub lower: Option<f64>,
    /// Smallest effect shown not to be reached.
    pub upper: Option<f64>,
}

/// The grids that look for an effect above and below a hypothetical one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sides {
    /// Alternatives above 1.
    pub above: Alternatives,
    /// Alternatives below 1.
    pub below: Alternatives,
}

impl Sides {
    /// For failures and slow requests, whose effects span orders of magnitude.
    pub const FAILURES: Self = Self {
        above: Alternatives::Regression,
        below: Alternatives::Assurance,
    };

    /// For conversions, whose effects are small.
    pub const CONVERSIONS: Self = Self {
        above: Alternatives::Gain,
        below: Alternatives::Loss,
    };
}

/// A log of strata and how to read it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record<'a> {
    /// Every stratum of the rollout, in any order.
    pub strata: &'a [Stratum],
    /// Which grids to ask.
    pub sides: Sides,
    /// At least 1; as in the decisions.
    pub dispersion: f64,
    /// Chance to miss, such as 0.05, over both sides together.
    pub alpha: f64,
}

/// Ratios outside this range (and its reciprocal) are reported as the range's end.
const RATIO_MAX: f64 = 1e9;

/// Halvings of the bracket: enough for the last bits of an `f64`.
const BISECTIONS: u32 = 60;

impl Record<'_> {
    /// Confidence sequence of the ratio of the two rates, canary to stable.
    pub fn ratio(&self) -> Interval {
        let end = RATIO_MAX.ln();
        let tolerance = |log: f64| Tolerance {
            ratio: log.exp(),
            excess: 0.0,
        };
        let Interval { lower, upper } = self.bounds(-end, end, tolerance);
        Interval {
            lower: lower.map(f64::exp),
            upper: upper.map(f64::exp),
        }
    }

    /// Confidence sequence of the excess of the canary's rate over stable's, in events per canary
    /// unit, within [0, 1]. A canary shown to be better has the upper bound 0. Unbounded when the
    /// strata do not say how many units saw the canary (conversions).
    pub fn excess(&self) -> Interval {
        if self
            .strata
            .iter()
            .all(|stratum| stratum.canary_units <= 0.0)
        {
            return Interval {
                lower: None,
                upper: None,
            };
        }
        self.bounds(0.0, 1.0, |excess| Tolerance { ratio: 1.0, excess })
    }

    /// Evidence for "more" falls and for "less" rises with the hypothesis, so each crosses its
    /// bound at most once; the upper bound is the lower one of the mirrored line.
    fn bounds(&self, low: f64, high: f64, at: impl Fn(f64) -> Tolerance) -> Interval {
        let bound = (2.0 / self.alpha).ln();
        let shown = |alternatives, x| {
            log_evidence_of(self.strata, alternatives, at(x), self.dispersion) >= bound
        };
        Interval {
            lower: last(low, high, |x| shown(self.sides.above, x)),
            upper: last(-high, -low, |x| shown(self.sides.below, -x)).map(|x| 0.0 - x),
        }
    }
}

/// The largest `x` in `[low, high]` for which `holds`, given that it holds up to some point and
/// not beyond; `None` if it does not even hold at `low`.
fn last(low: f64, high: f64, holds: impl Fn(f64) -> bool) -> Option<f64> {
    if !holds(low) {
        return None;
    }
    if holds(high) {
        return Some(high);
    }
    let (mut inside, mut outside) = (low, high);
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(inside, outside);
        if holds(middle) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    Some(inside)
}

/// The p-value that may be read at any time: 1 over the highest evidence so far (Ville;
/// Johari et al.). It never rises again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PValue {
    highest_log: f64,
}

impl Default for PValue {
    fn default() -> Self {
        Self { highest_log: 0.0 }
    }
}

impl PValue {
    /// Takes in the log evidence of one look and gives the p-value, in (0, 1].
    pub fn observe(&mut self, log_evidence: f64) -> f64 {
        self.highest_log = self.highest_log.max(log_evidence);
        self.value()
    }

    /// The p-value so far, in (0, 1].
    pub fn value(self) -> f64 {
        (-self.highest_log).exp()
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "a p-value without evidence is exactly 1")]
mod tests {
    use super::*;
    use crate::evidence::exposure::Exposure;
    use crate::evidence::increment::Arm;

    fn record(strata: &[Stratum]) -> Record<'_> {
        Record {
            strata,
            sides: Sides::FAILURES,
            dispersion: 1.0,
            alpha: 0.05,
        }
    }

    fn stratum(canary: (f64, f64), stable: (f64, f64)) -> Stratum {
        let arm = |(units, events)| Arm { units, events };
        Stratum::of_units(arm(canary), arm(stable))
    }

    #[test]
    fn bounds_enclose_the_observed_effect_once_there_is_data() {
        let strata = [stratum((5000.0, 200.0), (5000.0, 100.0))];
        let ratio = record(&strata).ratio();
        assert!(ratio.lower.is_some_and(|x| x > 1.0 && x < 2.0), "{ratio:?}");
        assert!(ratio.upper.is_some_and(|x| x > 2.0 && x < 4.0), "{ratio:?}");
        let excess = record(&strata).excess();
        let lower = excess.lower.expect("clearly worse");
        let upper = excess.upper.expect("enough data");
        assert!(0.0 < lower && lower < 0.02 && 0.02 < upper, "{excess:?}");
    }

    #[test]
    fn no_data_bounds_nothing() {
        let none = Interval {
            lower: None,
            upper: None,
        };
        assert_eq!(record(&[]).ratio(), none);
        assert_eq!(record(&[]).excess(), none);
    }

    #[test]
    fn a_better_canary_has_no_excess() {
        let strata = [stratum((5000.0, 10.0), (5000.0, 200.0))];
        let excess = record(&strata).excess();
        assert_eq!((excess.lower, excess.upper), (None, Some(0.0)));
    }

    #[test]
    fn labels_bound_the_ratio_but_not_the_excess() {
        let strata = [Exposure::split(0.5).stratum(0.0, 4500.0, 3750.0)];
        let record = Record {
            sides: Sides::CONVERSIONS,
            ..record(&strata)
        };
        let ratio = record.ratio();
        assert!(ratio.lower.is_some_and(|x| x > 1.0 && x < 1.2), "{ratio:?}");
        assert!(ratio.upper.is_some_and(|x| x > 1.2 && x < 1.5), "{ratio:?}");
        assert_eq!(record.excess().lower, None);
    }

    #[test]
    fn a_p_value_never_rises() {
        let mut p = PValue::default();
        assert_eq!(p.value(), 1.0);
        let seen = [-3.0, 2.0, -1.0, 5.0, 900.0].map(|log| p.observe(log));
        assert!(seen.is_sorted_by(|a, b| a >= b), "{seen:?}");
        assert_eq!(seen[0], 1.0, "evidence for the null is no p above 1");
    }
}
