//! What a running instance says on standard error when something changes.

use std::sync::Arc;

use tidegate_config::Config;
use tidegate_controller::watch::Seen;
use tidegate_proxy::Following;
use tokio::sync::watch;

use crate::output;

/// Says what keeps the newest publication from coming into force, and when nothing does any more.
pub(super) async fn obstacles(mut following: watch::Receiver<Following>) {
    let mut known = None;
    while following.changed().await.is_ok() {
        let problem = following.borrow_and_update().problem.clone();
        if problem != known {
            let text = problem.clone().unwrap_or_else(|| "the newest configuration is in force".to_owned());
            output::note(&text);
            known = problem;
        }
    }
}

/// Says which changed settings of the file are those that the process reads at its start only, and when none is any more.
pub(super) async fn restarts(started: Arc<Config>, mut changes: watch::Receiver<Seen>) {
    let mut known = Vec::new();
    while changes.changed().await.is_ok() {
        // A file that is refused changes nothing.
        let Ok(config) = changes.borrow_and_update().config.clone() else { continue };
        let waiting = config.needs_restart(&started);
        for setting in waiting.iter().filter(|setting| !known.contains(*setting)) {
            output::note(&format!("needs a restart: {setting}"));
        }
        if waiting.is_empty() && !known.is_empty() {
            output::note("nothing needs a restart any more");
        }
        known = waiting;
    }
}
