//! What becomes of rollouts in a real cluster while its parts die, freeze and go away. Each trial drives applications through
//! one release after another, with visitors all the time, and ends with what it saw; exit code 1 where that is not what
//! would have been seen without.

mod application;
mod chronicle;
mod cluster;
mod crowd;
mod disturb;
mod mutate;
mod objects;
mod outcome;
mod scale;
mod shares;
mod split;
mod stage;
mod way;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tidegate_controller::clock::Clock;
use tokio::task::LocalSet;

/// What goes wrong in a trial itself, in words.
type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Trials of rollouts in the running cluster.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    trial: Trial,
}

#[derive(Debug, Subcommand)]
enum Trial {
    /// Replicas of the controller are killed and frozen, the API server goes away.
    Disturb(disturb::Disturb),
    /// Objects that are not as they should be.
    Objects(objects::Malformed),
    /// A large cluster of objects that nobody runs: started by tests/cluster/scale.
    Scale(scale::Scale),
    /// How long a change of shares takes to every proxy.
    Shares(shares::Shares),
}

impl Trial {
    /// Runs it; says whether all was as it should be.
    async fn run(self) -> Result<bool, Fault> {
        match self {
            Self::Disturb(disturb) => disturb.run().await,
            Self::Objects(malformed) => malformed.run().await,
            Self::Scale(scale) => scale.run().await,
            Self::Shares(shares) => shares.run().await,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let trial = Arguments::parse().trial;
    match LocalSet::new().run_until(trial.run()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            let _ = writeln!(std::io::stderr(), "trials: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// Tells people what is going on, and when.
fn say(text: impl std::fmt::Display) {
    let (now, text) = (Clock::System.now().millis() / 1_000, text.to_string());
    let (hours, minutes, seconds) = (now / 3_600 % 24, now / 60 % 60, now % 60);
    let _ = writeln!(std::io::stdout(), "{hours:02}:{minutes:02}:{seconds:02} {text}");
}
