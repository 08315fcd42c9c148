//! The proxy alone: a controller elsewhere tells it everything, or a file once.

mod leave;
mod options;
mod process;
mod signals;

use std::error::Error;
use std::process::ExitCode;

use options::Command;

/// Requests are served from many small allocations of known sizes, which this allocator does at a third of the cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let done: Result<(), Box<dyn Error>> = match Command::read() {
        Command::Serve(options) => process::run(*options).map_err(Into::into),
        Command::Leave(options) => leave::leave(&options).map_err(Into::into),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut message = error.to_string();
            let mut cause = error.source();
            while let Some(inner) = cause {
                let inner_text = inner.to_string();
                if !message.contains(&inner_text) {
                    message = format!("{message}: {inner_text}");
                }
                cause = inner.source();
            }
            eprintln!("tidegate: {message}");
            ExitCode::FAILURE
        }
    }
}
