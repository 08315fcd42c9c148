//! The webhook that the API server asks about every pod it is to create: it puts the sidecar in where that is wanted, and
//! the gates that hold a new revision back.
//!
//! It never refuses a pod. Whatever goes wrong here, the pod is created as its owner wrote it; what could not be done is
//! told as warnings of the answer and as [`Notice`]s, of which the caller makes Events.

mod beside;
mod configuration;
mod gate;
mod gateable;
mod record;
mod review;
mod server;
mod valves;

pub(crate) use beside::is_parallel;
pub use beside::{Beside, Workload};
pub use configuration::{NAME, Place, configuration};
pub use gate::{Gate, MIGRATION, PROMOTED, Why, gate};
pub use gateable::is_gateable;
pub use record::{asking, unheld, valves};
pub use review::{Known, Notice, Review, review};
pub use server::{Handled, PATH, handle};
pub use valves::{Gating, Standing, Valve, Valves};
