//! What is wrong with a rollout object, so that the last good one stays in force, or none.

use crate::world::Key;

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its fields, or the annotations that it is made of.
    #[error("{0}")]
    Invalid(String),
    /// The Service is not there, or has no such port.
    #[error("{0}")]
    Service(String),
    /// Another object has the same Service or workload.
    #[error(
        "Rollout {0} has the same workload already; one of them can have it: an object before annotations, then the older one"
    )]
    Conflicted(Key),
    /// What is remembered in it cannot be read.
    #[error(
        "status.record cannot be read ({0}); allowed: what a controller of this version wrote. It is left as it is"
    )]
    Record(String),
}

impl Fault {
    /// The reason for machines, in one word.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "Invalid",
            Self::Service(_) => "ServiceNotFound",
            Self::Conflicted(_) => "Conflicted",
            Self::Record(_) => "RecordUnreadable",
        }
    }
}
