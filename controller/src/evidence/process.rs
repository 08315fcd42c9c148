//! The wealth process behind every decision: a grid of bets whose stake is paid in over time.
//!
//! A bet staked entirely at the start of a rollout is nearly lost after half an hour of healthy
//! traffic and then needs as long again to notice a late regression. So half the stake waits as
//! cash and is deposited evenly over the scrapes until the deadline; each deposit is a fresh start.
//! The result is a mixture of e-processes started at every scrape, akin to the e-detectors of Shin,
//! Ramdas & Rinaldo, but with a limited total stake: the guarantee stays a probability for the
//! whole rollout (Ville), not an average run length. The price is at most ln 2 at the start.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::grid::{Alternatives, GRIDS_VERSION};
use super::increment::{Stratum, Tolerance, increment, real};
use super::mixture::log_sum_exp;

/// How the stake of 1 is paid in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    start: f64,
    per_interval: f64,
}

impl Schedule {
    /// Everything at once: no restarts.
    pub const AT_ONCE: Self = Self {
        start: 1.0,
        per_interval: 0.0,
    };

    /// Half at the start, the rest evenly over `intervals` (rollout deadline / nominal scrape
    /// interval, fixed at the start; at least one).
    pub fn over(intervals: f64) -> Self {
        Self {
            start: 0.5,
            per_interval: 0.5 / intervals.max(1.0),
        }
    }
}

/// A restarting e-process over a grid of alternatives. Its state is plain data: a stored process
/// goes on exactly where it stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Process {
    alternatives: Alternatives,
    dispersion: f64,
    per_interval: f64,
    cash: f64,
    /// Natural logarithm of the wealth on each alternative, in the grid's order.
    logs: Vec<f64>,
}

impl Process {
    /// A process that has seen nothing. `dispersion` (at least 1; smaller values count as 1)
    /// divides every increment of a stratum and is fixed for the rollout.
    pub fn new(alternatives: Alternatives, schedule: Schedule, dispersion: f64) -> Self {
        let Schedule {
            start,
            per_interval,
        } = schedule;
        Self {
            alternatives,
            dispersion: dispersion.max(1.0),
            per_interval,
            cash: 1.0 - start,
            logs: vec![start.ln(); alternatives.factors().len()],
        }
    }

    /// Deposits for `intervals` nominal scrape intervals, then bets on `strata`.
    ///
    /// Call it once per scrape with all strata of that scrape (late events keep the epoch they
    /// were counted in). A scrape that merges several missed or one-sided ones deposits for all
    /// of them, an early scrape for the fraction of an interval that has passed: the deposits may
    /// depend on time only, never on the events about to be bet on.
    pub fn advance(&mut self, intervals: f64, strata: &[Stratum], tolerance: Tolerance) {
        let dispersion = self.dispersion;
        self.advance_by(intervals, |lambda| {
            strata
                .iter()
                .map(|stratum| increment(stratum, tolerance, lambda, dispersion))
                .sum()
        });
    }

    /// As [`Process::advance`], with the increment (nats) of each alternative given by `growth`,
    /// for evidence that is not a plain stratum. The dispersion is not applied.
    pub fn advance_by(&mut self, intervals: f64, growth: impl Fn(f64) -> f64) {
        let deposit = (self.per_interval * intervals.max(0.0)).min(self.cash);
        if deposit > 0.0 {
            self.cash -= deposit;
            let deposit = deposit.ln();
            for log in &mut self.logs {
                *log = log_sum_exp(&[*log, deposit]);
            }
        }
        for (log, &lambda) in self.logs.iter_mut().zip(self.alternatives.factors()) {
            *log += growth(lambda);
        }
    }

    /// Natural logarithm of the wealth: cash and the mean over the grid.
    pub fn log_wealth(&self) -> f64 {
        let share = real(self.logs.len() as u64).ln();
        let mut terms: Vec<f64> = self.logs.iter().map(|log| log - share).collect();
        terms.push(self.cash.ln());
        log_sum_exp(&terms)
    }

    /// The grid this process bets on.
    pub fn alternatives(&self) -> Alternatives {
        self.alternatives
    }

    /// The part of the stake not yet deposited, in [0, 1].
    pub fn cash(&self) -> f64 {
        self.cash
    }
}

/// Why stored state is not a process of this build.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum StoredProcessError {
    /// The wealth was won on other alternatives and means nothing on these.
    #[error("stored evidence uses grids version {found}, this build has {GRIDS_VERSION}")]
    GridsVersion {
        /// The version in the record.
        found: u32,
    },
    /// The record has more or fewer wealths than the grid has alternatives.
    #[error("stored evidence has {found} wealths for the {alternatives:?} grid")]
    Length {
        /// The grid named in the record.
        alternatives: Alternatives,
        /// The number of wealths in the record.
        found: usize,
    },
    /// A number is not finite or outside its range.
    #[error("stored evidence has a number out of range in {field}")]
    Range {
        /// The field it is in.
        field: &'static str,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    grids_version: u32,
    alternatives: Alternatives,
    dispersion: f64,
    per_interval: f64,
    cash: f64,
    logs: Vec<f64>,
}

impl From<Process> for Stored {
    fn from(process: Process) -> Self {
        let Process {
            alternatives,
            dispersion,
            per_interval,
            cash,
            logs,
        } = process;
        Self {
            grids_version: GRIDS_VERSION,
            alternatives,
            dispersion,
            per_interval,
            cash,
            logs,
        }
    }
}

impl TryFrom<Stored> for Process {
    type Error = StoredProcessError;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let Stored {
            grids_version,
            alternatives,
            dispersion,
            per_interval,
            cash,
            logs,
        } = stored;
        if grids_version != GRIDS_VERSION {
            return Err(StoredProcessError::GridsVersion {
                found: grids_version,
            });
        }
        if logs.len() != alternatives.factors().len() {
            return Err(StoredProcessError::Length {
                alternatives,
                found: logs.len(),
            });
        }
        let in_range = [
            ("dispersion", dispersion.is_finite() && dispersion >= 1.0),
            ("perInterval", (0.0..=1.0).contains(&per_interval)),
            ("cash", (0.0..=1.0).contains(&cash)),
            ("logs", logs.iter().all(|log| log.is_finite())),
        ];
        if let Some((field, _)) = in_range.into_iter().find(|(_, fits)| !fits) {
            return Err(StoredProcessError::Range { field });
        }
        Ok(Self {
            alternatives,
            dispersion,
            per_interval,
            cash,
            logs,
        })
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "spent cash is exactly 0")]
mod tests;
