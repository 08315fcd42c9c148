//! The control plane.

pub mod exposition;
pub mod ledger;
mod limits;
pub mod scrape;
pub mod watch;
