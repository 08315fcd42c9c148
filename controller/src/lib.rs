//! The control plane.

pub mod clock;
pub mod counters;
pub mod engine;
pub mod evidence;
pub mod exposition;
pub mod ledger;
mod limits;
pub mod scrape;
pub mod traffic;
pub mod watch;
