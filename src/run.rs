//! `tidegate run`: an instance for a file, until a signal.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::instance::Instance;
use crate::{CommandError, Exit, check, descriptors, output};

/// Time between two looks at whether the last request has ended.
const LOOK: Duration = Duration::from_millis(10);

/// Runs an instance until SIGTERM or SIGINT, then lets its requests end. A second signal ends it at once.
pub fn run(file: &Path, state_dir: &Path) -> Result<Exit, CommandError> {
    let config = Arc::new(check::read(file)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // From here on a signal is never one that the system answers by ending the process.
    let mut signals = {
        let _guard = runtime.enter();
        Signals::catch()?
    };
    if let Some(shortage) = descriptors::shortage(config.limits.connections, descriptors::take_all()) {
        output::note(&shortage);
    }
    let instance = Instance::start(config, Some(file.to_owned()), state_dir)?;
    output::print(&introduction(&instance, state_dir))?;
    runtime.block_on(signals.stop())?;
    output::print("draining; a second signal ends it at once\n")?;
    let draining = std::thread::spawn(move || instance.stop());
    let drained = async {
        while !draining.is_finished() {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    };
    runtime.block_on(async {
        tokio::select! { result = drained => result, result = signals.stop() => result }
    })?;
    if draining.is_finished() {
        // A panic has been printed by its own thread.
        draining.join().unwrap_or(Ok(()))?;
    }
    Ok(Exit::Done)
}

fn introduction(instance: &Instance, state_dir: &Path) -> String {
    let mut text = String::new();
    for address in instance.addresses() {
        let _ = writeln!(text, "listening on http://{address}");
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
