//! How a rollout ended, in two sentences that need no statistics to read.

use super::hold::Hold;
use super::record::{Action, Counts, OWN_ACTOR, Record, Rule, Signal};
use super::status::{Phase, Status};
use super::words;
use crate::evidence::latency::EDGES_SECONDS;
use crate::evidence::rule::Stakes;

/// The verdict that `record` is; `None` where it is none: the rollout goes on, or stays undecided, after it.
pub(crate) fn verdict(record: &Record, status: &Status) -> Option<String> {
    let exposed_ms = status.timers.exposed_ms;
    let (opening, after_ms) = match record.action {
        Action::Promote => ("Promoted", exposed_ms),
        Action::Abort => ("Rolled back", exposed_ms),
        // Its canary is under watch still; the verdict is from when it came.
        Action::Undecided => ("Undecided", status.timers.undecided_ms.unwrap_or(exposed_ms)),
        Action::Start | Action::Advance | Action::Switch | Action::Pause | Action::Resume | Action::Hold(_) => {
            return None;
        }
    };
    let after = match status.exposed_since {
        Some(_) => format!(" after {}", words::duration(after_ms)),
        None => " before the canary had any visitor".to_owned(),
    };
    let by = match record.rule {
        Rule::Command if record.actor != OWN_ACTOR => format!(" by {}", record.actor),
        Rule::Deadline => ", at the deadline".to_owned(),
        _ => String::new(),
    };
    let seen = match record.rule {
        Rule::HardFact => {
            Some(format!("no endpoint of {} could be reached while {} had one", status.canary, status.stable))
        }
        Rule::Gate => status.gates.failed.clone(),
        Rule::Tripped => Some(compared(Signal::Errors, record, status)),
        Rule::Regression => Some(compared(leading(record), record, status)),
        Rule::Beaten => status.signals.strongest_rival().map(|(rival, _)| format!("{rival} converts better")),
        Rule::Outdone => Some("another one was promoted".to_owned()),
        _ if status.compares() => shown(record, status),
        _ => None,
    };
    let seen = seen.map(|seen| format!(": {seen}")).unwrap_or_default();
    Some(format!("{opening}{after}{by}{seen}. {}", meaning(record, status)))
}

/// The signal that contributes most to `M`.
fn leading(record: &Record) -> Signal {
    let order = [Signal::Errors, Signal::Latency, Signal::Conversion];
    let log = order.map(|signal| {
        record.inputs.iter().find(|reading| reading.signal == signal).map_or(0.0, |reading| reading.log_regression)
    });
    let leading = Stakes::standard(1).leading(&log).and_then(|at| order.get(at).copied());
    leading.unwrap_or(Signal::Errors)
}

/// What both versions did, where anything was counted.
fn shown(record: &Record, status: &Status) -> Option<String> {
    let seen = |signal| {
        let reading = record.inputs.iter().find(|reading| reading.signal == signal);
        reading.filter(|reading| reading.canary.units > 0).map(|_| compared(signal, record, status))
    };
    match (seen(Signal::Errors), seen(Signal::Conversion)) {
        (Some(errors), Some(conversion)) => Some(format!("{conversion}; {errors}")),
        (errors, conversion) => errors.or(conversion),
    }
}

/// One signal in both versions.
pub(crate) fn compared(signal: Signal, record: &Record, status: &Status) -> String {
    let reading = record.inputs.iter().find(|reading| reading.signal == signal);
    let (canary, stable) = reading.map(|reading| (reading.canary, reading.stable)).unwrap_or_default();
    let of = |counts: Counts| format!("{} of {}", words::count(counts.events), words::count(counts.units));
    let rate = |counts: Counts| words::rate(counts.events, counts.units);
    let (canary_of, stable_of) = (of(canary), of(stable));
    let rates = (rate(canary), rate(stable));
    match signal {
        Signal::Errors => {
            format!("{canary_of} canary visitors met a failure ({}) against {stable_of} ({})", rates.0, rates.1)
        }
        Signal::Conversion => {
            // Rates of young visitors understate both versions, so the ratio leads.
            let ratio = status.log.conversion_ratio();
            let times = ratio.map(|ratio| format!("{ratio:.2} times as many conversions per visitor, "));
            let times = times.unwrap_or_default();
            format!("{times}{canary_of} canary visitors so far against {stable_of}")
        }
        Signal::Latency => {
            let (slow_canary, slow_stable) = edges(status).unwrap_or_default();
            format!(
                "{canary_of} first requests to the canary took longer than {slow_canary} ({}) against {stable_of} to \
                 stable longer than {slow_stable} ({})",
                rates.0, rates.1
            )
        }
        Signal::Split => format!(
            "{} new visitors reached the canary and {} stable",
            words::count(canary.units),
            words::count(stable.units)
        ),
    }
}

/// The edges of the loudest quantile: canary, stable.
fn edges(status: &Status) -> Option<(String, String)> {
    let edge = status.signals.latency.as_ref()?.loudest()?.edge?;
    let text = |edge: usize| EDGES_SECONDS.get(edge).map(|seconds| format!("{:.0} ms", seconds * 1_000.0));
    Some((text(edge.canary)?, text(edge.stable)?))
}

fn meaning(record: &Record, status: &Status) -> String {
    let policy = &status.policy;
    match (record.phase, record.rule) {
        (Phase::Aborted, Rule::Regression) => {
            let of = match status.rivals.as_slice() {
                [] => "a healthy release",
                _ => "any of the versions, all healthy",
            };
            format!("Chance of such an alarm for {of}: under {}.", policy.false_abort)
        }
        (Phase::Aborted, Rule::Beaten) => {
            let goal = status.policy.conversion.as_ref().map(|conversion| conversion.false_goal).unwrap_or_default();
            format!("Chance that the best of the versions that are tried is lost to another one: under {goal}.")
        }
        (Phase::Aborted, Rule::Outdone) => "Of several versions one can have all visitors.".to_owned(),
        (Phase::Aborted, Rule::Gate) => "What must succeed before it goes on has failed.".to_owned(),
        (Phase::Aborted, Rule::HardFact) => "This is a fact, not a statistic.".to_owned(),
        (Phase::Aborted, Rule::Tripped) => {
            "A proxy took it out of service by itself: a healthy release is taken for such a one once in centuries."
                .to_owned()
        }
        (Phase::Promoted, Rule::Assurance) => {
            let harm = words::percent(status.plan.max_harm);
            let goal = if status.signals.goal().is_some() { " The goal is reached." } else { "" };
            format!(
                "Chance that a canary that hurts more than {harm} of all visitors gets this far: under {}.{goal}",
                policy.false_promote
            )
        }
        (Phase::Undecided, _) => {
            let missing = status.hold.map_or("a decision", |held| missing(held.reason));
            format!(
                "It stays at {}, guarded, until somebody promotes or aborts it: missing is {missing}.",
                status.share
            )
        }
        (_, Rule::Command) => "This was somebody's decision, not one by evidence.".to_owned(),
        (Phase::Aborted, Rule::StartWithin) => {
            format!("Nobody of {} could be reached within {} of the switch.", status.canary, policy.start_within())
        }
        (_, Rule::Standby | Rule::SwitchAfter | Rule::Recreate | Rule::Reached) => {
            "The versions had visitors one after the other, so nothing was compared.".to_owned()
        }
        _ => "The evidence was not conclusive; the policy decides so.".to_owned(),
    }
}

/// What an undecided rollout did not get in time.
fn missing(reason: Hold) -> &'static str {
    match reason {
        Hold::Evidence => "proof that the next share would do no more than the allowed harm",
        Hold::Goal => "proof that the conversion goal is reached",
        Hold::Rivals => "proof that it is the best of those that are tried",
        Hold::Gate => "the success of a gate",
        Hold::Approval => "somebody's approval",
        Hold::Soak => "time at this share",
        Hold::NotInForce => "a proxy that serves this share",
        Hold::Outage => "a proxy that can be read",
        Hold::RatioMismatch => "a split that can be trusted",
        Hold::Suspicion | Hold::Harm => "relief of the suspicion against the canary",
        Hold::NoEndpoint => "an endpoint that can be reached",
        Hold::Undefined | Hold::Baseline | Hold::Preview => "something to compare",
    }
}
