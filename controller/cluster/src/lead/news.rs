//! PURE. What people are told, as Events, of what was decided and written down.

use tidegate_config::Name;
use tidegate_controller::engine::{Action, Hold};
use tidegate_controller::service_record::Logged;

use super::ordinary;
use crate::rollout_object::{GateState, GateStatus, Memory};

/// The reason of the news that a rollout has begun.
pub(super) const STARTED: &str = "RolloutStarted";

/// Something to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// Whether somebody should look.
    pub warns: bool,
    /// What has happened, in one word.
    pub reason: &'static str,
    /// What was done, in one word.
    pub action: &'static str,
    /// What has happened, in a sentence.
    pub note: String,
    /// Tells it from all others of the same object, so that it is told once.
    pub id: String,
}

impl News {
    /// What is told of a decision. Reasons to wait that come with every step are none of it.
    pub fn of_decision(decided: &Logged) -> Option<Self> {
        let (warns, reason) = match decided.record.action {
            Action::Start => (false, STARTED),
            Action::Advance => (false, "RolloutAdvanced"),
            Action::Switch => (false, "RolloutSwitched"),
            Action::Promote => (false, "RolloutPromoted"),
            Action::Abort => (true, "RolloutAborted"),
            Action::Pause => (false, "RolloutPaused"),
            Action::Resume => (false, "RolloutResumed"),
            Action::Undecided => (true, "RolloutUndecided"),
            Action::Hold(Hold::Approval) => (false, "RolloutWaits"),
            Action::Hold(Hold::Outage | Hold::RatioMismatch | Hold::NoEndpoint | Hold::Undefined) => {
                (true, "RolloutHeld")
            }
            Action::Hold(_) => return None,
        };
        let id = format!("decision {} of {}", decided.number, decided.record.at.millis());
        Some(Self { warns, reason, action: "Deciding", note: decided.record.text.clone(), id })
    }

    /// What is told of a version that became stable by an ordinary update.
    pub fn of_ordinary(version: &Name, memory: &Memory) -> Option<Self> {
        let note = ordinary::message(memory)?;
        let id = format!("ordinary update to {version}");
        Some(Self { warns: true, reason: "UpdatedUnjudged", action: "Observing", note, id })
    }

    /// What is told of an object that is of a newer definition than ours, or was stored before there was one.
    pub fn of_unreadable(error: &str) -> Self {
        let note = format!("It cannot be read, and stays in force as it was when it could be read last: {error}");
        Self { warns: true, reason: "Unreadable", action: "Reading", note, id: format!("unreadable: {error}") }
    }

    /// What is told where those who wait for a Deployment would give up before its rollout is over.
    pub(super) fn of_deadline(note: &str, memory: &Memory) -> Self {
        let rollout = memory.record.rollout.as_ref().map(|status| status.rollout.to_string()).unwrap_or_default();
        let (reason, action, id) = ("ProgressDeadlineTooShort", "Deciding", format!("deadline of {rollout}"));
        Self { warns: true, reason, action, note: note.to_owned(), id }
    }

    /// What is told of a gate that stands as it did not before; nothing of one that has only been noted.
    pub fn of_gate(gate: &GateStatus) -> Option<Self> {
        let GateStatus { name, version, job, message, .. } = gate;
        let why = message.as_deref().unwrap_or("it does not say why");
        let (warns, reason, note) = match gate.state {
            GateState::Waiting => return None,
            GateState::Refused => {
                (true, "GateRefused", format!("Gate {name}: Job {job} for {version} cannot be made: {why}"))
            }
            GateState::Running => (false, "GateStarted", format!("Gate {name}: Job {job} for {version} runs.")),
            GateState::Succeeded => {
                (false, "GateSucceeded", format!("Gate {name}: Job {job} for {version} has succeeded."))
            }
            GateState::Failed => {
                (true, "GateFailed", format!("Gate {name}: Job {job} for {version} has failed: {why}"))
            }
        };
        Some(Self { warns, reason, action: "Gating", note, id: format!("gate {job} {reason}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout_object::Before;

    #[test]
    fn a_gate_is_told_of_when_it_changes() {
        let gate = |state| GateStatus {
            name: "migrate".into(),
            version: "bb".into(),
            before: Before::Traffic,
            state,
            job: "shop-migrate-1".into(),
            message: Some("exit code 3".into()),
        };
        for (state, told) in [
            (GateState::Waiting, None),
            (GateState::Refused, Some((true, "GateRefused"))),
            (GateState::Running, Some((false, "GateStarted"))),
            (GateState::Succeeded, Some((false, "GateSucceeded"))),
            (GateState::Failed, Some((true, "GateFailed"))),
        ] {
            let news = News::of_gate(&gate(state));
            assert_eq!(news.as_ref().map(|news| (news.warns, news.reason)), told);
            let why = matches!(state, GateState::Refused | GateState::Failed);
            assert!(news.is_none_or(|news| news.note.contains("exit code 3") == why && news.note.contains("shop-migrate-1")));
        }
    }
}
