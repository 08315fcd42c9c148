//! Real proxies on the real server, over real sockets: what they are told, and what they make of it when things go wrong.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "distribution/changes.rs"]
mod changes;
#[path = "distribution/latency.rs"]
mod latency;
#[path = "distribution/proxy.rs"]
mod proxy;
#[path = "distribution/requests.rs"]
mod requests;
#[path = "distribution/restarts.rs"]
mod restarts;
#[path = "distribution/site.rs"]
mod site;
#[path = "distribution/trust.rs"]
mod trust;
