//! The command line.

mod demo;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "tidegate", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::DemoOptions),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Cli { command: Command::Demo(options) } = Cli::parse();
    match demo::run(options).await {
        Ok(outcome) => outcome.exit_code().into(),
        Err(error) => {
            eprintln!("tidegate: {}", in_words(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes on one line.
fn in_words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
