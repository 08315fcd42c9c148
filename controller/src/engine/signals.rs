//! The signals of a rollout: from what grew since the last look to evidence.

mod assurance;
mod conversion;
mod errors;
mod latency;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidegate_config::policy::{Policy, Strategy};
use tidegate_config::{Name, Share};

pub(crate) use conversion::{Conversion, Labels};
pub(crate) use errors::Errors;
pub(crate) use latency::{FIRST_REQUESTS_MIN, Latency};

use super::cursor::{Growth, Interval};
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
    /// Against each of the other versions that are tried: conversions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) rivals: BTreeMap<Name, Conversion>,
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

impl<'a> Look<'a> {
    /// The shares of one epoch.
    pub(crate) fn shares(&self, epoch: u64) -> Option<&'a EpochShares> {
        self.epochs.iter().find(|known| known.epoch == epoch)
    }

    /// What grew with a rival in the place of stable, and those shares.
    fn against(&self, rival: &Name) -> (Interval, Vec<EpochShares>) {
        let growth = |growth: &Growth| Growth {
            canary: growth.canary.clone(),
            stable: growth.rivals.get(rival).cloned().unwrap_or_default(),
            rivals: BTreeMap::new(),
        };
        let interval = self.interval.iter().map(|(epoch, grown)| (*epoch, growth(grown))).collect();
        (interval, self.epochs.iter().map(|epoch| epoch.against(rival)).collect())
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
    /// That another version that is tried converts better: the strongest. 0 where there is none.
    pub(crate) beaten: f64,
}

impl Signals {
    /// Nothing seen yet.
    pub(crate) fn new(policy: &Policy, plan: &Plan, rivals: &[Name]) -> Self {
        // Without two versions side by side there is nothing to judge.
        let compares = policy.strategy == Strategy::Canary;
        Self {
            errors: (compares && policy.errors.enabled).then(|| Errors::new(policy, plan)),
            latency: (compares && policy.latency.enabled).then(|| Latency::new(policy, plan)),
            conversion: policy.conversion.as_ref().filter(|_| compares).map(|goal| Conversion::new(goal, policy, plan)),
            rivals: rivals
                .iter()
                .filter(|_| compares)
                .map(|rival| (rival.clone(), Conversion::against_rival(policy, plan)))
                .collect(),
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
        for (rival, conversion) in &mut self.rivals {
            let (interval, epochs) = look.against(rival);
            let look = Look { interval: &interval, epochs: &epochs, ..*look };
            conversion.ingest(&conversion::labels(&look), &look);
        }
        conversions
    }

    /// Evidence for the goal; `None` without one.
    pub(crate) fn goal(&self) -> Option<f64> {
        self.conversion.as_ref().and_then(Conversion::goal)
    }

    /// The rivals, each with the evidence that it converts better.
    pub(crate) fn against_rivals(&self) -> impl Iterator<Item = (&Name, f64)> {
        self.rivals.iter().map(|(rival, conversion)| (rival, conversion.harm()))
    }

    /// The one of them with the most evidence; `None` where there is none.
    pub(crate) fn strongest_rival(&self) -> Option<(&Name, f64)> {
        self.against_rivals().max_by(|(_, one), (_, other)| one.total_cmp(other))
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
            beaten: self.strongest_rival().map_or(0.0, |(_, evidence)| evidence),
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
