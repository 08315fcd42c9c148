//! PURE. What is known of a rollout, read from its object: the same reports that a running instance gives without a cluster.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff;
use kube::core::DynamicObject;
use serde::Serialize;
use tidegate_cluster::rollout_object::conditions::About;
use tidegate_cluster::rollout_object::{Decision, GateStatus, Memory, Rollout, RolloutStatus};
use tidegate_cluster::world::{Key, World};
use tidegate_config::{Arm, Name, Share};
use tidegate_controller::engine::{self, Record, Status, Timestamp};
use tidegate_controller::service_record::{Logged, ServiceRecord};
use tidegate_controller::view::{ExplainedDecision, Explanation, ServiceView};
use tidegate_terminal::text;

use crate::coming::is_coming;
use crate::failure::Failure;
use crate::gates;

/// Milliseconds after which it is worth a word that nobody has written what is known of a rollout under way: the leader
/// writes every ten seconds.
const STALE_MS: u64 = 60_000;

/// A rollout object that was read.
#[derive(Debug)]
pub(crate) struct Seen {
    name: String,
    rollout: Rollout,
    memory: Memory,
    stable: Name,
    written: Option<Timestamp>,
}

/// How a rollout stands.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    #[serde(flatten)]
    pub(crate) view: ServiceView,
    /// Those of the version that is tried, or was last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gates: Vec<GateStatus>,
}

/// Why a rollout is where it is.
#[derive(Debug, Serialize)]
pub(crate) struct Explained {
    #[serde(flatten)]
    explanation: Explanation,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gates: Vec<GateStatus>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// A rollout object by its fields.
pub(crate) fn typed(object: &DynamicObject) -> Result<Rollout, Failure> {
    let read = object.clone().try_parse::<Rollout>();
    read.map_err(|error| Failure::Unreadable { name: name(object), why: cause(&error) })
}

/// What an object is called.
pub(crate) fn name(object: &DynamicObject) -> String {
    object.metadata.name.clone().unwrap_or_default()
}

/// The innermost cause of an error.
fn cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), cause)
}

impl Seen {
    /// Reads an object.
    pub(crate) fn read(object: &DynamicObject) -> Result<Self, Failure> {
        let (name, rollout) = (name(object), typed(object)?);
        let status = rollout.status.as_ref();
        let remembered = status.map_or(Ok(None), RolloutStatus::remembered);
        let unreadable = |error| Failure::Unreadable { name: name.clone(), why: format!("status.record: {error}") };
        let memory = remembered.map_err(unreadable)?;
        let memory = memory.and_then(|memory| Some((stable_of(&memory)?, memory)));
        let Some((stable, memory)) = memory else {
            let wrong = status.map(|status| wrong(&status.conditions)).unwrap_or_default();
            let why = if wrong.is_empty() {
                "no controller has looked at it; is one running, and does it watch this namespace?".to_owned()
            } else {
                wrong.join(" ")
            };
            return Err(Failure::Unknown { name, why });
        };
        Ok(Self { name, rollout, memory, stable, written: written(object) })
    }

    /// Whether a version of its Service is on its way that it does not speak of yet. Where something is wrong with it,
    /// nobody may ever speak of that.
    pub(crate) fn is_behind(&self, world: &World) -> bool {
        let conditions = self.rollout.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        wrong(conditions).is_empty() && is_coming(world, &self.service(), &self.rollout.spec, &self.memory)
    }

    /// The Service.
    pub(crate) fn service(&self) -> Key {
        Key::new(self.rollout.metadata.namespace.clone().unwrap_or_default(), self.rollout.spec.service.as_str())
    }

    /// How it stands.
    pub(crate) fn shown(&self, now: Timestamp) -> Shown {
        Shown { view: self.view(now), gates: self.gates() }
    }

    fn view(&self, now: Timestamp) -> ServiceView {
        let record = &self.memory.record;
        let only = || vec![Arm::new(self.stable.clone(), Share::ALL)];
        ServiceView {
            service: self.rollout.spec.service.clone().into(),
            stable: self.stable.clone(),
            canary: record.rollout.as_ref().map(|status| status.canary.clone()).filter(|it| *it != self.stable),
            epoch: record.epochs.current(),
            arms: record.epochs.newest().map_or_else(only, |newest| newest.arms.clone()),
            rollout: record.rollout.as_ref().map(|status| engine::report(status, now)),
            rivals: record.rivals.iter().map(|status| engine::report(status, now)).collect(),
            finished: record.finished,
            notes: self.notes(now),
        }
    }

    /// Why it is where it is.
    pub(crate) fn explained(&self, now: Timestamp) -> Explained {
        let record = &self.memory.record;
        let explanation = Explanation {
            service: self.rollout.spec.service.clone().into(),
            words: engine::explain_all(record.tried(), now),
            decisions: recent(record),
        };
        Explained { explanation, gates: self.gates(), notes: self.notes(now) }
    }

    /// The gates of the version that is tried, or was last.
    fn gates(&self) -> Vec<GateStatus> {
        let canary = self.memory.record.rollout.as_ref().map(|status| status.canary.as_str());
        self.memory.gates.iter().filter(|gate| Some(gate.version.as_str()) == canary).cloned().collect()
    }

    /// What people should know beside the numbers.
    fn notes(&self, now: Timestamp) -> Vec<String> {
        let conditions = self.rollout.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let mut notes = wrong(conditions);
        let age = self.written.map_or(0, |written| now.millis_since(written));
        if self.memory.record.under_way().is_some() && age >= STALE_MS {
            let seconds = age / 1_000;
            notes.push(format!("{} was last written {seconds} s ago: what happened since is not in it", self.name));
        }
        notes
    }
}

/// The decisions that are remembered with the versions that are tried, oldest first. Of several they are those since all that
/// were taken are remembered.
fn recent(record: &ServiceRecord) -> Vec<ExplainedDecision> {
    let full = |status: &&Status| status.seq > status.recent.len() as u64;
    let since = record.tried().filter(full).filter_map(|status| status.recent.first()).map(|oldest| oldest.at).max();
    let mut all: Vec<(&Status, &Record)> = record
        .tried()
        .flat_map(|status| status.recent.iter().map(move |decision| (status, decision)))
        .filter(|(_, decision)| since.is_none_or(|since| decision.at >= since))
        .collect();
    all.sort_by_key(|(_, decision)| decision.at);
    let first = record.decisions.saturating_sub(all.len() as u64) + 1;
    let explained = |(number, (status, decision)): (u64, (&Status, &Record))| ExplainedDecision {
        words: engine::explain_record(decision, status),
        logged: Logged { number, rollout: status.rollout, record: decision.clone() },
    };
    (first..).zip(all).map(explained).collect()
}

/// The decisions that an object shows, the newest last.
pub(crate) fn decisions(object: &DynamicObject) -> Result<Vec<Decision>, Failure> {
    Ok(typed(object)?.status.map(|status| status.decisions).unwrap_or_default())
}

impl Shown {
    /// For people.
    pub(crate) fn text(&self) -> String {
        text::service(&self.view) + &gates::lines(&self.gates, "  ")
    }
}

impl Explained {
    /// For people.
    pub(crate) fn text(&self) -> String {
        let notes = self.notes.iter().map(|note| format!("note: {note}\n"));
        notes.collect::<String>() + &gates::lines(&self.gates, "") + &text::explanation(&self.explanation)
    }
}

/// The stable version; before one is known, that of the rollout that there was.
fn stable_of(memory: &Memory) -> Option<Name> {
    memory.stable.clone().or_else(|| memory.record.rollout.as_ref().map(|status| status.stable.clone()))
}

/// What the conditions say that somebody must see to. How a rollout ended its report tells; what is in conflict is not
/// accepted.
pub(crate) fn wrong(conditions: &[Condition]) -> Vec<String> {
    let wanted = |condition: &&Condition| {
        let is = |about: About| condition.type_ == about.as_str();
        let (fails, reason) = (condition.status == "False", condition.reason.as_str());
        (is(About::Accepted) || is(About::TrafficManaged)) && fails
            || is(About::Progressing) && reason == "VersionsUnclear"
            || is(About::Degraded) && ["NotUndone", "GateRefused"].contains(&reason)
    };
    conditions.iter().filter(wanted).map(|condition| condition.message.clone()).collect()
}

/// When a status was written last.
fn written(object: &DynamicObject) -> Option<Timestamp> {
    let entries = object.metadata.managed_fields.iter().flatten();
    let of_status = entries.filter(|entry| entry.subresource.as_deref() == Some("status"));
    of_status.filter_map(|entry| entry.time.as_ref()).map(|time| millis(time.0)).max()
}

/// An instant of the API.
pub(crate) fn millis(at: jiff::Timestamp) -> Timestamp {
    Timestamp::from_millis(u64::try_from(at.as_millisecond()).unwrap_or_default())
}

#[cfg(test)]
pub(crate) mod tests;
