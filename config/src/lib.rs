//! PURE. What a user may write and what it means.
//!
//! [`Config::parse`] is the only door in: it returns a configuration that fits together, or every problem it found,
//! each with its path. [`Publication`] is what a proxy is told: that configuration with the shares in force. The policy
//! part ([`policy::Policy`]) is the same in the file, in a `Rollout` object and in annotations.
//!
//! No clock, no I/O, no randomness, no async.

mod address;
pub mod annotations;
mod cluster;
mod config;
mod document;
mod fields;
mod identity;
pub mod latency;
pub mod limits;
mod listener;
mod name;
pub mod policy;
mod problem;
mod publication;
mod restart;
mod route;
#[cfg(feature = "schema")]
pub mod schema;
mod service;
mod share;
mod span;
mod text;
mod timeouts;
mod tls;
mod visitor;
pub mod wire;

pub use address::Address;
pub use cluster::{Capacity, ClusterOptions, Label, LabelKey, OnFailure};
pub use config::{AccessLog, Config};
pub use identity::RolloutId;
pub use limits::Limits;
pub use listener::{Admin, Listener};
pub use name::Name;
pub use problem::{Malformed, Problem, Problems};
pub use publication::{Arm, Key, Publication, Split};
pub use restart::NeedsRestart;
pub use route::{Host, Path, PathMatch, Route};
pub use service::{Refuse, Service, Version, check_park};
pub use share::Share;
pub use span::Span;
pub use timeouts::Timeouts;
pub use tls::{Certificate, PrivateKey, ReadFile, Tls};
pub use visitor::{HeaderName, Identity, Visitor};
