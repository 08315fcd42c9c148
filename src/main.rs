//! The command line of Tidegate: `run`, `demo`, `check`, `inject`, and what an operator asks of a running instance.

mod cli;

use std::process::ExitCode;

use clap::Parser;

/// Requests are served from many small allocations of known sizes, which this allocator does at a third of the cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(exit) => exit.into(),
        Err(error) => {
            tidegate::output::complain(&*error);
            tidegate::Exit::Error.into()
        }
    }
}
