//! The shell around the engine: a real store, a real socket, a real file, and a proxy that counts what it is told to.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "shell/commands.rs"]
mod commands;
#[path = "shell/crashes.rs"]
mod crashes;
#[path = "shell/files.rs"]
mod files;
#[path = "shell/proxy.rs"]
mod proxy;
#[path = "shell/rollouts.rs"]
mod rollouts;
#[path = "shell/setting.rs"]
mod setting;
