//! `tidegate demo`: a rollout from end to end on one machine, to watch.
//!
//! Everything is real: two versions of a shop behind the proxy, a crowd of visitors with cookies in front of it, and an
//! [`Instance`] whose controller scrapes, decides and publishes as it does anywhere. Only what the versions are like is
//! made up, by the scenario.

mod chance;
mod crowd;
mod display;
mod figures;
mod identity;
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

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;

use tempfile::TempDir;
use tidegate_config::Problems;
use tidegate_controller::reconcile::ReconcileError;
use tidegate_controller::store::{Store, StoreError};
use tidegate_proxy::descriptors::{self, TooFew};

use crate::instance::{Instance, InstanceError};
use crate::{Exit, output};
use chance::Chance;
use crowd::Crowd;
use display::Display;
use moment::Setting;
pub use options::{DemoOptions, EXAMPLES, Seed};
use play::{Parts, Played, Signals, play};
pub use scenario::Scenario;
use shop::Shop;

/// What the demo needs: each of the crowd's connections has an end in the crowd and one in the proxy, which opens at most
/// as many to the shop, again with two ends; and some for everything else.
const DESCRIPTORS: u64 = 4 * crowd::CONNECTIONS as u64 + 64;

/// Why a demo could not be played to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// No random seed.
    #[error("the system has no random numbers")]
    Random(#[source] getrandom::Error),
    /// Not enough of them for the crowd's connections.
    #[error(transparent)]
    Descriptors(#[from] TooFew),
    /// No place for the state.
    #[error("cannot make a directory for the state")]
    StateDir(#[source] io::Error),
    /// The keys that the seed fixes.
    #[error("cannot write the keys")]
    Keys(#[from] StoreError),
    /// The configuration that is built in.
    #[error("the demo's own configuration is wrong: {0}")]
    Config(Problems),
    /// No runtime, or no signals.
    #[error("cannot start")]
    Start(#[source] io::Error),
    /// The shop.
    #[error("cannot open the shop")]
    Shop(#[source] io::Error),
    /// The proxy or the controller.
    #[error("cannot start the instance")]
    Instance(#[from] InstanceError),
    /// The crowd.
    #[error("cannot send the crowd")]
    Crowd(#[source] io::Error),
    /// The terminal, or wherever the output goes.
    #[error("cannot write")]
    Output(#[source] io::Error),
    /// Something stopped in the middle.
    #[error("{0} stopped in the middle of the demo")]
    Lost(&'static str),
    /// The controller could not be stopped in order.
    #[error("the controller did not stop in order")]
    Stop(#[from] ReconcileError),
}

/// Plays a demo and says how it ended. Leaves nothing behind, also where it is interrupted.
pub fn run(options: &DemoOptions) -> Result<Exit, DemoError> {
    if options.print_config {
        output::print(policy::FILE).map_err(DemoError::Output)?;
        return Ok(Exit::Done);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(DemoError::Start)?;
    let _inside = runtime.enter();
    // Before there is anything to clean up: from here on a signal ends the demo in order.
    let mut signals = Signals::listen().map_err(DemoError::Start)?;
    descriptors::are_enough(DESCRIPTORS, descriptors::take_all())?;
    let seed = options.seed.number().map_err(DemoError::Random)?;
    let Stage { crowd, instance, shop, state } = Stage::set(options, seed)?;
    let mut display = Display::open(options.plain).map_err(DemoError::Output)?;

    let parts = Parts { shop: &shop, instance: &instance, crowd: &crowd };
    let setting = Setting { scenario: options.scenario, seed };
    let played = runtime.block_on(play(parts, setting, &mut display, &mut signals));
    // The crowd goes first, so that nobody stands before closed doors; the words come when the terminal is as it was.
    drop((crowd, display));
    let stopped = instance.stop();
    drop((shop, state));
    let Played { moment, ending } = played?;
    stopped?;
    let words = verdict::verdict(&moment, ending, options.visitors, Display::width());
    output::print(&format!("\n{}\n", words.join("\n"))).map_err(DemoError::Output)?;
    Ok(verdict::exit(&moment))
}

/// All that plays. Dropped in this order.
struct Stage {
    crowd: Crowd,
    instance: Instance,
    shop: Shop,
    state: TempDir,
}

impl Stage {
    /// Opens the shop, starts the instance and sends the crowd; says so and by which policy.
    fn set(options: &DemoOptions, seed: u64) -> Result<Self, DemoError> {
        let state = tempfile::Builder::new().prefix("tidegate-demo-").tempdir().map_err(DemoError::StateDir)?;
        let chance = Chance { seed };
        let shop = Shop::open(options.scenario.world(), chance).map_err(DemoError::Shop)?;
        let config = policy::config(shop.addresses()).map_err(DemoError::Config)?;
        // The instance opens the directory as it does anywhere, and finds keys there.
        drop(Store::open_with(state.path(), identity::keys(chance))?);
        let instance = Instance::start(config, None, state.path())?;
        let address = instance.addresses().first().copied().ok_or(DemoError::Lost("the proxy"))?;
        let words = introduction(options, seed, address, &state);
        output::print(&words).map_err(DemoError::Output)?;
        let crowd = Crowd::send(address, options.visitors, chance).map_err(DemoError::Crowd)?;
        Ok(Self { crowd, instance, shop, state })
    }
}

/// What is going to happen, and by which policy.
fn introduction(options: &DemoOptions, seed: u64, address: SocketAddr, state: &TempDir) -> String {
    let ([stable, canary], name) = (scenario::VERSIONS, options.scenario.name());
    let (visitors, state) = (options.visitors, state.path().display());
    let mut text = format!(
        "Demo `{name}`, seed {seed}: a shop in the versions {stable} and {canary} behind http://{address}, {visitors} new \
         visitors a second.\nFrom another terminal: tidegate status {} --state-dir {state}\n\
         The policy (the whole file: tidegate demo --print-config):\n\n",
        policy::SERVICE
    );
    for line in policy::rollout() {
        let _ = writeln!(text, "  {line}");
    }
    text.push('\n');
    text
}
