//! The data plane from outside: real clients, real versions, a real proxy, all on loopback.

#[path = "../harness/harness.rs"]
mod harness;

mod bad_responses;
mod bodies;
mod forwarding;
mod hop_by_hop;
mod http2;
mod limits;
mod malformed;
mod reuse;
mod routing;
mod timeouts;
