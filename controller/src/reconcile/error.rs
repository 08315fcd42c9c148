//! Why something was not done.

use tidegate_config::Name;

use crate::crash::Crashed;
use crate::engine::Refusal;
use crate::store::StoreError;

/// Why a turn came to nothing. What was in force stays in force, and the next turn tries again.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// State could not be written.
    #[error("state cannot be written")]
    Store(#[from] StoreError),
    /// A test stopped the controller.
    #[error(transparent)]
    Crashed(#[from] Crashed),
}

/// Why a request of an operator was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// No such service.
    #[error("there is no service \"{service}\"")]
    UnknownService {
        /// What was asked for.
        service: String,
        /// The services there are.
        known: Vec<Name>,
    },
    /// The service has never had a rollout.
    #[error("{service} has no rollout")]
    NoRollout {
        /// The service.
        service: Name,
    },
    /// It does not apply now.
    #[error(transparent)]
    Refused(Refusal),
    /// It could not be stored, and so was not done.
    #[error(transparent)]
    Failed(#[from] ReconcileError),
    /// The controller is busy or has stopped.
    #[error("the controller does not answer")]
    Busy,
}
