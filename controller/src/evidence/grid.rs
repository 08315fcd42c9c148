//! The alternatives an e-process bets on.
//!
//! The size of an effect is unknown beforehand, so each process spreads its stake evenly over a
//! fixed grid of effects. Geometric spacing costs at most about 5 % of the growth rate anywhere
//! inside the range. A conjugate prior is no option: the odds it would have to match change with
//! every share.

use serde::{Deserialize, Serialize};

/// Version of the grids below; stored in every record.
///
/// Wealth is only meaningful together with the grid that produced it, so any change of a number in
/// this file must raise this one.
pub const GRIDS_VERSION: u32 = 1;

const REGRESSION: [f64; 9] = [1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 1000.0];
const ASSURANCE: [f64; 8] = [0.8, 0.6, 0.45, 0.3, 0.2, 0.1, 0.03, 0.01];
const GAIN: [f64; 8] = [1.02, 1.05, 1.1, 1.15, 1.2, 1.3, 1.5, 2.0];
const LOSS: [f64; 8] = reciprocals(GAIN);
const ODDS: [f64; 5] = [1.02, 1.05, 1.1, 1.25, 2.0];
const MISMATCH: [f64; 10] = two_sided(ODDS);

/// A named grid of alternatives: factors by which the canary's event rate may exceed (or stay
/// below) the tolerated rate. Without unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Alternatives {
    /// The canary fails more often: 1.25 to 1000 times the tolerated rate.
    Regression,
    /// The canary fails less often than the harm budget allows: 0.8 to 0.01 of it.
    Assurance,
    /// The canary converts more visitors: 1.02 to 2 times as many.
    Gain,
    /// The canary converts fewer visitors: the reciprocals of [`Alternatives::Gain`].
    Loss,
    /// Visitors reach the canary at other odds than designed, in either direction.
    Mismatch,
}

impl Alternatives {
    /// The grid's factors; every one is positive and none is 1.
    pub fn factors(self) -> &'static [f64] {
        match self {
            Self::Regression => &REGRESSION,
            Self::Assurance => &ASSURANCE,
            Self::Gain => &GAIN,
            Self::Loss => &LOSS,
            Self::Mismatch => &MISMATCH,
        }
    }

    /// The smallest and the largest factor, with 1 (no effect) included.
    pub fn range(self) -> (f64, f64) {
        self.factors()
            .iter()
            .fold((1.0, 1.0), |(low, high), &factor| {
                (f64::min(low, factor), f64::max(high, factor))
            })
    }
}

const fn reciprocals<const N: usize>(factors: [f64; N]) -> [f64; N] {
    let mut result = factors;
    let mut i = 0;
    while i < N {
        result[i] = 1.0 / factors[i];
        i += 1;
    }
    result
}

const fn two_sided(odds: [f64; 5]) -> [f64; 10] {
    let inverse = reciprocals(odds);
    let mut result = [0.0; 10];
    let mut i = 0;
    while i < 5 {
        result[i] = odds[i];
        result[5 + i] = inverse[i];
        i += 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grid_lies_on_the_side_its_name_says() {
        let check = |grid: Alternatives, low: f64, high: f64, why: &str| {
            let (least, most) = grid.range();
            assert!((least - low).abs() < 1e-12, "{why}: {least}");
            assert!((most - high).abs() < 1e-12, "{why}: {most}");
            assert!(!grid.factors().contains(&1.0), "{why}: 1 bets on nothing");
        };
        check(Alternatives::Regression, 1.0, 1000.0, "worse only");
        check(Alternatives::Assurance, 0.01, 1.0, "better only");
        check(Alternatives::Gain, 1.0, 2.0, "more conversions only");
        check(Alternatives::Loss, 0.5, 1.0, "fewer conversions only");
        check(Alternatives::Mismatch, 0.5, 2.0, "both directions");
    }
}
