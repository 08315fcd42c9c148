//! From the evidence of all signals to one verdict.
//!
//! `M` is the mean of the signals' regression evidence, weighted with stakes that sum to 1. A
//! weighted mean of e-values is an e-value under any dependence, rejects whenever Bonferroni's
//! correction does, and by Ville's inequality reaches `1/alpha` in at most `alpha` of all healthy
//! rollouts, over all signals and looks together. Clearance needs no correction at all, because
//! every signal must be cleared (intersection-union).

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::increment::real;
use super::mixture::log_sum_exp;

/// How the error budget is divided over the signals: parts of 1, by signal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct Stakes(Vec<f64>);

/// Why a division of the error budget is none.
#[derive(Clone, Copy, Debug, Error, PartialEq)]
pub enum StakesError {
    /// A stake is negative or not a number.
    #[error("a stake is {0}, but must be between 0 and 1")]
    Range(f64),
    /// Together the signals would err more often than promised.
    #[error("the stakes sum to {0}, but must not exceed 1")]
    Sum(f64),
}

/// What rounding may add to a sum of stakes.
const ROUNDING: f64 = 1e-9;

impl Stakes {
    /// Takes one stake per signal. They may sum to less than 1: what is left bets on nothing.
    pub fn new(stakes: Vec<f64>) -> Result<Self, StakesError> {
        if let Some(&stake) = stakes.iter().find(|stake| !(0.0..=1.0).contains(*stake)) {
            return Err(StakesError::Range(stake));
        }
        let sum: f64 = stakes.iter().sum();
        if sum > 1.0 + ROUNDING {
            return Err(StakesError::Sum(sum));
        }
        Ok(Self(stakes))
    }

    /// The defaults: failures 0.5, latency 0.3, and 0.2 in equal parts for `others` more signals.
    pub fn standard(others: usize) -> Self {
        let each = 0.2 / real(others.max(1) as u64);
        let mut stakes = vec![0.5, 0.3];
        stakes.resize(2 + others, each);
        Self(stakes)
    }

    /// Logarithm of `M`, from the log regression evidence by signal.
    ///
    /// A signal without data has log evidence 0 (evidence 1); missing ones count as that. Stakes
    /// are never spread over the signals that happen to be present.
    pub fn log_statistic(&self, log_evidence: &[f64]) -> f64 {
        let unused = (1.0 - self.0.iter().sum::<f64>()).max(0.0);
        let mut terms: Vec<f64> = self.staked(log_evidence).collect();
        terms.push(unused.ln());
        log_sum_exp(&terms)
    }

    /// The signal that contributes most to `M`.
    pub fn leading(&self, log_evidence: &[f64]) -> Option<usize> {
        let ranked = self.staked(log_evidence).enumerate();
        let most = ranked.max_by(|(_, a), (_, b)| a.total_cmp(b));
        most.map(|(signal, _)| signal)
    }

    /// The signals that would have crossed the bound `1/alpha` by themselves.
    pub fn significant(&self, log_evidence: &[f64], alpha: f64) -> Vec<usize> {
        let bound = -alpha.ln();
        let staked = self.staked(log_evidence).enumerate();
        staked.filter(|&(_, log)| log >= bound).map(|(signal, _)| signal).collect()
    }

    fn staked<'a>(&'a self, log_evidence: &'a [f64]) -> impl Iterator<Item = f64> + 'a {
        let present = log_evidence.iter().copied();
        let pairs = self.0.iter().zip(present.chain(std::iter::repeat(0.0)));
        pairs.map(|(stake, log)| {
            let staked = stake.ln() + log;
            // A broken signal loses its stake, which is valid; it must not disarm the others.
            if staked.is_nan() { f64::NEG_INFINITY } else { staked }
        })
    }
}

impl TryFrom<Vec<f64>> for Stakes {
    type Error = StakesError;

    fn try_from(stakes: Vec<f64>) -> Result<Self, Self::Error> {
        Self::new(stakes)
    }
}

impl From<Stakes> for Vec<f64> {
    fn from(stakes: Stakes) -> Self {
        stakes.0
    }
}

/// The bounds of the rule; without unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bounds {
    /// Chance that a healthy rollout is ever rolled back. Default 0.01.
    pub alpha: f64,
    /// Chance that a canary beyond the harm budget ever advances. Default 0.05.
    pub beta: f64,
    /// `M` from which the share is not raised. Default 10.
    pub suspicion: f64,
    /// Evidence of a lost conversion that holds by itself. Default 20.
    pub harm: f64,
    /// Chance that a goal is ever declared reached when it is not. Default 0.05.
    pub goal_alpha: f64,
    /// Chance that the best of several versions is ever left behind another one of them. Default 0.05.
    pub rival_alpha: f64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { alpha: 0.01, beta: 0.05, suspicion: 10.0, harm: 20.0, goal_alpha: 0.05, rival_alpha: 0.05 }
    }
}

/// What all signals together say at one look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Findings {
    /// Logarithm of `M`: [`Stakes::log_statistic`].
    pub log_statistic: f64,
    /// Log evidence of a lost conversion; 0 without such a signal.
    pub log_harm: f64,
    /// Whether the split itself is broken.
    pub ratio_mismatch: bool,
}

/// What the evidence asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// The canary is worse than tolerated. Whoever acts on it latches it.
    Rollback,
    /// Do not raise the share, and do not promote.
    Hold(Concern),
    /// Nothing speaks against going on; whether to, assurance decides.
    Clear,
}

/// Why a verdict is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Concern {
    /// Evidence is not a number, so nothing may be concluded from it.
    Undefined,
    /// Visitors do not reach the versions in the designed ratio.
    RatioMismatch,
    /// `M` is high, though not conclusive.
    Suspicion,
    /// The canary seems to lose conversions.
    Harm,
}

impl Bounds {
    /// The verdict on `findings`. Regression outranks a mismatch: a broken canary may well cause it.
    pub fn verdict(&self, findings: &Findings) -> Verdict {
        let Findings { log_statistic, log_harm, ratio_mismatch } = *findings;
        if log_statistic >= -self.alpha.ln() {
            Verdict::Rollback
        } else if log_statistic.is_nan() || log_harm.is_nan() {
            Verdict::Hold(Concern::Undefined)
        } else if ratio_mismatch {
            Verdict::Hold(Concern::RatioMismatch)
        } else if log_statistic >= self.suspicion.ln() {
            Verdict::Hold(Concern::Suspicion)
        } else if log_harm >= self.harm.ln() {
            Verdict::Hold(Concern::Harm)
        } else {
            Verdict::Clear
        }
    }

    /// Whether one guardrail's log assurance suffices for the share it was computed for.
    pub fn assured(&self, log_assurance: f64) -> bool {
        log_assurance >= -self.beta.ln()
    }

    /// Whether the log evidence shows that another one of several versions is better.
    pub fn beaten(&self, log_evidence: f64) -> bool {
        log_evidence >= -self.rival_alpha.ln()
    }

    /// Whether a goal's log evidence shows it reached.
    pub fn reached(&self, log_evidence: f64) -> bool {
        log_evidence >= -self.goal_alpha.ln()
    }
}

/// Evidence for people, from its logarithm: clamped to what an `f64` holds, never for decisions.
pub fn displayed(log_evidence: f64) -> f64 {
    log_evidence.clamp(f64::MIN_POSITIVE.ln(), f64::MAX.ln()).exp()
}

/// The rollouts whose final evidence stands when at most a part `rate` of those named may be false
/// (the e-BH procedure of Wang & Ramdas), as indices into `log_evidence`, ascending.
pub fn discoveries(log_evidence: &[f64], rate: f64) -> Vec<usize> {
    let bound = |rank: usize| (real(log_evidence.len() as u64) / (real(rank as u64) * rate)).ln();
    let mut sorted = log_evidence.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let passing = (1..=sorted.len()).rfind(|&rank| sorted[rank - 1] >= bound(rank));
    let Some(rank) = passing else {
        return Vec::new();
    };
    let indexed = log_evidence.iter().enumerate();
    indexed.filter(|&(_, &log)| log >= bound(rank)).map(|(index, _)| index).collect()
}

#[cfg(test)]
mod tests;
