//! An application whose versions behave as told, and the visitors it gets. Both are one static program, so that one image
//! serves every test: pods run `shop serve`, a test runs `shop visit` beside them.

mod serve;
mod tally;
mod visit;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An application for tests, and its visitors.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves visitors as one version.
    Serve(serve::Serve),
    /// Visits an application, and tells each second what was seen.
    Visit(visit::Visit),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let ended = match Arguments::parse().command {
        Command::Serve(serve) => serve::run(serve).await,
        Command::Visit(visit) => visit::run(visit).await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "shop: {error}");
            ExitCode::FAILURE
        }
    }
}
