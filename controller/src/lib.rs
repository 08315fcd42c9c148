//! The control plane.

pub mod client;
pub mod clock;
pub mod control;
pub mod counters;
pub mod crash;
pub mod engine;
pub mod evidence;
pub mod exposition;
pub mod ledger;
mod limits;
pub mod proxies;
pub mod publish;
pub mod reconcile;
pub mod scrape;
pub mod service_record;
pub mod store;
pub mod traffic;
pub mod view;
pub mod watch;
