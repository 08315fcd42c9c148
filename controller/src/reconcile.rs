//! The life of a weight change on one screen: scrape → observe → decide → persist → publish → acknowledge.
//!
//! Level-triggered throughout: what is published follows from the stored records and the file, and is compared with what
//! was published before. A controller that is stopped at any arrow comes back to the same thing; see [`crate::crash`].

mod draft;
mod error;
mod history;
mod publication;
mod rollouts;
mod run;
mod show;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidegate_config::{Config, Name, Publication};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::crash::{self, Crash};
use crate::engine::{Command, Timestamp};
use crate::proxies::Proxies;
use crate::publish::Keys;
use crate::scrape::{ScrapeError, scrape_all};
use crate::service_record::{Logged, ServiceRecord};
use crate::store::{Change, Store, Stored};
use crate::view::{ConfigState, ServiceView};

use crate::lifecycle::Looked;
use draft::Draft;
use rollouts::Cause;

pub use error::{Denied, ReconcileError};
pub use run::{Asks, Handle, asks};

/// Time between two scrapes of a service without a rollout: enough to know its traffic.
const IDLE: Duration = Duration::from_secs(5);
/// Least time between two looks at one service, whatever is asked for.
const LOOK_AGAIN_MIN: Duration = Duration::from_millis(20);

/// The control plane of one instance.
#[derive(Debug)]
pub struct Controller {
    store: Store,
    keys: Keys,
    clock: Clock,
    crash: crash::Plan,
    /// What the process was started with.
    started: Arc<Config>,
    config: Arc<Config>,
    records: BTreeMap<Name, ServiceRecord>,
    published: watch::Sender<Arc<Publication>>,
    proxies: Proxies,
    due: BTreeMap<Name, Instant>,
    file: ConfigState,
    /// A changed file that is not in force yet, because state could not be written.
    pending: Option<Arc<Config>>,
    trouble: Option<String>,
    traffic_saved: Timestamp,
}

impl Controller {
    /// Opens the state of a directory, follows the configuration, and publishes a first generation.
    pub fn open(state_dir: &Path, config: Arc<Config>, clock: Clock) -> Result<Self, ReconcileError> {
        let (store, Stored { generation, keys, services }) = Store::open(state_dir)?;
        // Seen by nobody: `publish_all` replaces it before anybody can subscribe.
        let none = Arc::new(Config::clone(&config));
        let nothing = Publication { generation, cookie_key: keys.cookie, config: none, splits: BTreeMap::new() };
        let mut controller = Self {
            store,
            keys,
            traffic_saved: clock.now(),
            clock,
            crash: crash::Plan::default(),
            started: config.clone(),
            config: config.clone(),
            records: services,
            published: watch::Sender::new(Arc::new(nothing)),
            proxies: Proxies::default(),
            due: BTreeMap::new(),
            file: ConfigState::default(),
            pending: None,
            trouble: None,
        };
        controller.publish_all(config)?;
        Ok(controller)
    }

    /// Where to scrape from now on.
    pub fn scrape_from(&mut self, targets: Vec<SocketAddr>) {
        self.proxies = Proxies::new(targets);
    }

    /// The publications, the newest first; a slow reader skips.
    pub fn publications(&self) -> watch::Receiver<Arc<Publication>> {
        self.published.subscribe()
    }

    /// Stops at a point of the life of a weight change, once it is reached. For tests.
    pub fn crash_at(&mut self, point: Option<Crash>) {
        self.crash = crash::Plan(point);
    }

    /// One turn for every service.
    pub async fn tick(&mut self) -> Result<(), ReconcileError> {
        let answers = scrape_all(self.proxies.targets()).await;
        let services: Vec<Name> = self.config.services.keys().cloned().collect();
        self.look(answers, &services)
    }

    /// Takes a changed file over: what it asks for anew starts, what it no longer asks for is aborted, and everything
    /// else goes on. Returns whether anything changed.
    pub fn apply_config(&mut self, config: Arc<Config>) -> Result<bool, ReconcileError> {
        self.pending = Some(config).filter(|config| *config != self.config);
        let changes = self.pending.is_some();
        self.catch_up()?;
        Ok(changes)
    }

    /// Carries out what an operator wants of a rollout.
    pub fn command(&mut self, name: &Name, command: Command) -> Result<ServiceView, Denied> {
        let now = self.clock.now();
        self.known(name)?;
        let mut draft = Draft::new(&self.records, self.config.clone());
        let verb = command.verb;
        let Some(Looked { again_ms, refusal, .. }) = self.decide(&mut draft, name, Cause::Command(command), now) else {
            let last = self.records.get(name).and_then(|record| record.rollout.as_ref());
            let refusal = last.and_then(|status| status.admits(verb).err());
            return Err(refusal.map_or(Denied::NoRollout { service: name.clone() }, Denied::Refused));
        };
        let Draft { records, logged, .. } = draft;
        self.carry_out(self.config.clone(), records, &logged)?;
        self.look_again(name, Duration::from_millis(again_ms));
        match refusal {
            Some(refusal) => Err(Denied::Refused(refusal)),
            None => self.report(name),
        }
    }

    /// Takes in a scrape for the services that are due.
    fn look(&mut self, answers: Vec<Result<String, ScrapeError>>, due: &[Name]) -> Result<(), ReconcileError> {
        let now = self.clock.now();
        self.proxies.note(answers, now);
        // Whatever fails from here on is tried again then.
        for name in due {
            self.look_again(name, IDLE);
        }
        self.catch_up()?;
        self.note_traffic(due, now);
        let mut draft = Draft::new(&self.records, self.config.clone());
        let mut looked = Vec::new();
        for name in due {
            looked.extend(self.decide(&mut draft, name, Cause::Scrape, now).map(|looked| (name, looked.again_ms)));
        }
        let Draft { records, logged, .. } = draft;
        for (name, again_ms) in looked {
            self.look_again(name, Duration::from_millis(again_ms));
        }
        self.carry_out(self.config.clone(), records, &logged)
    }

    /// Takes over a changed file that is not in force yet.
    fn catch_up(&mut self) -> Result<(), ReconcileError> {
        if let Some(config) = self.pending.clone() {
            self.publish_all(config)?;
            self.pending = None;
        }
        Ok(())
    }

    /// Follows a configuration and publishes it.
    fn publish_all(&mut self, config: Arc<Config>) -> Result<(), ReconcileError> {
        let now = self.clock.now();
        let mut draft = Draft::new(&self.records, config.clone());
        self.follow_file(&mut draft, now);
        let Draft { records, logged, .. } = draft;
        // What the file changed is looked at now.
        self.due.retain(|name, _| config.services.contains_key(name) && !records.contains_key(name));
        self.carry_out(config, records, &logged)
    }

    /// Persists, then publishes: the only place where either happens.
    fn carry_out(
        &mut self,
        config: Arc<Config>,
        mut changed: BTreeMap<Name, ServiceRecord>,
        logged: &[(Name, Logged)],
    ) -> Result<(), ReconcileError> {
        let now = self.clock.now();
        let next = self.next(&config, &mut changed);
        let generation = next.as_ref().map_or(self.generation(), |next| next.generation);
        for record in changed.values_mut() {
            // Level-triggered: a status whose share is published already is carried by the generation in force.
            record.published(generation);
        }
        self.save_traffic(&mut changed, now);
        self.crash.pass(Crash::BeforePersist)?;
        if !changed.is_empty() || next.is_some() {
            let services = changed.iter().collect();
            self.store.commit(&Change { generation, services, decisions: logged }, self.crash)?;
        }
        self.crash.pass(Crash::BeforePublish)?;
        self.records.append(&mut changed);
        self.config = config;
        if let Some(next) = next {
            self.file.generations += 1;
            self.published.send_replace(Arc::new(next));
        }
        self.crash.pass(Crash::AfterPublish)?;
        Ok(())
    }

    fn generation(&self) -> u64 {
        self.published.borrow().generation
    }

    fn look_again(&mut self, name: &Name, after: Duration) {
        // A scrape may come back after the file has taken its service out; `due` is cleared of those when it changes.
        self.due.insert(name.clone(), Instant::now() + after.max(LOOK_AGAIN_MIN));
    }
}
