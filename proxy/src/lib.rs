//! The data plane.
mod assign;
mod cookie;
mod endpoint;
mod histogram;
mod ledger;
mod registry;
mod route;
mod shard;
mod timer;
