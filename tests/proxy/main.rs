//! The data plane from outside: real clients, real versions, a real proxy, all on loopback.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "../harness/harness.rs"]
mod harness;

mod assignment;
mod bad_responses;
mod bodies;
mod cookies;
mod drain;
mod endpoints;
mod evidence;
mod fallback;
mod forwarding;
mod hop_by_hop;
mod http2;
mod limits;
mod listeners;
mod malformed;
mod parking;
mod refused;
mod resting;
mod reuse;
mod routing;
mod several;
mod shared_address;
mod swaps;
mod timeouts;
mod tls;
mod tls_connections;
mod trip;
mod upgrades;
