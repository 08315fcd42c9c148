//! The signals of a rollout: from what grew since the last look to evidence.

mod assurance;
mod conversion;
mod errors;
mod latency;

use serde::{Deserialize, Serialize};
use tidegate_config::Share;
use tidegate_config::policy::{Policy, Strategy};

pub(crate) use conversion::{Conversion, Labels};
pub(crate) use errors::Errors;
pub(crate) use latency::{FIRST_REQUESTS_MIN, Latency};

use super::cursor::Interval;
use super::observation::EpochShares;
use super::plan::Plan;
use crate::evidence::increment::real;
use crate::evidence::ratio_mismatch::RatioMismatch;
use crate::evidence::rule::{Findings, Stakes};

/// The processes of every signal that the policy asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Signals {
    pub(crate) errors: Option<Errors>,
    pub(crate) latency: Option<Latency>,
    pub(crate) conversion: Option<Conversion>,
    split: RatioMismatch,
    counts_per_visitor: u32,
}

/// What grew, and how it is to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    /// Growth by epoch, known epochs only.
    pub(crate) interval: &'a Interval,
    /// The known epochs in the order they were issued.
    pub(crate) epochs: &'a [EpochShares],
    /// Nominal scrape intervals since the last look: what is deposited.
    pub(crate) intervals: f64,
    /// Whether bets are placed, or it is warm-up.
    pub(crate) judged: bool,
}

impl Look<'_> {
    /// The shares of one epoch.
    pub(crate) fn shares(&self, epoch: u64) -> Option<EpochShares> {
        self.epochs.iter().find(|known| known.epoch == epoch).copied()
    }
}

/// All evidence at one moment, as natural logarithms. A signal that is absent counts as evidence 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Weighed {
    /// Against the canary: failures.
    pub(crate) errors: f64,
    /// Latency.
    pub(crate) latency: f64,
    /// Conversions lost.
    pub(crate) harm: f64,
    /// `M`: all of them together.
    pub(crate) statistic: f64,
    /// Against the split.
    pub(crate) split: f64,
    /// Whether that alarmed, now or before.
    pub(crate) mismatch: bool,
    /// That the next share is harmless: failures. `None` where failures are no guardrail or no share is next.
    pub(crate) errors_assured: Option<f64>,
    /// Latency.
    pub(crate) latency_assured: Option<f64>,
    /// That the goal is reached; `None` without a goal.
    pub(crate) goal: Option<f64>,
}

impl Signals {
    /// Nothing seen yet.
    pub(crate) fn new(policy: &Policy, plan: &Plan) -> Self {
        // Without two versions side by side there is nothing to judge.
        let compares = policy.strategy == Strategy::Canary;
        Self {
            errors: (compares && policy.errors.enabled).then(|| Errors::new(policy, plan)),
            latency: (compares && policy.latency.enabled).then(|| Latency::new(policy, plan)),
            conversion: policy.conversion.as_ref().filter(|_| compares).map(|goal| Conversion::new(goal, policy, plan)),
            split: RatioMismatch::default(),
            counts_per_visitor: plan.counts_per_visitor,
        }
    }

    /// Bets on what grew. Returns the conversions by the shares they are read with, for the log.
    pub(crate) fn ingest(&mut self, look: &Look<'_>) -> Vec<Labels> {
        for (epoch, growth) in look.interval {
            if let Some(shares) = look.shares(*epoch) {
                let count = |visitors: u64| real(visitors) / f64::from(self.counts_per_visitor);
                self.split.observe(shares.exposure(), count(growth.canary.visitors), count(growth.stable.visitors));
            }
        }
        if let Some(latency) = &mut self.latency {
            latency.ingest(look);
        }
        if let Some(errors) = self.errors.as_mut().filter(|_| look.judged) {
            errors.ingest(look);
        }
        let conversions = conversion::labels(look);
        if let Some(conversion) = &mut self.conversion {
            conversion.ingest(&conversions, look);
        }
        conversions
    }

    /// Evidence for the goal; `None` without one.
    pub(crate) fn goal(&self) -> Option<f64> {
        self.conversion.as_ref().and_then(Conversion::goal)
    }

    /// All evidence now, with the share that would be next.
    pub(crate) fn weigh(&self, next: Option<Share>) -> Weighed {
        let errors = self.errors.as_ref().map_or(0.0, Errors::regression);
        let latency = self.latency.as_ref().map_or(0.0, Latency::regression);
        let harm = self.conversion.as_ref().map_or(0.0, Conversion::harm);
        Weighed {
            errors,
            latency,
            harm,
            statistic: Stakes::standard(1).log_statistic(&[errors, latency, harm]),
            split: self.split.log_evidence(),
            mismatch: self.split.alarmed(),
            errors_assured: self.errors.as_ref().zip(next).and_then(|(errors, next)| errors.assurance(next)),
            latency_assured: self.latency.as_ref().zip(next).and_then(|(latency, next)| latency.assurance(next)),
            goal: self.goal(),
        }
    }
}

impl Weighed {
    /// What the rule of all signals needs.
    pub(crate) fn findings(&self) -> Findings {
        Findings { log_statistic: self.statistic, log_harm: self.harm, ratio_mismatch: self.mismatch }
    }

    /// The least assurance over the guardrails there are; `None` without any.
    pub(crate) fn least_assurance(&self) -> Option<f64> {
        self.errors_assured.into_iter().chain(self.latency_assured).reduce(f64::min)
    }
}
