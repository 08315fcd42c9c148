//! What the command lines have in common, `tidegate` and `kubectl tidegate`: a report looks the same in both, and a script
//! reads the same exit codes.

mod exit;
pub mod output;
pub mod text;

pub use exit::{EXIT_CODES, Exit};
