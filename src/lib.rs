//! Tidegate in one process, without a cluster: the proxy and the controller side by side, and the commands around them.
//!
//! | module | what it does |
//! |---|---|
//! | [`instance`] | one running instance: proxy workers, controller, the operator's socket, metrics |
//! | [`run`] | `tidegate run`: an instance for a file, until a signal |
//! | [`demo`] | `tidegate demo`: a rollout to watch, on one machine |
//! | [`check`] | `tidegate check`: what is wrong with a file |
//! | [`inject`] | `tidegate inject`: the sidecar put into manifests |
//! | [`operate`] | `status`, `explain`, `promote`, `abort`, `pause`, `resume` of a running instance |
//! | [`output`] | text, JSON or YAML; colour only on a terminal (`tidegate-terminal`) |

pub mod check;
pub mod demo;
pub mod inject;
pub mod instance;
pub mod operate;
pub mod run;

pub use tidegate_terminal::{Exit, output};

/// The error of a command: whatever its module says, shown with its causes.
pub type CommandError = Box<dyn std::error::Error + Send + Sync>;
