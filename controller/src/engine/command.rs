//! What people may ask of a rollout, and when it does not apply.

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tidegate_config::Name;
use tidegate_config::policy::Strategy;

use super::status::{Phase, Status};

/// A wish and who has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// What is wished.
    pub verb: Verb,
    /// Who wishes it, for the record.
    pub actor: String,
    /// Which of several versions that are tried; absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Name>,
}

impl Command {
    /// A wish for all that a rollout tries.
    pub const fn new(verb: Verb, actor: String) -> Self {
        Self { verb, actor, version: None }
    }
}

/// The commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verb {
    /// On to the next step now, or over to the new version; with `full` to 100% at once.
    Promote {
        /// Skip all steps.
        full: bool,
    },
    /// Back to stable now.
    Abort,
    /// Hold the share where it is. The canary stays guarded.
    Pause,
    /// Go on by itself.
    Resume,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Promote { full: false } => "promote",
            Self::Promote { full: true } => "promote --full",
            Self::Abort => "abort",
            Self::Pause => "pause",
            Self::Resume => "resume",
        })
    }
}

/// Why a command changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("cannot {verb}: {wrong}; possible: {possible}")]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The command.
    pub verb: Verb,
    /// What is wrong with it now.
    pub wrong: String,
    /// What is possible instead.
    pub possible: String,
}

impl Status {
    /// Whether a command applies now. [`decide`](super::decide) asks the same.
    pub fn admits(&self, verb: Verb) -> Result<(), Refusal> {
        let refuse =
            |wrong: &str, possible: &str| Err(Refusal { verb, wrong: wrong.to_owned(), possible: possible.to_owned() });
        match (self.phase, verb) {
            (Phase::Promoted, _) => refuse("the rollout is over, the canary was promoted", "a new rollout"),
            (Phase::Aborted, _) => refuse("the rollout is over, it was aborted", "a new rollout"),
            (Phase::Progressing, Verb::Resume) => refuse("it is not paused", "promote, pause or abort"),
            (Phase::Paused, Verb::Pause) => refuse("it is paused already", "resume, promote or abort"),
            (Phase::Undecided, Verb::Pause | Verb::Resume) => {
                refuse("its deadline has passed and it waits for a decision", "promote or abort")
            }
            (Phase::Recreating, Verb::Pause | Verb::Resume) => refuse(
                "the old version is going already",
                "abort to return, or promote to end the wait for the new one",
            ),
            (Phase::Standby, Verb::Pause | Verb::Resume) => {
                refuse("all visitors are on the new version already", "promote to end the standby, or abort to return")
            }
            (Phase::Progressing | Phase::Paused | Phase::Undecided, Verb::Promote { full }) => match self.gate(full) {
                Some(gate) => refuse(&format!("{gate} must succeed first"), "to wait for it, or abort"),
                None => Ok(()),
            },
            (Phase::Progressing | Phase::Paused | Phase::Undecided | Phase::Standby | Phase::Recreating, _) => Ok(()),
        }
    }

    /// Whether versions are compared side by side, rather than one after the other.
    pub(crate) fn compares(&self) -> bool {
        self.policy.strategy == Strategy::Canary
    }
}
