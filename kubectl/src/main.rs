//! `kubectl tidegate`: the rollouts of a cluster, for the people who watch and steer them, with their own credentials.
//!
//! Reports are made of what the object holds, by the code that makes them without a cluster: [`seen`], [`row`]. A command is
//! a wish that is written into the object, and the answer is waited for: [`steer`], [`answer`]. What is asked of the API
//! server is in [`cluster`] and [`watch`], what can go wrong in [`failure`].

mod answer;
mod cli;
mod cluster;
mod coming;
mod connect;
mod failure;
mod gates;
mod list;
mod progress;
mod report;
mod row;
mod seen;
mod steer;
mod table;
mod wanted;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use tidegate_terminal::{Exit, output};
use tokio::runtime::Builder;

/// The error of a command, shown with its causes.
type CommandError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(CommandError::from).and_then(|runtime| runtime.block_on(cli.run()));
    match done {
        Ok(exit) => exit.into(),
        Err(error) => {
            output::complain(&*error);
            Exit::Error.into()
        }
    }
}
