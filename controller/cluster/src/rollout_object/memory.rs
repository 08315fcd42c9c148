//! What is remembered of a Service between two looks, by whoever leads.

use serde::{Deserialize, Serialize};
use tidegate_config::{Name, RolloutId};
use tidegate_controller::engine::Timestamp;
use tidegate_controller::ledger::Ledger;
use tidegate_controller::service_record::ServiceRecord;

use super::gate_status::GateStatus;
use super::status::Decision;

/// What is remembered. The last decisions and the gates are stored where people see them, all else as one text.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Memory {
    /// The stable version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<Name>,
    /// Versions that were stable before, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted: Vec<Name>,
    /// The rollouts and their evidence.
    pub record: ServiceRecord,
    /// The last command, and what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Answered>,
    /// The version that became stable by an ordinary update, which nobody judged, the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordinary: Option<Name>,
    /// The rollout after which its Deployment was set back, or had been already: that is done once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<RolloutId>,
    /// The rollout after which the workload of the version that was replaced was scaled down: that is done once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaled_down: Option<RolloutId>,
    /// The stable version whose workloads gave way to the one that is tried, until it is back, or another is promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_way: Option<GivenWay>,
    /// The gates of the version that is tried, and of the one before.
    #[serde(skip)]
    pub gates: Vec<GateStatus>,
    /// The last decisions, the newest last.
    #[serde(skip)]
    pub decisions: Vec<Decision>,
}

/// A stable version without pods (`strategy: recreate`): nothing in the cluster says any more that it was there, nor how many
/// pods it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GivenWay {
    /// The version.
    pub version: Name,
    /// What was deployed under that name: what its workloads made pods from.
    pub revision: String,
    /// When its workload was made, in seconds since the Unix epoch.
    pub made: i64,
    /// Its workloads.
    pub workloads: Vec<Size>,
}

/// A workload in the namespace of its Rollout, and how many pods it had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Size {
    /// `Deployment` or `StatefulSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its replicas.
    pub replicas: i32,
}

/// A command that was carried out, or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answered {
    /// Tells it from others.
    pub id: String,
    /// Why it was refused; absent where it was carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl Memory {
    /// A memory of nothing, whose epochs come after all that a forgotten one may have issued.
    pub fn new(now: Timestamp) -> Self {
        let record = ServiceRecord { epochs: Ledger::after(now.millis()), ..ServiceRecord::default() };
        Self { record, ..Self::default() }
    }
}
