//! What operators are shown: the same value for the command line, the demo and `-o json`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tidegate_config::{Arm, Name};

use crate::engine::{Report, Timestamp};
pub use crate::proxies::ProxyView;
use crate::service_record::{Finished, Logged};

/// The whole instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    /// When this was said.
    pub at: Timestamp,
    /// The last generation published.
    pub generation: u64,
    /// The least generation in force over all proxies; absent while one of them has not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_force: Option<u64>,
    /// The configuration file.
    pub config: ConfigState,
    /// The proxies.
    pub proxies: Vec<ProxyView>,
    /// Why state cannot be written at present. Nothing moves meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_error: Option<String>,
    /// The services.
    pub services: Vec<ServiceView>,
}

/// The configuration file: what was seen of it, and what of that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigState {
    /// The file that is followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Versions of it that were read since the start. Those that follow each other within milliseconds are read as one.
    pub seen: u64,
    /// Generations published since the start, for whatever reason.
    pub generations: u64,
    /// Every problem of the version in the file now; empty while that is in force. The last good one stays in force.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Settings of the file in force that differ from what the process was started with and are read at start only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs_restart: Vec<String>,
    /// Since when the file has not been usable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceView {
    /// Its name.
    pub service: Name,
    /// The stable version.
    pub stable: Name,
    /// The version being tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Name>,
    /// The epoch published.
    pub epoch: u64,
    /// The shares published.
    pub arms: Vec<Arm>,
    /// The rollout under way, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Report>,
    /// The other versions that the same rollout tries, or the last one did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rivals: Vec<Report>,
    /// The last rollout that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Finished>,
    /// Where the file and reality differ, and what to write.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Why a service is where it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The service.
    pub service: Name,
    /// Its rollout in words; absent where there never was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// Every decision that is kept, oldest first.
    pub decisions: Vec<ExplainedDecision>,
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedDecision {
    /// In words.
    pub words: String,
    /// As it was recorded.
    #[serde(flatten)]
    pub logged: Logged,
}
