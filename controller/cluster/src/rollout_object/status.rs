//! How far a rollout has come, for people, and all that is remembered of the Service, for the next controller.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use tidegate_config::{Name, Share, limits};
use tidegate_controller::engine::{self, Action, Record, Timestamp};

use super::gate_status::GateStatus;
use super::memory::{Answered, Memory};
use super::packed::{self, RecordTooLarge, UnreadableRecord};

/// The status of a Rollout. Everything but `conditions` follows from `record`, the gates and the decisions.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStatus {
    /// The generation of the `spec` that this speaks about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where the rollout is in its life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The version that is stable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<Name>,
    /// The version that is tried, or was last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Name>,
    /// The canary's share of the visitors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// The step it is at, from 1; absent at 0%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "count")]
    pub step: Option<u64>,
    /// The other versions that are tried at the same time, or were last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::CANARIES_MAX), extend("x-kubernetes-list-type" = "atomic"))]
    pub rivals: Vec<RivalStatus>,
    /// The number of the shares in force or on their way; it only rises.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "count")]
    pub epoch: Option<u64>,
    /// What is going on, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub message: Option<String>,
    /// When the rollout was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// `Accepted`, `TrafficManaged`, `Progressing`, `Paused`, `Degraded`, `Conflicted`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The gates of the version that is tried, and of the one before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::OBJECT_GATES_MAX), extend("x-kubernetes-list-type" = "atomic"))]
    pub gates: Vec<GateStatus>,
    /// The last decisions, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "atomic"))]
    pub decisions: Vec<Decision>,
    /// The last command, and what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandStatus>,
    /// Who wrote this: the pod of the controller that led.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub leader: Option<String>,
    /// What the controller remembers, of no form that anybody else may rely on. A text, since numbers of 64 bits do not
    /// survive the API server in every form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::OBJECT_RECORD_BYTES_MAX))]
    pub record: Option<String>,
}

/// One of several versions that are tried at the same time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RivalStatus {
    /// The version.
    pub version: Name,
    /// Where it is.
    pub phase: Phase,
    /// Its share of the visitors.
    pub share: Share,
}

impl RivalStatus {
    fn of(status: &engine::Status) -> Self {
        Self { version: status.canary.clone(), phase: status.phase.into(), share: status.share }
    }
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommandStatus {
    /// The command's id, as its annotation gave it.
    #[schemars(length(max = limits::COMMAND_ID_BYTES_MAX))]
    pub id: String,
    /// Whether it was carried out.
    pub done: bool,
    /// Why it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

/// Where a rollout is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// There is no other version to try.
    Idle,
    /// Goes on by itself, or holds for a reason.
    Progressing,
    /// Somebody holds it. The canary stays guarded.
    Paused,
    /// The deadline passed without a decision. The canary stays guarded.
    Undecided,
    /// Blue/green: all visitors are on the new version, the old one is kept hot.
    Standby,
    /// Recreate: all visitors are the new version's, the old one goes, and the new one is awaited.
    Recreating,
    /// Over: the canary has all visitors.
    Promoted,
    /// Over: stable has all visitors.
    Aborted,
}

/// One decision: what was done, when, by which rule and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// When.
    pub time: Time,
    /// Which rule applied.
    #[schemars(length(max = 64))]
    pub rule: String,
    /// What was done.
    #[schemars(length(max = 64))]
    pub action: String,
    /// `tidegate`, or who commanded it.
    #[schemars(length(max = 256))]
    pub actor: String,
    /// The decision in a sentence.
    #[schemars(length(max = 1024))]
    pub text: String,
}

fn count(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int64", "minimum": 0, "nullable": true })
}

impl RolloutStatus {
    /// Stores what is remembered of the Service, and shows what people want to see of it. On error nothing is changed.
    pub fn remember(&mut self, memory: &Memory, leader: &str) -> Result<(), RecordTooLarge> {
        let text = packed::pack(memory)?;
        let rollout = memory.record.rollout.as_ref();
        self.phase = Some(rollout.map_or(Phase::Idle, |status| Phase::from(status.phase)));
        self.canary = rollout.map(|status| status.canary.clone());
        self.share = rollout.map(|status| status.share);
        self.step = rollout.and_then(|status| status.step).map(|step| step as u64 + 1);
        self.started_at = rollout.map(|status| time(status.started));
        let texts = memory.record.tried().filter_map(|status| status.recent.last()).map(|last| last.text.as_str());
        let texts: Vec<&str> = texts.collect();
        self.message = (!texts.is_empty()).then(|| shortened(&texts.join(" "), 4096));
        self.rivals = memory.record.rivals.iter().map(RivalStatus::of).collect();
        self.epoch = Some(memory.record.epochs.current());
        self.stable.clone_from(&memory.stable);
        self.gates.clone_from(&memory.gates);
        self.decisions.clone_from(&memory.decisions);
        self.command = memory.answered.as_ref().map(|Answered { id, refused }| CommandStatus {
            id: shortened(id, limits::COMMAND_ID_BYTES_MAX),
            done: refused.is_none(),
            message: refused.as_ref().map(|why| shortened(why, 1024)),
        });
        self.leader = Some(leader.to_owned());
        self.record = Some(text);
        Ok(())
    }

    /// What is remembered of the Service; `None` where nothing is yet. On error somebody else has written there, or a
    /// controller of another version.
    pub fn remembered(&self) -> Result<Option<Memory>, UnreadableRecord> {
        let memory = self.record.as_deref().map(packed::unpack).transpose()?;
        Ok(memory.map(|memory| Memory { gates: self.gates.clone(), decisions: self.decisions.clone(), ..memory }))
    }
}

impl From<engine::Phase> for Phase {
    fn from(phase: engine::Phase) -> Self {
        match phase {
            engine::Phase::Progressing => Self::Progressing,
            engine::Phase::Paused => Self::Paused,
            engine::Phase::Undecided => Self::Undecided,
            engine::Phase::Standby => Self::Standby,
            engine::Phase::Recreating => Self::Recreating,
            engine::Phase::Promoted => Self::Promoted,
            engine::Phase::Aborted => Self::Aborted,
        }
    }
}

impl Decision {
    /// A decision as the object shows it.
    pub fn of(record: &Record) -> Self {
        let action = match record.action {
            Action::Hold(reason) => format!("hold: {}", word(&reason)),
            action => word(&action),
        };
        Self {
            time: time(record.at),
            rule: word(&record.rule),
            action,
            actor: shortened(&record.actor, 256),
            text: shortened(&record.text, 1024),
        }
    }
}

/// The name of a choice as it is stored.
pub(crate) fn word(choice: &impl Serialize) -> String {
    serde_json::to_value(choice).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// An instant as the API has it; the last one there is for what lies beyond.
fn time(at: Timestamp) -> Time {
    let millis = i64::try_from(at.millis()).unwrap_or(i64::MAX);
    Time(jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX))
}

/// A text of at most so many characters.
pub(crate) fn shortened(text: &str, characters: usize) -> String {
    text.chars().take(characters).collect()
}
