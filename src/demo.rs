//! `tidegate demo`: a rollout from end to end on one machine, to watch.
//!
//! Everything is real: two versions of a [`shop`] behind the proxy, a [`crowd`] of visitors with cookies in front of it,
//! and an [`instance`] whose controller scrapes, decides and publishes as it does anywhere. Only what the versions are
//! like is made up, by the [`scenario`].

mod chance;
mod crowd;
mod display;
mod figures;
mod instance;
mod lines;
mod moment;
mod options;
mod own_thread;
mod play;
mod policy;
#[cfg(test)]
mod sample;
mod scenario;
mod screen;
mod shop;
mod table;
mod verdict;
mod view;

use std::io::{self, Write, stdout};

use tidegate_config::Problems;

use chance::Chance;
use crowd::Crowd;
use display::Display;
use instance::{Instance, InstanceError};
use moment::Setting;
pub(crate) use options::DemoOptions;
use options::VISITORS;
use play::{Played, Signals, play};
use shop::Shop;
pub(crate) use verdict::Outcome;
use verdict::{outcome, verdict};

/// Why a demo could not be played to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// No random seed.
    #[error("the system has no random numbers")]
    Random(#[source] getrandom::Error),
    /// No place for the state.
    #[error("cannot make a directory for the state")]
    StateDir(#[source] io::Error),
    /// The configuration that is built in.
    #[error("the demo's own configuration is wrong: {0}")]
    Config(Problems),
    /// The shop.
    #[error("cannot open the shop")]
    Shop(#[source] io::Error),
    /// The proxy or the controller.
    #[error("cannot start the instance")]
    Instance(#[from] InstanceError),
    /// The crowd.
    #[error("cannot send the crowd")]
    Crowd(#[source] io::Error),
    /// Signals.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    /// The terminal, or wherever the output goes.
    #[error("cannot write")]
    Output(#[source] io::Error),
    /// Something stopped in the middle.
    #[error("{0} stopped in the middle of the demo")]
    Lost(&'static str),
}

/// Plays a demo and says how it ended. Leaves nothing behind, also where it is interrupted.
///
/// Needs a tokio runtime with time and I/O; blocks its thread for short moments while parts are stopped.
pub(crate) async fn run(options: DemoOptions) -> Result<Outcome, DemoError> {
    let mut out = stdout();
    if options.print_config {
        out.write_all(policy::FILE.as_bytes()).map_err(DemoError::Output)?;
        return Ok(Outcome::Printed);
    }
    // Before there is anything to clean up: from here on a signal ends the demo in order.
    let mut signals = Signals::listen().map_err(DemoError::Signals)?;
    let seed = options.seed.number().map_err(DemoError::Random)?;
    let state = tempfile::Builder::new().prefix("tidegate-demo-").tempdir().map_err(DemoError::StateDir)?;
    let chance = Chance { seed };
    let shop = Shop::open(options.scenario.world(), chance).map_err(DemoError::Shop)?;
    let config = policy::config(shop.addresses()).map_err(DemoError::Config)?;
    let instance = Instance::start(config, state.path())?;
    introduce(&options, seed, &instance, &mut out).map_err(DemoError::Output)?;
    let mut display = Display::open(options.plain).map_err(DemoError::Output)?;
    let crowd = Crowd::send(instance.address(), options.visitors, chance).map_err(DemoError::Crowd)?;

    let parts = play::Parts { shop: &shop, instance: &instance, crowd: &crowd };
    let setting = Setting { scenario: options.scenario, seed };
    let played = play(parts, setting, &mut display, &mut signals).await;
    // The crowd goes first, so that nobody stands before closed doors; the words come when the terminal is as it was.
    drop((crowd, display));
    let Played { moment, ending } = played?;
    drop((instance, shop, state));
    let words = verdict(&moment, ending, options.visitors);
    writeln!(out, "\n{}", words.join("\n")).map_err(DemoError::Output)?;
    Ok(outcome(&moment))
}

/// What is going to happen, and by which policy.
fn introduce(options: &DemoOptions, seed: u64, instance: &Instance, out: &mut impl Write) -> io::Result<()> {
    let [stable, canary] = scenario::VERSIONS;
    writeln!(
        out,
        "Demo `{}`, seed {seed}: a shop in the versions {stable} and {canary} behind http://{}, {} new visitors a second.",
        options.scenario.name(),
        instance.address(),
        options.visitors
    )?;
    writeln!(out, "The policy (the whole file: tidegate demo --print-config):\n")?;
    policy::rollout().try_for_each(|line| writeln!(out, "  {line}"))?;
    writeln!(out)?;
    out.flush()
}
