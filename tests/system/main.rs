//! The program as its users run it: a real process with a file and a state directory, real versions behind it, real
//! visitors in front of it, and the commands that operators type. What no library test can see is tested here: kills,
//! reloads, signals, exit codes, permissions.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod backend;
mod clock;
mod crowd;
mod process;
mod site;
mod visitor;

mod bad_canary;
mod blue_green;
mod certificates;
mod commands;
mod crashes;
mod descriptors;
mod permissions;
mod promotion;
mod recreate;
mod reload;
mod several;
mod signals;
