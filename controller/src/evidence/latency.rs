//! Latency quantiles from fixed buckets, as the same test of two event rates.
//!
//! Before the rollout one edge per quantile is fixed from stable's histogram. From then on
//! "slower than the edge" is an event of stable, "slower than the edge one bucket up" an event of
//! the canary; the margin of one bucket tolerates a canary that is up to 19 % slower. The null is
//! that the canary's quantile is at most the margin times stable's, with no assumption about the
//! distribution, and load waves cancel because the arms are compared inside each scrape (compare
//! Lindon, Sanden & Shirikian, arXiv 2205.14762).
//!
//! Valid for one request per visitor (the first); requests of one visitor are not independent.

use serde::{Deserialize, Serialize};

pub use tidegate_config::latency::{BUCKETS, EDGES, EDGES_SECONDS};

use super::increment::{Arm, Stratum, Tolerance, real};
use super::mixture::log_mean_exp;

/// Buckets by which the canary may be slower, unless configured otherwise: 19 %.
pub const MARGIN_BUCKETS: usize = 1;

/// A judged quantile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Quantile {
    /// The median.
    P50,
    /// 95 of 100 are faster.
    P95,
    /// 99 of 100 are faster.
    P99,
}

impl Quantile {
    /// Every judged quantile, in the order of [`JudgedEdges::strata`].
    pub const ALL: [Self; 3] = [Self::P50, Self::P95, Self::P99];

    /// Tolerance of the regression test: the margin is in the edges, so only noise is left.
    pub const REGRESSION: Tolerance = Tolerance { ratio: 1.0, excess: 0.001 };

    /// The part of all requests that is faster, in (0, 1).
    pub fn level(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P95 => 0.95,
            Self::P99 => 0.99,
        }
    }

    /// Tolerance of the assurance test: the excess of slow canary requests to be excluded.
    pub fn assurance(self) -> Tolerance {
        let excess = match self {
            Self::P50 => 0.05,
            Self::P95 => 0.01,
            Self::P99 => 0.005,
        };
        Tolerance { ratio: 1.0, excess }
    }
}

/// The edges at which one quantile is judged, as indices into the edges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgedEdge {
    /// Stable is slow above this edge.
    pub stable: usize,
    /// The canary is slow above this edge.
    pub canary: usize,
}

impl JudgedEdge {
    /// The first edge below which at least `level` of stable's `histogram` lies, and the edge
    /// `margin` buckets above it; neither beyond the last edge. `None` for an empty histogram.
    ///
    /// `histogram` has one count per bucket, the last without an upper edge.
    pub fn choose(histogram: &[u64], level: f64, margin: usize) -> Option<Self> {
        let last = histogram.len().checked_sub(2)?;
        let total: u64 = histogram.iter().sum();
        if total == 0 {
            return None;
        }
        let mut below = 0;
        let reached = histogram.iter().position(|&count| {
            below += count;
            real(below) / real(total) >= level
        });
        let stable = reached.unwrap_or(last).min(last);
        Some(Self { stable, canary: (stable + margin).min(last) })
    }

    /// The counts of one interval: requests per arm, and those slower than the arm's edge.
    pub fn stratum(self, stable: &[u64], canary: &[u64]) -> Stratum {
        let arm = |histogram: &[u64], edge: usize| Arm {
            units: real(histogram.iter().sum()),
            events: real(histogram.iter().skip(edge + 1).sum()),
        };
        Stratum::of_units(arm(canary, self.canary), arm(stable, self.stable))
    }
}

/// The edges of every judged quantile, fixed before the canary gets traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgedEdges([JudgedEdge; 3]);

impl JudgedEdges {
    /// Chooses from stable's histogram over its recent past; `None` while that is empty.
    ///
    /// The choice must not see the rollout's own data, or the bets would not be fair.
    pub fn choose(stable: &[u64], margin: usize) -> Option<Self> {
        let [p50, p95, p99] = Quantile::ALL.map(|q| JudgedEdge::choose(stable, q.level(), margin));
        Some(Self([p50?, p95?, p99?]))
    }

    /// One stratum per quantile from the histograms of one interval of one epoch, in the order of
    /// [`Quantile::ALL`]; each is for a process of its own.
    pub fn strata(&self, stable: &[u64], canary: &[u64]) -> [Stratum; 3] {
        self.0.map(|edge| edge.stratum(stable, canary))
    }

    /// The edges, in the order of [`Quantile::ALL`].
    pub fn edges(&self) -> [JudgedEdge; 3] {
        self.0
    }
}

/// Log evidence that the canary is slower: the mean over the quantiles, which catches both a slow
/// tail and a shift of everything.
pub fn regression(log_wealth: [f64; 3]) -> f64 {
    log_mean_exp(&log_wealth)
}

/// Log evidence that the canary is not slower: the weakest quantile, because each must be assured.
pub fn assurance(log_wealth: [f64; 3]) -> f64 {
    // The minimum skips what is not a number, but nothing is assured by that.
    if log_wealth.iter().any(|log| log.is_nan()) {
        return f64::NAN;
    }
    log_wealth.into_iter().fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests;
