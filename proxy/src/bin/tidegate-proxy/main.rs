//! The proxy alone: a controller elsewhere tells it everything, or a file once.

mod options;
mod process;
mod signals;

use std::error::Error;
use std::process::ExitCode;

/// Requests are served from many small allocations of known sizes, which this allocator does at a third of the cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match process::run(options::Options::read()) {
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
