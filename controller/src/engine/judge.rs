//! The rules, in the order in which they are asked.

use tidegate_config::policy::{OnDeadline, Pace, Strategy};

use super::hold::Hold;
use super::observation::{Endpoints, Observation, Rivals};
use super::record::Rule;
use super::signals::Weighed;
use super::status::{Phase, Status};
use crate::evidence::rule::{Bounds, Concern, Verdict};

/// What the rules ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Nothing, in this phase.
    Stay,
    /// To stay, for a reason.
    Hold(Hold),
    /// On to the next share.
    Advance(Rule),
    /// To 100% now.
    Promote(Rule),
    /// Back to stable.
    Abort(Rule),
    /// To wait for somebody.
    Undecided,
}

/// Judges a rollout. Only hard facts and `M` move a share back; everything else at most holds it.
pub(crate) fn judge(status: &Status, observation: &Observation) -> Judgement {
    let Observation { endpoints, tripped, rivals, .. } = observation;
    let endpoints = *endpoints;
    if status.phase.is_over() {
        return Judgement::Stay;
    }
    if rivals.promoted.is_some() {
        return Judgement::Abort(Rule::Outdone);
    }
    let weighed = status.weigh();
    let verdict = bounds(status).verdict(&weighed.findings());
    // What is to start when the old version is gone is down before.
    if endpoints.only_canary_down() && !status.policy.recreates() {
        return Judgement::Abort(Rule::HardFact);
    }
    if *tripped {
        return Judgement::Abort(Rule::Tripped);
    }
    if status.gates.failed.is_some() {
        return Judgement::Abort(Rule::Gate);
    }
    if verdict == Verdict::Rollback {
        return Judgement::Abort(Rule::Regression);
    }
    match status.phase {
        Phase::Progressing if status.warm && bounds(status).beaten(weighed.beaten) => Judgement::Abort(Rule::Beaten),
        Phase::Progressing => match hold(status, observation, verdict, &weighed) {
            None => Judgement::Advance(rule(status)),
            Some(reason) if status.deadline_left_ms() == Some(0) => {
                at_deadline(status.policy.on_deadline, reason, rivals)
            }
            Some(reason) => Judgement::Hold(reason),
        },
        Phase::Standby if status.in_force() && status.timers.step_ms >= status.policy.standby().millis() => {
            Judgement::Promote(Rule::Standby)
        }
        Phase::Recreating if status.in_force() => recreating(status, endpoints),
        Phase::Standby | Phase::Recreating | Phase::Paused | Phase::Undecided | Phase::Promoted | Phase::Aborted => {
            Judgement::Stay
        }
    }
}

/// The new version is there once it has answered, or has somebody who could while nobody of the old one is left. Where it can
/// be connected to and nobody has asked it for anything, nothing is known, and nothing moves.
fn recreating(status: &Status, endpoints: Endpoints) -> Judgement {
    let alone = endpoints.stable_total == 0 && endpoints.canary_reachable > 0;
    if alone || status.log.answered() > 0 {
        return Judgement::Promote(Rule::Reached);
    }
    let late = status.timers.step_ms >= status.policy.start_within().millis();
    let nobody = endpoints.canary_reachable == 0;
    if late && nobody { Judgement::Abort(Rule::StartWithin) } else { Judgement::Stay }
}

/// The bounds a policy sets.
pub(crate) fn bounds(status: &Status) -> Bounds {
    let policy = &status.policy;
    let goal = policy.conversion.as_ref().map(|conversion| conversion.false_goal.fraction());
    let default = Bounds::default();
    // Each of several has its part of the chances to err. A promotion needs none of that: all its guardrails must agree.
    let several = f64::from(status.canaries());
    let goal_alpha = goal.unwrap_or(default.goal_alpha);
    Bounds {
        alpha: policy.false_abort.fraction() / several,
        beta: policy.false_promote.fraction(),
        goal_alpha: goal_alpha / several,
        rival_alpha: goal_alpha / f64::from((status.canaries() - 1).max(1)),
        ..default
    }
}

/// Why the share may not rise now; `None` if it may.
fn hold(status: &Status, observation: &Observation, verdict: Verdict, weighed: &Weighed) -> Option<Hold> {
    // Before the first visitor nothing else that may be missing says more.
    if status.step.is_none() && status.gate(false).is_some() {
        return Some(Hold::Gate);
    }
    if status.outage.is_some() && status.compares() {
        return Some(Hold::Outage);
    }
    if !status.in_force() {
        return Some(Hold::NotInForce);
    }
    if let Verdict::Hold(concern) = verdict {
        return Some(match concern {
            Concern::Undefined => Hold::Undefined,
            Concern::RatioMismatch => Hold::RatioMismatch,
            Concern::Suspicion => Hold::Suspicion,
            Concern::Harm => Hold::Harm,
        });
    }
    if observation.endpoints.canary_down() && !status.policy.recreates() {
        return Some(Hold::NoEndpoint);
    }
    match (status.policy.strategy, status.step) {
        (Strategy::Recreate, _) => None,
        (Strategy::BlueGreen, _) => hold_preview(status),
        (Strategy::Canary, None) => hold_baseline(status),
        (Strategy::Canary, Some(_)) => hold_step(status, weighed, &observation.rivals),
    }
}

fn hold_preview(status: &Status) -> Option<Hold> {
    let due = status.policy.switch_after.is_some_and(|after| status.timers.step_ms >= after.millis());
    (!due).then_some(Hold::Preview)
}

fn hold_baseline(status: &Status) -> Option<Hold> {
    let unknown = status.signals.latency.as_ref().is_some_and(|latency| latency.baseline().is_some());
    if unknown || status.cursors.is_empty() {
        return Some(Hold::Baseline);
    }
    let to_all = status.next_step().is_some_and(|(next, _)| status.is_last(next));
    // A goal can only be reached where both versions have visitors.
    (to_all && status.policy.pace() == Pace::Evidence && status.signals.goal().is_some()).then_some(Hold::Goal)
}

fn hold_step(status: &Status, weighed: &Weighed, rivals: &Rivals) -> Option<Hold> {
    let to_all = status.next_step().is_some_and(|(next, _)| status.is_last(next));
    if status.soak_left_ms() > 0 {
        return Some(Hold::Soak);
    }
    if status.policy.pace() == Pace::Evidence {
        let bounds = bounds(status);
        if weighed.least_assurance().is_some_and(|least| !bounds.assured(least)) {
            return Some(Hold::Evidence);
        }
        if to_all && weighed.goal.is_some_and(|goal| !bounds.reached(goal)) {
            return Some(Hold::Goal);
        }
    }
    if to_all && rivals.under_way > 0 {
        return Some(Hold::Rivals);
    }
    if status.gate(false).is_some() {
        return Some(Hold::Gate);
    }
    status.current_step().is_some_and(|step| step.approve).then_some(Hold::Approval)
}

/// The rule by which a share rises when nothing holds it.
fn rule(status: &Status) -> Rule {
    match (status.policy.strategy, status.step, status.policy.pace()) {
        (Strategy::Recreate, ..) => Rule::Recreate,
        (Strategy::BlueGreen, ..) => Rule::SwitchAfter,
        (Strategy::Canary, None, _) => Rule::Baseline,
        (Strategy::Canary, Some(_), Pace::Evidence) => Rule::Assurance,
        (Strategy::Canary, Some(_), Pace::Time) => Rule::Soak,
    }
}

/// A deadline may promote what is merely not proven yet, never what is suspected or not seen; of several the one that is
/// closest to the goal.
fn at_deadline(on_deadline: OnDeadline, reason: Hold, rivals: &Rivals) -> Judgement {
    let merely_unproven = matches!(reason, Hold::Soak | Hold::Evidence | Hold::Goal | Hold::Rivals | Hold::Approval);
    let leads = rivals.under_way == 0 || rivals.leads;
    match on_deadline {
        OnDeadline::Abort => Judgement::Abort(Rule::Deadline),
        OnDeadline::Promote if merely_unproven && leads => Judgement::Promote(Rule::Deadline),
        OnDeadline::Promote | OnDeadline::Hold => Judgement::Undecided,
    }
}
