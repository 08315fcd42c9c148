//! `tidegate run`: an instance for a file, until a signal.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use crate::instance::Instance;
use crate::{CommandError, Exit, check, output};

/// Runs an instance until SIGTERM or SIGINT, then lets its requests end. A second signal ends it at once.
pub fn run(file: &Path, state_dir: &Path) -> Result<Exit, CommandError> {
    let config = Arc::new(check::read(file)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let instance = Instance::start(config, Some(file.to_owned()), state_dir)?;
    let mut text = String::new();
    for address in instance.addresses() {
        let _ = writeln!(text, "listening on http://{address}");
    }
    let _ = writeln!(text, "metrics on http://{}/metrics", instance.admin());
    let _ = writeln!(text, "state in {}", state_dir.display());
    output::print(&text)?;
    let _guard = runtime.enter();
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    runtime.block_on(async {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    });
    output::print("draining; a second signal ends it at once\n")?;
    let draining = std::thread::spawn(move || instance.stop());
    runtime.block_on(async {
        while !draining.is_finished() {
            tokio::select! {
                _ = terminate.recv() => return,
                _ = interrupt.recv() => return,
                () = tokio::time::sleep(std::time::Duration::from_millis(10)) => {}
            }
        }
    });
    if draining.is_finished() {
        // A panic has been printed by its own thread.
        draining.join().unwrap_or(Ok(()))?;
    }
    Ok(Exit::Done)
}
