//! Conversions: which version had the visitors who converted seen, by the shares that kept them there.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tidegate_config::policy::{self, Goal, Policy};

use super::Look;
use crate::engine::observation::EpochShares;
use crate::engine::plan::Plan;
use crate::evidence::conversion::{Claim, Labels as Judged, Outcomes, baseline};
use crate::evidence::exposure::Exposure;
use crate::evidence::increment::real;
use crate::evidence::process::{Process, Schedule};

/// The bets on conversions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Conversion {
    goal: Option<Bet>,
    harm: Bet,
    counts_per_visitor: u32,
    /// Stable's visitors whose window has closed.
    stable_closed: u64,
    /// Those of them who had converted.
    stable_converted: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bet {
    claim: Claim,
    process: Process,
}

/// Visitors of one outcome: those who converted and never changed version, or those who did not convert in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Labels {
    pub(crate) exposure: Exposure,
    pub(crate) canary: u64,
    pub(crate) stable: u64,
}

impl Conversion {
    pub(super) fn new(conversion: &policy::Conversion, policy: &Policy, plan: &Plan) -> Self {
        let margin = conversion.non_inferiority_ratio();
        let (goal, harm) = match conversion.goal {
            Goal::Superiority => (Some(Claim::Superior), 1.0),
            // A loss within the margin is declared acceptable, so it is no harm either.
            Goal::NonInferiority => (Some(Claim::NotInferior { margin }), margin),
            Goal::Guardrail => (None, 1.0),
        };
        Self::on(goal, harm, policy, plan)
    }

    /// Bets that a version loses conversions which another one that is tried would have had.
    pub(super) fn against_rival(policy: &Policy, plan: &Plan) -> Self {
        Self::on(None, 1.0, policy, plan)
    }

    /// Bets on a goal, if there is one, and on harm: fewer conversions than `margin` times the other version's.
    fn on(goal: Option<Claim>, margin: f64, policy: &Policy, plan: &Plan) -> Self {
        let schedule = Schedule::over(plan.intervals(policy));
        let bet = |claim: Claim| Bet { claim, process: Process::new(claim.alternatives(), schedule, 1.0) };
        Self {
            goal: goal.map(bet),
            harm: bet(Claim::Harmful { margin }),
            counts_per_visitor: plan.counts_per_visitor,
            stable_closed: 0,
            stable_converted: 0,
        }
    }

    pub(super) fn ingest(&mut self, conversions: &[Labels], look: &Look<'_>) {
        if look.judged {
            self.bet(conversions, &unconverted(look), look.intervals);
        }
        // After the bet: what it is steered by must have been known before.
        for growth in look.interval.values() {
            let (converted, unconverted) = (growth.stable.closed_converted, growth.stable.closed_unconverted);
            self.stable_converted = self.stable_converted.saturating_add(converted);
            self.stable_closed = self.stable_closed.saturating_add(converted).saturating_add(unconverted);
        }
    }

    fn bet(&mut self, converted: &[Labels], unconverted: &[Labels], intervals: f64) {
        let judged = |labels: &[Labels]| -> Vec<Judged> {
            labels.iter().map(|labels| labels.judged(self.counts_per_visitor)).collect()
        };
        let (converted, unconverted) = (judged(converted), judged(unconverted));
        let baseline = baseline(real(self.stable_converted), real(self.stable_closed));
        let outcomes = Outcomes { converted: &converted, unconverted: &unconverted, baseline };
        for bet in self.goal.iter_mut().chain([&mut self.harm]) {
            bet.claim.advance(&mut bet.process, intervals, &outcomes);
        }
    }

    pub(super) fn goal(&self) -> Option<f64> {
        self.goal.as_ref().map(|bet| bet.process.log_wealth())
    }

    pub(super) fn harm(&self) -> f64 {
        self.harm.process.log_wealth()
    }

    /// What the goal claims.
    pub(crate) fn claim(&self) -> Option<Claim> {
        self.goal.as_ref().map(|bet| bet.claim)
    }
}

impl Labels {
    /// A visitor that several proxies may count must not weigh more than one.
    fn judged(&self, counts_per_visitor: u32) -> Judged {
        let visitors = |count: u64| real(count) / f64::from(counts_per_visitor);
        Judged { exposure: self.exposure, canary: visitors(self.canary), stable: visitors(self.stable) }
    }
}

/// The conversions of a look. One whose epochs are not all known is left out: its shares would be a guess.
pub(super) fn labels(look: &Look<'_>) -> Vec<Labels> {
    let mut found = Vec::new();
    for (first, growth) in look.interval {
        let (canary, stable) = (&growth.canary.converted, &growth.stable.converted);
        let at: BTreeSet<u64> = canary.iter().chain(stable).map(|(at, _)| *at).collect();
        for at in at {
            let count =
                |rows: &[(u64, u64)]| rows.iter().find(|(epoch, _)| *epoch == at).map_or(0, |(_, count)| *count);
            let labels = (count(canary), count(stable));
            if let Some(exposure) = unmoved(look, *first, at).filter(|_| labels != (0, 0)) {
                found.push(Labels { exposure, canary: labels.0, stable: labels.1 });
            }
        }
    }
    found
}

/// The visitors of a look whose window closed without a conversion, by the version of first sight.
///
/// Unlike those who convert, they are read with the shares of that time alone, whether a share has moved them since or
/// not: who was moved and did not come back cannot be told from who was not.
fn unconverted(look: &Look<'_>) -> Vec<Labels> {
    let closed = look.interval.iter().filter_map(|(first, growth)| {
        let (canary, stable) = (growth.canary.closed_unconverted, growth.stable.closed_unconverted);
        let shares = look.shares(*first).filter(|_| (canary, stable) != (0, 0))?;
        Some(Labels { exposure: shares.exposure(), canary, stable })
    });
    closed.collect()
}

fn unmoved(look: &Look<'_>, first: u64, at: u64) -> Option<Exposure> {
    look.shares(first).and(look.shares(at))?;
    let between = look.epochs.iter().filter(|known| (first..=at).contains(&known.epoch));
    EpochShares::unmoved(&between.collect::<Vec<_>>())
}
