//! PURE. The `Rollout` object: how the versions of one Service are rolled out, and how far that has come. Its status is all
//! that is remembered of the Service.
//!
//! The fields of its `spec` are, word for word, those of a service in the file and of annotations. The API server checks
//! what a schema and CEL can say; [`RolloutSpec::check`] checks the rest.

pub mod conditions;
mod gate;
mod gate_status;
mod memory;
mod packed;
mod spec;
mod status;

pub use gate::{Before, GATE_LABEL, Gate, GateJob, JobFault, VERSION_LABEL};
pub use gate_status::{GateState, GateStatus};
pub use memory::{Answered, GivenWay, Memory, Size};
pub use packed::{RecordTooLarge, UnreadableRecord};
pub use spec::{Rollout, RolloutSpec};
pub use status::{CommandStatus, Decision, Phase, RolloutStatus};
pub(crate) use status::{shortened, word};
