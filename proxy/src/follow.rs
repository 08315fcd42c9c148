//! The task that keeps a proxy at the newest publication, with the addresses that its DNS names have at the moment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate_config::{Publication, limits};
use tokio::sync::watch;
use tokio::time::sleep_until;

use crate::clock::now;
use crate::lookup::Lookups;
use crate::resolve::NameStatus;
use crate::server::Proxy;
use crate::state::Resolved;

/// How soon a publication that was refused is tried again while it is the newest: an address in use may be free by then.
const RETRY: Duration = Duration::from_secs(1);

/// What keeps the proxy from the newest publication, and its DNS names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Following {
    /// The generation in force.
    pub in_force: u64,
    /// The newest generation.
    pub newest: u64,
    /// Why the newest publication is not in force; `None` while it is, or may still come.
    pub problem: Option<String>,
    /// The DNS names of the configuration.
    pub names: Vec<NameStatus>,
}

/// Applies every publication, and the newest again when the addresses of its names change, until the publisher is gone.
///
/// A publication whose names are new comes into force with their first answers, at the latest after
/// [`limits::DNS_FIRST_ANSWER_SECONDS`]. One that is refused is tried again every second; meanwhile the last good one
/// stays in force and its addresses are kept up to date.
///
/// `started` is the publication that the proxy was started with, by the addresses that [`Lookups::first`] gave.
pub async fn follow(
    started: Arc<Publication>,
    mut publications: watch::Receiver<Arc<Publication>>,
    proxy: Arc<Proxy>,
    lookups: Lookups,
    status: watch::Sender<Following>,
) {
    let newest = Arc::clone(&publications.borrow_and_update());
    let mut follower =
        Follower { proxy, lookups, newest, patience: None, in_force: (started, Resolved::new()), problem: None };
    follower.renewed();
    loop {
        let wake = follower.step();
        status.send_if_modified(|known| {
            let now = follower.status();
            let changed = *known != now;
            *known = now;
            changed
        });
        tokio::select! {
            changed = publications.changed() => match changed {
                Ok(()) => {
                    follower.newest = Arc::clone(&publications.borrow_and_update());
                    follower.renewed();
                }
                Err(_) => return,
            },
            () = follower.lookups.progress() => {}
            () = sleep_until(wake.unwrap_or_else(now).into()), if wake.is_some() => {}
        }
    }
}

struct Follower {
    proxy: Arc<Proxy>,
    lookups: Lookups,
    newest: Arc<Publication>,
    /// Until when names that have no answer yet are waited for; set until the newest publication is tried.
    patience: Option<Instant>,
    /// What the proxy was last given.
    in_force: (Arc<Publication>, Resolved),
    problem: Option<String>,
}

impl Follower {
    fn status(&self) -> Following {
        Following {
            in_force: self.in_force.0.generation,
            newest: self.newest.generation,
            problem: self.problem.clone(),
            names: self.lookups.status(),
        }
    }

    /// There is a new publication: its names are wanted, and those of the one in force for as long as it is.
    fn renewed(&mut self) {
        self.lookups.want([&*self.newest.config, &*self.in_force.0.config]);
        self.problem = None;
        // One wait for all publications that follow each other: a newer one must not put an older wait off.
        let patience = || now() + Duration::from_secs(limits::DNS_FIRST_ANSWER_SECONDS.into());
        self.patience.get_or_insert_with(patience);
    }

    /// Applies what there is to apply; says when to come back, if nothing happens before.
    fn step(&mut self) -> Option<Instant> {
        let resolved = self.lookups.resolved();
        let is_new = !Arc::ptr_eq(&self.in_force.0, &self.newest);
        let patience = self.patience.filter(|until| !self.lookups.are_known() && now() < *until);
        if patience.is_none() {
            self.patience = None;
        }
        if is_new && patience.is_none() {
            match self.proxy.apply(&self.newest, &resolved) {
                Ok(()) => {
                    self.lookups.want([&*self.newest.config]);
                    self.in_force = (Arc::clone(&self.newest), self.lookups.resolved());
                    self.problem = None;
                    return None;
                }
                Err(error) => self.problem = Some(error.to_string()),
            }
        }
        let (publication, known) = &mut self.in_force;
        if *known != resolved {
            // Its listeners are open, so that nothing can refuse it.
            match self.proxy.apply(publication, &resolved) {
                Ok(()) => *known = resolved,
                Err(error) => self.problem = Some(error.to_string()),
            }
        }
        patience.or_else(|| self.problem.is_some().then(|| now() + RETRY))
    }
}

#[cfg(test)]
mod tests;
