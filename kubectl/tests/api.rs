//! The plugin as a process, before an API server in this one that answers the few paths that it asks for. What a real one says
//! is checked by `tests/cluster/kubectl`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "api/commands.rs"]
mod commands;
#[path = "api/objects.rs"]
mod objects;
#[path = "api/refusals.rs"]
mod refusals;
#[path = "api/reports.rs"]
mod reports;
#[path = "api/server.rs"]
mod server;
