//! A rollout as people look at it: `tidegate status`, the live view, the page.

mod eta;
mod signal;

use serde::{Deserialize, Serialize};
use tidegate_config::{Name, RolloutId, Share};

pub use eta::Eta;
pub use signal::SignalReport;

use super::hold::Held;
use super::judge::bounds;
use super::log::{LogRow, Tally};
use super::narrative;
use super::plan::Plan;
use super::record::{Action, Counts, OWN_ACTOR, Record, Rule};
use super::sight::Sight;
use super::status::{Outage, Phase, Status};
use super::time::Timestamp;
use super::verdict;
use crate::evidence::increment::real;
use crate::evidence::rule::displayed;

/// Everything shown of a rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Its identity.
    pub rollout: RolloutId,
    /// The service.
    pub service: Name,
    /// Where it is in its life.
    pub phase: Phase,
    /// When this was said.
    pub at: Timestamp,
    /// When it was started.
    pub started: Timestamp,
    /// When it was over.
    pub finished: Option<Timestamp>,
    /// Milliseconds under watch since the first step was in force.
    pub exposed_ms: u64,
    /// The steps' shares.
    pub steps: Vec<Share>,
    /// The current one, counted from 1; 0 before the first.
    pub step: usize,
    /// The canary's share wanted now.
    pub share: Share,
    /// The share of the next step.
    pub next_share: Option<Share>,
    /// The generation that carries the share.
    pub wants_generation: Option<u64>,
    /// When every proxy served it; `None` until then.
    pub in_force_since: Option<Timestamp>,
    /// Milliseconds this share must still soak.
    pub soak_left_ms: u64,
    /// Milliseconds until the deadline.
    pub deadline_left_ms: Option<u64>,
    /// Why it does not go on.
    pub hold: Option<Held>,
    /// Since when and why the proxies cannot be read.
    pub outage: Option<Outage>,
    /// When it goes on if the canary is as good as it looks.
    pub eta: Eta,
    /// What was fixed at the start.
    pub plan: Plan,
    /// The canary, where both versions had visitors.
    pub canary: ArmReport,
    /// Stable, in the same time.
    pub stable: ArmReport,
    /// The same by share: an effect that is only in the sum is none.
    pub shares: Vec<ShareReport>,
    /// What each signal says.
    pub signals: Vec<SignalReport>,
    /// What is known of the other versions that are tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rivals: Vec<RivalReport>,
    /// `M`: the evidence of all signals against the canary.
    pub statistic: f64,
    /// `M` from which the share is not raised.
    pub suspicion_bound: f64,
    /// `M` at which the rollout is aborted.
    pub abort_bound: f64,
    /// In two sentences, where it stands or how it ended.
    pub verdict: String,
    /// The last decisions, oldest first.
    pub recent: Vec<Record>,
}

/// One of the other versions that are tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RivalReport {
    /// The version.
    pub version: Name,
    /// Natural logarithm of the evidence that it converts better.
    pub log_better: f64,
    /// The same as a number, clamped to what an `f64` holds.
    pub better: f64,
    /// Where this canary is rolled back for it.
    pub bound: f64,
}

/// One version's sums.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArmReport {
    /// The version.
    pub version: Name,
    /// Requests.
    pub requests: u64,
    /// Failed ones.
    pub failures: u64,
    /// Visitors who met this version.
    pub visitors: u64,
    /// Visitors whose first failure was on this version.
    pub failed: u64,
    /// Failed per visitor; `None` without visitors.
    pub failed_rate: Option<f64>,
    /// Visitors first seen on this version and not before the rollout: those whose conversions count.
    pub first_seen: u64,
    /// First conversions of visitors who stayed on this version.
    pub converted: u64,
    /// Converted per visitor first seen; `None` without one.
    pub conversion_rate: Option<f64>,
}

/// Both versions at one pair of shares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShareReport {
    /// The canary's share, as a fraction.
    pub canary_share: f64,
    /// Stable's.
    pub stable_share: f64,
    /// False in the warm-up, which is not judged.
    pub judged: bool,
    /// The canary's visitors who met a failure.
    pub canary: Counts,
    /// Stable's.
    pub stable: Counts,
    /// Conversions by version: canary, stable.
    pub converted: (u64, u64),
}

/// The report of a rollout.
pub fn report(status: &Status, now: Timestamp) -> Report {
    let sight = Sight::of(status);
    let bounds = bounds(status);
    let (canary, stable) = status.log.totals();
    Report {
        rollout: status.rollout,
        service: status.service.clone(),
        phase: status.phase,
        at: now,
        started: status.started,
        finished: status.finished,
        exposed_ms: status.timers.exposed_ms,
        steps: status.policy.steps().iter().map(|step| step.share).collect(),
        step: status.step.map_or(0, |step| step + 1),
        share: status.share,
        next_share: status.next_step().filter(|_| !status.phase.is_over()).map(|(_, step)| step.share),
        wants_generation: status.wants_generation,
        in_force_since: status.in_force_since,
        soak_left_ms: if status.phase.is_over() { 0 } else { status.soak_left_ms() },
        deadline_left_ms: status.deadline_left_ms(),
        hold: status.hold,
        outage: status.outage.clone(),
        eta: eta::eta(status),
        plan: status.plan.clone(),
        canary: ArmReport::of(&status.canary, &canary),
        stable: ArmReport::of(&status.stable, &stable),
        shares: status.log.compared().map(ShareReport::of).collect(),
        signals: signal::signals(status, &sight),
        rivals: rivals(status),
        statistic: sight.statistic,
        suspicion_bound: bounds.suspicion,
        abort_bound: 1.0 / bounds.alpha,
        verdict: standing(status, sight, now),
        recent: status.recent.clone(),
    }
}

fn rivals(status: &Status) -> Vec<RivalReport> {
    let bound = 1.0 / bounds(status).rival_alpha;
    let each = status.signals.against_rivals().map(|(version, log_better)| RivalReport {
        version: version.clone(),
        log_better,
        better: displayed(log_better),
        bound,
    });
    each.collect()
}

impl ArmReport {
    fn of(version: &Name, tally: &Tally) -> Self {
        let Tally { requests, failures, visitors: _, newcomers, exposed, failed, converted } = *tally;
        let rate = |events: u64, units: u64| (units > 0).then(|| real(events) / real(units));
        Self {
            version: version.clone(),
            requests,
            failures,
            visitors: exposed,
            failed,
            failed_rate: rate(failed, exposed),
            first_seen: newcomers,
            converted,
            conversion_rate: rate(converted, newcomers),
        }
    }
}

impl ShareReport {
    fn of(row: &LogRow) -> Self {
        let counts = |tally: &Tally| Counts { units: tally.exposed, events: tally.failed };
        Self {
            canary_share: row.exposure.canary,
            stable_share: row.exposure.stable,
            judged: row.judged,
            canary: counts(&row.canary),
            stable: counts(&row.stable),
            converted: (row.canary.converted, row.stable.converted),
        }
    }
}

/// How it ended, or why it is where it is.
fn standing(status: &Status, sight: Sight, now: Timestamp) -> String {
    let Some(last) = status.recent.last() else {
        return format!("{} was not looked at yet.", status.canary);
    };
    let verdict = match status.phase {
        // Somebody may have moved it since, which decides nothing.
        Phase::Undecided => {
            let undecided = Record { rule: Rule::Deadline, action: Action::Undecided, ..last.clone() };
            verdict::verdict(&undecided, status)
        }
        _ => verdict::verdict(last, status),
    };
    if let Some(verdict) = verdict {
        return narrative::named(status, verdict);
    }
    match status.hold {
        Some(held) => {
            let action = Action::Hold(held.reason);
            let fresh = Record {
                at: now,
                rule: Rule::Hold,
                action,
                inputs: sight.readings,
                statistic: sight.statistic,
                ..last.clone()
            };
            narrative::sentence(&Record { actor: OWN_ACTOR.to_owned(), ..fresh }, status)
        }
        None => last.text.clone(),
    }
}
