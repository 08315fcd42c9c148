//! The program `tidegate-proxy` as it is run: its options, its files, its signals.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "program/beside.rs"]
mod beside;
#[path = "program/command_line.rs"]
mod command_line;
#[path = "program/life.rs"]
mod life;
#[path = "program/running.rs"]
mod running;
