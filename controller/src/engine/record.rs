//! The log of decisions: what was done, by which rule, on which numbers.

use serde::{Deserialize, Serialize};
use tidegate_config::{Name, Share};

use super::hold::Hold;
use super::status::Phase;
use super::time::Timestamp;

/// The actor of decisions that nobody commanded.
pub const OWN_ACTOR: &str = "tidegate";

/// One decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Counts the records of a rollout from 1.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
    /// `tidegate`, or who commanded it.
    pub actor: String,
    /// Which rule applied.
    pub rule: Rule,
    /// What was done.
    pub action: Action,
    /// The canary's share before.
    pub from: Share,
    /// And after.
    pub to: Share,
    /// The newest epoch at that time.
    pub epoch: Option<u64>,
    /// Which of several versions that are tried; absent where it is the only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Name>,
    /// The phase after the decision.
    pub phase: Phase,
    /// What each signal said.
    pub inputs: Vec<Reading>,
    /// `M`, the evidence of all signals against the canary; 1 before there is any. Clamped to what an `f64` holds.
    pub statistic: f64,
    /// What the rule compares with: `M`, or for an advance the least assurance, must reach this.
    pub bound: Option<f64>,
    /// Version of the grids that the evidence was won on.
    pub grids_version: u32,
    /// The decision in a sentence.
    pub text: String,
}

/// The rules, in the order in which they are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rule {
    /// Somebody commanded it.
    Command,
    /// The rollout was started.
    Start,
    /// The canary has endpoints but none that can be connected to, while stable has one.
    HardFact,
    /// A proxy saw so many failures of the canary alone that it did not wait: its visitors see stable already.
    Tripped,
    /// Work that must succeed first has failed.
    Gate,
    /// `M` reached the bound set by `falseAbort`.
    Regression,
    /// Another one of several versions was promoted.
    Outdone,
    /// Another one of several versions converts better.
    Beaten,
    /// A reason to hold.
    Hold,
    /// At 0%: there is enough to compare with.
    Baseline,
    /// Every guardrail is assured for the next share (and at the last step the goal is reached).
    Assurance,
    /// Pace `time`: the soak is over and nothing speaks against going on.
    Soak,
    /// The deadline passed.
    Deadline,
    /// Blue/green: `switchAfter` passed.
    SwitchAfter,
    /// Blue/green: `standby` passed.
    Standby,
    /// Recreate: nothing must be done any more before the old version goes.
    Recreate,
    /// Recreate: the new version can be reached.
    Reached,
    /// Recreate: it could not be within `startWithin`.
    StartWithin,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Began at 0%.
    Start,
    /// On to the next share.
    Advance,
    /// All visitors to the new version; of blue/green the old one stays hot, of recreate it goes.
    Switch,
    /// The canary becomes the version of all visitors.
    Promote,
    /// All visitors back to stable.
    Abort,
    /// Holds on command.
    Pause,
    /// Goes on by itself again.
    Resume,
    /// Holds for a reason.
    Hold(Hold),
    /// The deadline passed without a decision.
    Undecided,
}

/// What one signal said at a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reading {
    /// The signal.
    pub signal: Signal,
    /// The canary's units and events that were judged.
    pub canary: Counts,
    /// Stable's.
    pub stable: Counts,
    /// Evidence that the canary is worse (or that the split is broken): natural logarithm.
    pub log_regression: f64,
    /// Evidence that the next share is harmless (of a conversion: that the goal is reached): natural logarithm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_assurance: Option<f64>,
}

/// Units and those of them with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Visitors, or first requests.
    pub units: u64,
    /// Failures, slow requests or conversions among them.
    pub events: u64,
}

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Signal {
    /// Visitors who met a failure.
    Errors,
    /// First requests slower than stable's quantile and margin, at the quantile that speaks loudest.
    Latency,
    /// Visitors who converted.
    Conversion,
    /// The split of new visitors itself.
    Split,
}
