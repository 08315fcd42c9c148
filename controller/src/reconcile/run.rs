//! The loop: one task that scrapes when something is due, and between two scrapes takes changed files and the requests of
//! operators. Everything that decides happens here, one after the other.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;

use tidegate_config::Name;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::{Controller, Denied, IDLE, ReconcileError};
use crate::engine::{Command, Timestamp};
use crate::limits::ASKS_MAX;
use crate::proxies::in_words;
use crate::scrape::scrape_all;
use crate::store::StoreError;
use crate::view::{Explanation, Overview, ServiceView};
use crate::watch::{Seen, Unusable};

/// What an operator asks, and where the answer goes.
#[derive(Debug)]
enum Ask {
    Overview(oneshot::Sender<Overview>),
    Report(Name, oneshot::Sender<Result<ServiceView, Denied>>),
    Explain(Name, oneshot::Sender<Result<Explanation, Denied>>),
    Command(Name, Command, oneshot::Sender<Result<ServiceView, Denied>>),
}

/// The requests that a controller answers.
#[derive(Debug)]
pub struct Asks(mpsc::Receiver<Ask>);

/// Asks a running controller, from any thread.
#[derive(Debug, Clone)]
pub struct Handle(mpsc::Sender<Ask>);

/// A connection between operators and a controller.
pub fn asks() -> (Handle, Asks) {
    let (sender, receiver) = mpsc::channel(ASKS_MAX);
    (Handle(sender), Asks(receiver))
}

impl Handle {
    /// The whole instance.
    pub async fn overview(&self) -> Result<Overview, Denied> {
        self.ask(Ask::Overview).await
    }

    /// One service.
    pub async fn report(&self, service: Name) -> Result<ServiceView, Denied> {
        self.ask(|reply| Ask::Report(service, reply)).await?
    }

    /// Why a service is where it is.
    pub async fn explain(&self, service: Name) -> Result<Explanation, Denied> {
        self.ask(|reply| Ask::Explain(service, reply)).await?
    }

    /// Has a command carried out. When this returns, it is stored.
    pub async fn command(&self, service: Name, command: Command) -> Result<ServiceView, Denied> {
        self.ask(|reply| Ask::Command(service, command, reply)).await?
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Denied> {
        let (reply, answer) = oneshot::channel();
        self.0.try_send(ask(reply)).map_err(|_| Denied::Busy)?;
        answer.await.map_err(|_| Denied::Busy)
    }
}

impl Controller {
    /// Names the file that is followed, for the status.
    pub fn follows(&mut self, file: PathBuf) {
        self.file.file = Some(file);
        self.file.seen = 1;
    }

    /// Runs until `shutdown`. State that cannot be written stops nothing: what is in force stays, status says why, and
    /// every turn tries again.
    pub async fn run(
        mut self,
        mut asks: Asks,
        mut file: Option<watch::Receiver<Seen>>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), ReconcileError> {
        let mut shutdown = pin!(shutdown);
        let mut scraping = JoinSet::new();
        loop {
            let turn = tokio::select! {
                () = &mut shutdown => return self.save_all(),
                Some(ask) = asks.0.recv() => {
                    self.answer(ask);
                    continue;
                }
                seen = newest(&mut file) => self.take(&seen),
                () = sleep_until(self.next_due()), if scraping.is_empty() => {
                    let (targets, due) = (self.proxies.targets().to_vec(), self.due_by(Instant::now()));
                    scraping.spawn(async move { (scrape_all(&targets).await, due) });
                    continue;
                }
                Some(scraped) = scraping.join_next() => {
                    // If it panicked the process has said so, and the services are still due.
                    let Ok((answers, due)) = scraped else { continue };
                    self.look(answers, &due)
                }
            };
            self.note(turn)?;
        }
    }

    /// Keeps in mind whether state could be written.
    fn note(&mut self, result: Result<(), ReconcileError>) -> Result<(), ReconcileError> {
        match result {
            Ok(()) => self.trouble = None,
            Err(error @ (ReconcileError::Crashed(_) | ReconcileError::Store(StoreError::Crashed(_)))) => {
                return Err(error);
            }
            Err(error) => self.trouble = Some(in_words(&error)),
        }
        Ok(())
    }

    /// Takes a version of the file: a good one comes into force, of a bad one the problems are shown.
    fn take(&mut self, seen: &Seen) -> Result<(), ReconcileError> {
        self.file.seen = seen.count;
        match &seen.config {
            Ok(config) => {
                (self.file.problems, self.file.since) = (Vec::new(), None);
                let waiting = config.needs_restart(&self.started);
                self.file.needs_restart = waiting.iter().map(ToString::to_string).collect();
                self.apply_config(config.clone())?;
            }
            Err(unusable) => {
                self.file.problems = match unusable {
                    Unusable::Wrong(problems) => problems.iter().map(ToString::to_string).collect(),
                    other => vec![other.to_string()],
                };
                self.file.since.get_or_insert(self.clock.now());
            }
        }
        Ok(())
    }

    fn answer(&mut self, ask: Ask) {
        // Nobody may be waiting for the answer any more.
        match ask {
            Ask::Overview(reply) => drop(reply.send(self.overview())),
            Ask::Report(name, reply) => drop(reply.send(self.report(&name))),
            Ask::Explain(name, reply) => drop(reply.send(self.explain(&name))),
            Ask::Command(name, command, reply) => drop(reply.send(self.command(&name, command))),
        }
    }

    fn next_due(&self) -> Instant {
        let known = |name: &Name| self.due.get(name).copied();
        let first: Option<Option<Instant>> = self.config.services.keys().map(known).min();
        // A service that was never looked at is due now.
        first.map_or_else(|| Instant::now() + IDLE, |due| due.unwrap_or_else(Instant::now))
    }

    fn due_by(&self, now: Instant) -> Vec<Name> {
        let due = |name: &&Name| self.due.get(*name).is_none_or(|due| *due <= now);
        self.config.services.keys().filter(due).cloned().collect()
    }

    fn save_all(&mut self) -> Result<(), ReconcileError> {
        self.traffic_saved = Timestamp::default();
        self.carry_out(self.config.clone(), BTreeMap::new(), &[])
    }
}

/// The next version of the file. Never, where no file is followed or nobody follows it any more.
async fn newest(file: &mut Option<watch::Receiver<Seen>>) -> Seen {
    if let Some(receiver) = file
        && receiver.changed().await.is_ok()
    {
        return receiver.borrow_and_update().clone();
    }
    std::future::pending().await
}
