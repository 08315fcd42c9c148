//! `cargo bench --bench load`: what a request costs in nginx, HAProxy, Envoy and Tidegate, side by side.
//!
//! Each proxy runs alone on core 0 with one worker; the generator and the backends share core 1.
#![expect(clippy::print_stdout, reason = "the report is what this program is for")]
#![cfg_attr(
    test,
    allow(
        dead_code,
        unused_imports,
        reason = "a benchmark without harness runs no tests, and `tests/load_report.rs` runs nothing else"
    )
)]

mod backend;
mod cell;
mod generator;
mod machine;
mod options;
mod peer;
mod probe;
mod process;
mod report;
mod scenario;
mod summary;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use backend::Backend;
use cell::{Bench, Cell};
use generator::Generator;
use options::{Options, Output, Part};
use peer::{Installed, Peer};
use report::{Failed, Report};
use scenario::Scenario;

type Failure = Box<dyn std::error::Error>;
type Result<T> = std::result::Result<T, Failure>;

fn main() -> ExitCode {
    if std::env::args_os().len() == 1 {
        // `cargo test --all-targets` starts every benchmark without arguments, and this one takes minutes.
        println!("nothing measured; run it with `cargo bench --bench load`");
        return ExitCode::SUCCESS;
    }
    match start(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs to the end or to the first signal; either way every child is gone afterwards.
fn start(options: &Options) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        if let Some(Part::Backend) = options.part {
            return backend::serve().await.map(|()| true);
        }
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        tokio::select! {
            outcome = compare(options) => outcome,
            _ = interrupt.recv() => Err("interrupted".into()),
            _ = terminate.recv() => Err("terminated".into()),
            _ = hang_up.recv() => Err("the terminal is gone".into()),
        }
    })
}

/// Measures everything and prints the report. False if a cell failed.
async fn compare(options: &Options) -> Result<bool> {
    process::ensure_pinnable()?;
    let generator = Generator::find(options).await?;
    let proxies = installed(options).await?;
    let backend = Backend::start().await?;
    let scratch = Scratch::new()?;
    let bench = Bench { options, generator, versions: backend.versions, directory: &scratch.0 };
    let (cells, failed) = measure(&bench, &proxies).await;
    let report = Report { options, generator, proxies: &proxies, cells: &cells, failed: &failed };
    match options.output {
        Output::Table => print!("{}", report.table()?),
        Output::Json => println!("{}", report.json()?),
    }
    Ok(failed.is_empty())
}

/// The proxies to run. One that was asked for by name must be there.
async fn installed(options: &Options) -> Result<Vec<Installed>> {
    let all = Peer::value_variants();
    let mut found = Vec::new();
    for peer in all.iter().filter(|peer| options.only.is_empty() || options.only.contains(peer)) {
        match Installed::find(*peer, options).await {
            Ok(proxy) => found.push(proxy),
            Err(error) if options.only.is_empty() => eprintln!("without {}: {error}", peer.name()),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// All cells, round by round. A proxy that fails in a scenario is not tried again in it.
async fn measure(bench: &Bench<'_>, proxies: &[Installed]) -> (Vec<Cell>, Vec<Failed>) {
    let (mut cells, mut failed) = (Vec::new(), Vec::<Failed>::new());
    for round in 1..=bench.options.rounds {
        for scenario in Scenario::ALL {
            for turn in 0..proxies.len() {
                // Another proxy goes first in each round, so that none always runs on a warmer machine.
                let proxy = &proxies[(turn + round as usize) % proxies.len()];
                let peer = proxy.peer;
                if failed.iter().any(|cell| (cell.peer, cell.scenario) == (peer, scenario)) {
                    continue;
                }
                match bench.cell(proxy, scenario, round).await {
                    Ok(cell) => {
                        let cost = cell.cpu_us_per_request;
                        eprintln!("round {round}  {scenario:?}  {}: {cost:.2} us/request", peer.name());
                        cells.push(cell);
                    }
                    Err(error) => {
                        let why = error.to_string();
                        eprintln!("round {round}  {scenario:?}  {} FAILED: {why}", peer.name());
                        failed.push(Failed { peer, scenario, why });
                    }
                }
            }
        }
    }
    (cells, failed)
}

/// A directory of our own that goes with this value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("tidegate-load-{}", std::process::id()));
        std::fs::create_dir(&directory)?;
        Ok(Self(directory))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _best_effort = std::fs::remove_dir_all(&self.0);
    }
}
