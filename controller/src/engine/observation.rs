//! Everything a decision sees: what the proxies counted, which generation they serve, what somebody commanded.

use serde::{Deserialize, Serialize};
use tidegate_config::{Name, Share};

use super::command::Command;
use super::gates::Gates;
use crate::evidence::exposure::Exposure;

/// What is known at one look.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// The counters of the proxies, if they were read for this look.
    pub scrapes: Scrapes,
    /// The least generation in force over all proxies; `None` while one of them has not told.
    pub in_force: Option<u64>,
    /// What somebody asks for; at most one command a look.
    pub command: Option<Command>,
    /// The epochs of this service whose shares are known, in the order they were issued.
    pub epochs: Vec<EpochShares>,
    /// The endpoints of the two versions.
    pub endpoints: Endpoints,
    /// Whether a proxy has taken the canary out of service by itself.
    #[serde(default)]
    pub tripped: bool,
    /// How the work stands that must succeed first.
    #[serde(default, skip_serializing_if = "Gates::is_nothing")]
    pub gates: Gates,
}

/// Whether the counters were read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scrapes {
    /// By every proxy that answered. A proxy that is missing is caught up with at its next scrape.
    Seen(Vec<InstanceScrape>),
    /// They should have been, but no proxy answered: the reason.
    Outage(String),
    /// Not for this look, which has another cause (a command, an acknowledgement).
    #[default]
    Skipped,
}

/// The counters of one proxy process, read in one snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceScrape {
    /// Which proxy, for example its address.
    pub instance: String,
    /// When its process started, in seconds since the Unix epoch. Another value means other counters.
    pub started: f64,
    /// The rows of this service.
    pub counters: ServiceCounters,
}

/// The counters of one service in one process: a row per version and epoch. What is missing has counted nothing yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceCounters {
    /// In any order; at most one row for a version and epoch.
    pub rows: Vec<ArmRow>,
}

/// One version in one epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArmRow {
    /// The version.
    pub version: Name,
    /// The epoch the events are labelled with.
    pub epoch: u64,
    /// What was counted since the process started.
    pub counters: ArmCounters,
}

/// What one process counted for one version in one epoch. Values only grow while the process lives.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArmCounters {
    /// Requests.
    pub requests: u64,
    /// Requests that failed, of any cause.
    pub failures: u64,
    /// Visitors first seen by this rollout.
    pub visitors: u64,
    /// Those of them who were not known before it: the ones whose conversion counts.
    pub newcomers: u64,
    /// Visitors who met this version for the first time.
    pub exposed: u64,
    /// Visitors whose first failure in this rollout this was.
    pub failed: u64,
    /// First conversions of visitors first seen in this epoch, by the epoch they converted in.
    pub converted: Vec<(u64, u64)>,
    /// New visitors first seen in this epoch whose window closed after a conversion.
    pub closed_converted: u64,
    /// Those whose window closed without one.
    pub closed_unconverted: u64,
    /// First requests of visitors by latency bucket, not cumulative; the last bucket has no upper edge.
    pub first_latency: Vec<u64>,
}

/// The shares of the two versions in one epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochShares {
    /// The epoch.
    pub epoch: u64,
    /// The canary's own share.
    pub canary: Share,
    /// Stable's own share; with further versions in the split the two do not add up to 100%.
    pub stable: Share,
}

impl EpochShares {
    /// The shares as fractions.
    pub(crate) fn exposure(self) -> Exposure {
        Exposure { canary: self.canary.fraction(), stable: self.stable.fraction() }
    }
}

/// Endpoints by version, summed over nothing: every proxy sees the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoints {
    /// The canary's endpoints that can be connected to.
    pub canary_reachable: u32,
    /// All of the canary's; 0 where nothing is known.
    pub canary_total: u32,
    /// Stable's endpoints that can be connected to.
    pub stable_reachable: u32,
    /// All of stable's; 0 where nothing is known.
    pub stable_total: u32,
}

impl Endpoints {
    /// The canary has endpoints, and none of them can be connected to.
    pub fn canary_down(self) -> bool {
        self.canary_total > 0 && self.canary_reachable == 0
    }

    /// The canary is down while stable is not: its own fault, whatever the counters say.
    pub fn only_canary_down(self) -> bool {
        self.canary_down() && self.stable_reachable > 0
    }
}
