//! How gates stand, as the object shows it. It is remembered there, too: a gate that has succeeded or failed is never asked
//! again for that version, whatever becomes of its Job.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gate::Before;

/// How one gate stands for one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateStatus {
    /// The gate's name.
    #[schemars(length(max = 63))]
    pub name: String,
    /// The version.
    #[schemars(length(max = 253))]
    pub version: String,
    /// What it stands before.
    pub before: Before,
    /// How it stands.
    pub state: GateState,
    /// The name of its Job, in the namespace of the Rollout.
    #[schemars(length(max = 63))]
    pub job: String,
    /// Why it waits, or how it has failed, with the last lines of what its pod wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

/// How a gate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GateState {
    /// Its Job is still to be made.
    Waiting,
    /// Its Job cannot be made.
    Refused,
    /// Its Job runs.
    Running,
    /// Its Job has succeeded.
    Succeeded,
    /// Its Job has failed.
    Failed,
}

impl GateState {
    /// Whether this is how it stays.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }

    /// Whether there is no Job yet.
    pub const fn is_unmade(self) -> bool {
        matches!(self, Self::Waiting | Self::Refused)
    }
}
