//! `tidegate run`: an instance for a file, until a signal.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tidegate_proxy::descriptors;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::instance::Instance;
use crate::{CommandError, Exit, check, output};

/// Time between two looks at whether the last request has ended.
const LOOK: Duration = Duration::from_millis(10);

/// How long the last state may take to reach the disk once there is nothing else to wait for.
const END: Duration = Duration::from_secs(2);

/// The end that somebody who does not wait gets.
#[derive(Debug, thiserror::Error)]
enum RunError {
    /// Requests were under way.
    #[error("a second signal cut {0} request{s} that had not ended", s = if *.0 == 1 { "" } else { "s" })]
    Cut(u32),
    /// Nobody knows.
    #[error("a second signal ended the process in the middle of its work; requests may have been cut")]
    Abandoned,
}

/// Runs an instance until SIGTERM or SIGINT, goes on for so long while its clients are told to go, then lets its requests end.
/// The next signal ends the first, one more cuts the others.
pub fn run(file: &Path, state_dir: &Path, leave: Duration) -> Result<Exit, CommandError> {
    let config = Arc::new(check::load(file)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // From here on a signal is never one that the system answers by ending the process.
    let mut signals = {
        let _guard = runtime.enter();
        Signals::catch()?
    };
    let connections = config.limits.connections;
    if let Err(shortage) = descriptors::are_enough(descriptors::needed_for(connections), descriptors::take_all()) {
        output::note(&format!("limits.connections is {connections}: {shortage}, or lower this one"));
    }
    let instance = Instance::start(config, Some(file.to_owned()), state_dir)?;
    output::print(&introduction(&instance, state_dir))?;
    runtime.block_on(signals.stop())?;
    if !leave.is_zero() {
        output::print(&format!("leaving within {} s; a second signal drains at once\n", leave.as_secs()))?;
        instance.leave();
        let hurried = runtime.block_on(async { tokio::time::timeout(leave, signals.stop()).await });
        hurried.unwrap_or(Ok(()))?;
    }
    output::print("draining; a second signal cuts what has not ended\n")?;
    runtime.block_on(end(instance, &mut signals))
}

/// Stops an instance: when its requests have ended, or at the next signal.
async fn end(instance: Instance, signals: &mut Signals) -> Result<Exit, CommandError> {
    let cut = instance.cutter();
    let draining = std::thread::spawn(move || instance.stop());
    let hurried = tokio::select! {
        biased;
        () = ended(&draining) => false,
        result = signals.stop() => { result?; true }
    };
    if hurried {
        cut();
        // A worker that does not even answer to that is not waited for.
        if tokio::time::timeout(END, ended(&draining)).await.is_err() {
            return Err(RunError::Abandoned.into());
        }
    }
    // A panic has been printed by its own thread.
    let cut = draining.join().unwrap_or(Ok(0))?;
    match cut {
        0 => Ok(Exit::Done),
        cut if hurried => Err(RunError::Cut(cut).into()),
        cut => {
            output::note(&format!(
                "timeouts.drain is over: {cut} request{} cut",
                if cut == 1 { " was" } else { "s were" }
            ));
            Ok(Exit::Done)
        }
    }
}

async fn ended<T>(thread: &JoinHandle<T>) {
    while !thread.is_finished() {
        tokio::time::sleep(LOOK).await;
    }
}

fn introduction(instance: &Instance, state_dir: &Path) -> String {
    let mut text = String::new();
    for url in instance.urls() {
        let _ = writeln!(text, "listening on {url}");
    }
    let _ = writeln!(text, "metrics on http://{}/metrics", instance.admin());
    let _ = writeln!(text, "state in {}", state_dir.display());
    text
}

/// The signals that an instance answers itself.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn catch() -> io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        Ok(Self { terminate, interrupt, hang_up: signal(SignalKind::hangup())? })
    }

    /// Waits until it is time to stop. SIGHUP, on which other servers read their file again, is none: ours is followed.
    async fn stop(&mut self) -> io::Result<()> {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Ok(()),
                _ = self.interrupt.recv() => return Ok(()),
                _ = self.hang_up.recv() => output::print("SIGHUP: the file is followed, there is nothing to do\n")?,
            }
        }
    }
}
