//! The control plane.

pub mod engine;
pub mod evidence;
pub mod exposition;
pub mod ledger;
mod limits;
pub mod scrape;
pub mod watch;
