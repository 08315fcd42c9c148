//! Why a rollout that goes on by itself does not go on right now.

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// The reason a share stays where it is. Absence of evidence is a reason of its own: it neither passes nor fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Hold {
    /// At 0%: stable's latency is not known well enough to compare with.
    Baseline,
    /// Not every proxy serves the wanted share yet.
    NotInForce,
    /// The proxies cannot be read.
    Outage,
    /// Visitors do not reach the versions in the designed ratio.
    RatioMismatch,
    /// The canary looks worse, not yet conclusively.
    Suspicion,
    /// The canary seems to lose conversions.
    Harm,
    /// A number is not one; nothing may be concluded.
    Undefined,
    /// No endpoint of the canary can be reached: nor can one of stable, or somebody is on the way.
    NoEndpoint,
    /// The step's least time is not over.
    Soak,
    /// It is not shown yet that the next share would do no more than the allowed harm.
    Evidence,
    /// It is not shown yet that the goal is reached.
    Goal,
    /// Another one of several versions may still turn out to be the best.
    Rivals,
    /// Work that must succeed first is not done.
    Gate,
    /// The step waits for `promote`.
    Approval,
    /// Blue/green: the new version can be previewed and waits for the switch.
    Preview,
}

/// A reason and since when it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The reason.
    pub reason: Hold,
    /// Since when.
    pub since: Timestamp,
}
