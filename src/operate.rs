//! What an operator asks of a running instance, over its Unix socket.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tidegate_config::Name;
use tidegate_controller::client::Client;
pub use tidegate_controller::engine::Verb;
use tidegate_terminal::text;

use crate::output::{self, Format};
use crate::{CommandError, Exit};

/// Time between two looks of `--watch`.
const LOOK: Duration = Duration::from_millis(500);

/// Which instance.
#[derive(Debug, Clone, Args)]
pub struct Target {
    /// Where the instance keeps its state and its socket
    #[arg(long, value_name = "DIR", env = "TIDEGATE_STATE_DIR", default_value = "tidegate-state")]
    pub state_dir: PathBuf,
}

/// What a command is for.
#[derive(Debug, Args)]
pub struct Meant {
    /// The service
    pub service: Name,
    /// Which of several versions that are tried; without it all of them
    #[arg(long)]
    pub version: Option<Name>,
    /// How to print, and of which instance
    #[command(flatten)]
    pub shown: Shown,
}

/// How to print, and of which instance.
#[derive(Debug, Args)]
pub struct Shown {
    /// How to print
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
    /// Which instance
    #[command(flatten)]
    pub target: Target,
}

/// `tidegate status`.
pub fn status(target: &Target, service: Option<&Name>, watch: bool, format: Format) -> Result<Exit, CommandError> {
    block_on(async {
        let client = Client::connect(&target.state_dir).await?;
        loop {
            let outcome = match service {
                None => {
                    let overview = client.overview().await?;
                    show_again(&overview, watch, format, text::overview)?;
                    None
                }
                Some(name) => {
                    let view = client.status(name).await?;
                    show_again(&view, watch, format, text::service)?;
                    Exit::of(&view)
                }
            };
            match outcome {
                _ if !watch => return Ok(Exit::Done),
                Some(exit) => return Ok(exit),
                None => tokio::time::sleep(LOOK).await,
            }
        }
    })
}

/// `tidegate explain`.
pub fn explain(target: &Target, service: &Name, format: Format) -> Result<Exit, CommandError> {
    let explanation = block_on(async { Ok(Client::connect(&target.state_dir).await?.explain(service).await?) })?;
    output::show(&explanation, format, text::explanation)?;
    Ok(Exit::Done)
}

/// `tidegate promote`, `abort`, `pause` and `resume`.
pub fn command(meant: &Meant, verb: Verb) -> Result<Exit, CommandError> {
    let Meant { service, version, shown } = meant;
    let carried_out = async {
        let client = Client::connect(&shown.target.state_dir).await?;
        Ok(client.command(service, verb, version.as_ref(), None).await?)
    };
    output::show(&block_on(carried_out)?, shown.output, text::service)?;
    Ok(Exit::Done)
}

fn block_on<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Prints a value; on a terminal that is watched, over the one before.
fn show_again<T: serde::Serialize>(
    value: &T,
    watch: bool,
    format: Format,
    text: impl FnOnce(&T) -> String,
) -> Result<(), CommandError> {
    if watch && format == Format::Text && output::colours() {
        output::print("\x1b[H\x1b[2J")?;
    }
    Ok(output::show(value, format, text)?)
}
