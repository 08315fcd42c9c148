//! What one may ask of the comparison on its command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use serde::Serialize;

use super::peer::Peer;

/// Runs nginx, HAProxy, Envoy and Tidegate side by side and prints what a request costs in each.
///
/// Every proxy runs alone on core 0 with one worker; the load generator and the backends share core 1.
#[derive(Debug, Parser)]
#[command(name = "load", bin_name = "cargo bench --bench load --")]
pub(crate) struct Options {
    /// How long each cell (one proxy in one scenario, once) is measured.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) seconds: u32,

    /// How often every cell is measured; the proxies take turns, and medians are printed.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,

    /// The proxies to run [default: every one that is installed].
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) only: Vec<Peer>,

    /// The generator's connections to the proxy.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) connections: u32,

    /// What the generator speaks to the proxy; the backends always speak HTTP/1.1.
    #[arg(long, default_value_t, value_enum)]
    pub(crate) protocol: Protocol,

    /// Requests in flight on each connection, with HTTP/2.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) streams: u32,

    /// How the report is printed.
    #[arg(short, long, value_name = "FORMAT", default_value_t, value_enum)]
    pub(crate) output: Output,

    /// The nginx to run instead of the one on PATH.
    #[arg(long, value_name = "PATH")]
    pub(crate) nginx: Option<PathBuf>,

    /// The HAProxy to run instead of the one on PATH.
    #[arg(long, value_name = "PATH")]
    pub(crate) haproxy: Option<PathBuf>,

    /// The Envoy to run instead of the one on PATH.
    #[arg(long, value_name = "PATH")]
    pub(crate) envoy: Option<PathBuf>,

    /// The Tidegate to run instead of the one cargo has just built.
    #[arg(long, value_name = "PATH")]
    pub(crate) tidegate: Option<PathBuf>,

    /// What `cargo bench` adds to say that this is no test run.
    #[arg(long, hide = true)]
    pub(crate) bench: bool,

    #[command(subcommand)]
    pub(crate) part: Option<Part>,
}

/// The parts of the comparison that run as processes of their own.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Part {
    /// Serve the two versions behind the proxies.
    #[command(hide = true)]
    Backend,
}

/// What the generator speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Protocol {
    /// HTTP/1.1 with keep-alive.
    #[default]
    H1,
    /// HTTP/2 in clear text, with prior knowledge.
    H2,
}

impl Protocol {
    /// Its name for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::H1 => "HTTP/1.1 keep-alive",
            Self::H2 => "HTTP/2",
        }
    }
}

/// How the report is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// A table for people.
    #[default]
    Table,
    /// Every cell and every row, for programs.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_in_the_readme_is_understood() {
        let readme = include_str!("README.md");
        let commands: Vec<_> =
            readme.lines().filter_map(|line| line.strip_prefix("cargo bench --bench load")).collect();
        assert_eq!(commands.len(), 5);
        for command in commands {
            let words = command.split_whitespace().filter(|word| *word != "--");
            match Options::try_parse_from(["load"].into_iter().chain(words)) {
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), clap::error::ErrorKind::DisplayHelp, "{command}"),
            }
        }
    }
}
