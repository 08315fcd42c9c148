//! Work that must succeed before a rollout goes on: a migration, a scan. Whoever looks has it done; the engine waits for it.

use serde::{Deserialize, Serialize};

use super::status::Status;

/// How the work of a rollout stands, each by its name for people. Nothing: no work, or all of it is done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Gates {
    /// What the canary's first visitor waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traffic: Option<String>,
    /// What the step to all visitors waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promotion: Option<String>,
    /// What has failed, and how.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

impl Gates {
    /// Whether there is nothing to wait for.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Status {
    /// Whether the next step is the one to all visitors.
    pub fn is_before_all(&self) -> bool {
        self.next_step().is_none_or(|(next, _)| self.is_last(next))
    }

    /// The work that the next step waits for; with `full` the step to all visitors.
    pub(crate) fn gate(&self, full: bool) -> Option<&str> {
        let to_all = full || self.is_before_all();
        let first = self.gates.traffic.as_deref().filter(|_| self.step.is_none());
        first.or(self.gates.promotion.as_deref().filter(|_| to_all))
    }
}
