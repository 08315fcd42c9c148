//! `status`, `explain` and `history`: one rollout in full.

use std::io::IsTerminal;
use std::time::Duration;

use kube::core::DynamicObject;
use tidegate_cluster::rollout_object::Decision;
use tidegate_config::Span;
use tidegate_controller::clock::Clock;
use tidegate_terminal::Exit;
use tidegate_terminal::output::{self, Format};
use tokio::time::timeout;

use crate::CommandError;
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::progress::{Progress, decisions};
use crate::seen::{self, Seen, Shown};
use crate::wanted::Wanted;
use crate::watch::{Change, Watch};

/// How often it is looked for a version that is on its way.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// `kubectl tidegate status`.
pub(crate) async fn status(cluster: &Cluster, wanted: &Wanted, format: Format) -> Result<Exit, CommandError> {
    show(&cluster.find(wanted).await?, format)?;
    Ok(Exit::Done)
}

/// `kubectl tidegate status --wait`: until the rollout is over. Says how it came out.
pub(crate) async fn wait(
    cluster: &Cluster,
    wanted: &Wanted,
    within: Option<Span>,
    format: Format,
) -> Result<Exit, CommandError> {
    let object = cluster.find(wanted).await?;
    let end = until_the_end(cluster, &object, format);
    let Some(within) = within else { return end.await };
    timeout(Duration::from_millis(within.millis()), end).await.unwrap_or_else(|_| {
        output::note(&format!("Rollout {} is not over after {within}", seen::name(&object)));
        Ok(Exit::Undecided)
    })
}

async fn until_the_end(cluster: &Cluster, object: &DynamicObject, format: Format) -> Result<Exit, CommandError> {
    let mut watch = Watch::one(cluster, object);
    let mut progress = Progress::default();
    let mut behind = Behind::default();
    let mut newest = None;
    let live = format == Format::Text && std::io::stdout().is_terminal();
    loop {
        let change = if behind.told { timeout(LOOK_AGAIN, watch.next()).await } else { Ok(watch.next().await) };
        // Without one the time to look again has come.
        if let Ok(change) = change {
            match change? {
                Change::There(object) => newest = Some(object),
                Change::Gone => return Err(Failure::Gone(seen::name(object)).into()),
                Change::Complete => continue,
            }
        }
        let Some(object) = &newest else { continue };
        let seen = match Seen::read(object) {
            Ok(seen) => seen,
            // It may still come.
            Err(Failure::Unknown { .. }) => continue,
            Err(failure) => return Err(failure.into()),
        };
        let shown = seen.shown(Clock::System.now());
        let over = Exit::of(&shown.view);
        if over.is_some() && behind.is(cluster, &seen).await? {
            continue;
        }
        behind.told = false;
        if live {
            output::print("\x1b[H\x1b[2J")?;
        }
        match over {
            Some(exit) => {
                output::show(&shown, format, Shown::text)?;
                return Ok(exit);
            }
            None if live => output::show(&shown, format, Shown::text)?,
            None if format == Format::Text => output::print(&progress.line(&shown.view).unwrap_or_default())?,
            None => {}
        }
    }
}

/// Whether a rollout that is over is that of the newest version.
#[derive(Debug, Default)]
struct Behind {
    /// Whether it was told that another one is awaited.
    told: bool,
    /// Whether it was told that this cannot be known.
    unknown: bool,
}

impl Behind {
    async fn is(&mut self, cluster: &Cluster, seen: &Seen) -> Result<bool, Failure> {
        let world = match cluster.workloads(&seen.service()).await {
            Ok(world) => world,
            Err(Failure::Forbidden { said, .. }) => {
                if !std::mem::replace(&mut self.unknown, true) {
                    output::note(&format!("whether a newer version is on its way cannot be seen: {said}"));
                }
                return Ok(false);
            }
            Err(other) => return Err(other),
        };
        let behind = seen.is_behind(&world);
        if behind && !std::mem::replace(&mut self.told, true) {
            output::note(&format!("a new version of Service {} is on its way: waits for its rollout", seen.service()));
        }
        Ok(behind)
    }
}

/// Shows a rollout as it is now.
pub(crate) fn show(object: &DynamicObject, format: Format) -> Result<(), CommandError> {
    let shown = Seen::read(object)?.shown(Clock::System.now());
    Ok(output::show(&shown, format, Shown::text)?)
}

/// `kubectl tidegate explain`.
pub(crate) async fn explain(cluster: &Cluster, wanted: &Wanted, format: Format) -> Result<Exit, CommandError> {
    let object = cluster.find(wanted).await?;
    let explained = Seen::read(&object)?.explained(Clock::System.now());
    output::show(&explained, format, seen::Explained::text)?;
    Ok(Exit::Done)
}

/// `kubectl tidegate history`.
pub(crate) async fn history(cluster: &Cluster, wanted: &Wanted, format: Format) -> Result<Exit, CommandError> {
    let object = cluster.find(wanted).await?;
    let made = seen::decisions(&object)?;
    if made.is_empty() && format == Format::Text {
        output::note(&format!("nothing was decided for Rollout {} yet", seen::name(&object)));
        return Ok(Exit::Done);
    }
    output::show(&made, format, |made: &Vec<Decision>| decisions(made))?;
    Ok(Exit::Done)
}
