//! PURE. The rollout objects that a leader works on: which of them are due, what they see, what must be written. The loop
//! around it is in `run`.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tidegate_config::Span;
use tidegate_controller::engine::Timestamp;
use tidegate_controller::proxies::Proxies;

use super::case::{Asked, Case, Memory, Outcome, Targets, Wish};
use super::scraper::Scraped;
use crate::world::{Key, World};

/// Least milliseconds between two looks at one object, whatever is asked for.
const LOOK_AGAIN_MIN_MS: u64 = 20;
/// Milliseconds past its time after which an object is looked at without the proxies that have not answered.
const PATIENCE_MS: u64 = 5_000;
/// Milliseconds after a failed write until the next.
const WRITE_AGAIN_MS: u64 = 1_000;
/// Versions of an object that we have replaced, as many as a watch may still bring.
const PAST_MAX: usize = 16;

/// A rollout object as the API server has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Where it is.
    pub key: Key,
    /// Tells it from one of the same name before or after (`metadata.uid`).
    pub uid: String,
    /// Tells this state of it from others (`metadata.resourceVersion`).
    pub version: String,
    /// What it asks for, or what is wrong with that.
    pub asked: Result<Asked, String>,
    /// What is written in its status; `None` before the first time.
    pub memory: Option<Memory>,
    /// The newest wish.
    pub wish: Option<Wish>,
    /// Who wrote it last.
    pub leader: Option<String>,
}

/// Who serves a Service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Served {
    /// Where its proxies are read.
    pub targets: Targets,
    /// The longest request timeout of the routes to it.
    pub request_timeout: Span,
}

/// What must be written.
#[derive(Debug, Clone)]
pub struct Write {
    /// The object.
    pub key: Key,
    /// Its uid.
    pub uid: String,
    /// The state of it that this follows from.
    pub version: String,
    /// What is remembered from now on.
    pub memory: Memory,
    /// When it was decided.
    pub at: Timestamp,
}

/// The objects in work.
#[derive(Debug, Default)]
pub struct Desk {
    /// Who works here.
    me: String,
    open: BTreeMap<Key, Open>,
    readings: BTreeMap<SocketAddr, Scraped>,
}

#[derive(Debug)]
struct Open {
    case: Case,
    uid: String,
    version: String,
    past: Vec<String>,
    wish: Option<Wish>,
    due: Timestamp,
    looked: Timestamp,
    writing: bool,
    /// Whether it must be written although nothing has changed: so that what a deposed leader still writes is refused.
    stamp: bool,
}

impl Desk {
    /// An empty desk of a leader.
    pub fn new(me: impl Into<String>) -> Self {
        Self { me: me.into(), ..Self::default() }
    }

    /// Takes in the objects as they are now.
    pub fn take(&mut self, objects: Vec<Object>, now: Timestamp) {
        let mut left = std::mem::take(&mut self.open);
        for object in objects {
            let Ok(asked) = &object.asked else { continue };
            let known = left.remove(&object.key).filter(|open| open.uid == object.uid);
            let open = match known {
                Some(mut open) => {
                    open.renew(asked, &object, now);
                    open
                }
                None => Open::new(asked, &object, &self.me, now),
            };
            self.open.insert(object.key, open);
        }
    }

    /// Takes in what a proxy told.
    pub fn read(&mut self, scraped: Scraped) {
        self.readings.insert(scraped.target, scraped);
    }

    /// Looks at everything that is due. Returns what came of it, and what must be written.
    pub fn look(
        &mut self,
        world: &World,
        served: &BTreeMap<Key, Served>,
        now: Timestamp,
    ) -> (Vec<(Key, Outcome)>, Vec<Write>) {
        let (mut outcomes, mut writes) = (Vec::new(), Vec::new());
        let nobody = Served::default();
        for (key, open) in &mut self.open {
            let by = served.get(&open.case.asked.service).unwrap_or(&nobody);
            if !open.is_due(by, &self.readings, now) {
                continue;
            }
            let proxies = open.proxies(by, &self.readings);
            let outcome = open.case.look(world, &proxies, by.request_timeout, open.wish.take(), now);
            open.looked = now;
            open.due = Timestamp::from_millis(now.millis() + outcome.again_ms.max(LOOK_AGAIN_MIN_MS));
            if open.stamp || open.case.must_write(now) {
                open.writing = true;
                let (uid, version, memory) = (open.uid.clone(), open.version.clone(), open.case.memory.clone());
                writes.push(Write { key: key.clone(), uid, version, memory, at: now });
            }
            outcomes.push((key.clone(), outcome));
        }
        (outcomes, writes)
    }

    /// Notes how a write ended: with the new version of the object, or not.
    pub fn wrote(&mut self, write: Write, version: Option<String>, now: Timestamp) {
        let Some(open) = self.open.get_mut(&write.key).filter(|open| open.uid == write.uid) else { return };
        open.writing = false;
        match version {
            Some(version) => {
                open.stamp = false;
                open.move_on(version);
                open.case.wrote(write.memory, write.at);
            }
            // Either the object has changed, and will be seen, or the API server is away: then all is tried again.
            None => open.due = Timestamp::from_millis(now.millis() + WRITE_AGAIN_MS),
        }
    }

    /// The first moment at which something is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.open.values().filter(|open| !open.writing).map(|open| open.due).min()
    }

    /// The Services in work, and whether a rollout of them is under way.
    pub fn services(&self) -> impl Iterator<Item = (&Key, bool)> {
        self.open.values().map(|open| (&open.case.asked.service, open.case.memory.record.under_way().is_some()))
    }
}

impl Open {
    fn new(asked: &Asked, object: &Object, me: &str, now: Timestamp) -> Self {
        let memory = object.memory.clone().unwrap_or_else(|| Memory::new(now));
        let mut open = Self {
            stamp: object.leader.as_deref() != Some(me),
            case: Case::new(asked.clone(), memory, now),
            uid: object.uid.clone(),
            version: object.version.clone(),
            past: Vec::new(),
            wish: None,
            due: now,
            looked: Timestamp::default(),
            writing: false,
        };
        open.hear(object, now);
        open
    }

    /// Takes in what has changed in the object. What we have written ourselves is known.
    fn renew(&mut self, asked: &Asked, object: &Object, now: Timestamp) {
        if object.version == self.version || self.writing || self.past.contains(&object.version) {
            return;
        }
        self.move_on(object.version.clone());
        if let Some(memory) = object.memory.as_ref().filter(|memory| !self.case.is_written(memory)) {
            // Somebody else has written: that is how it is.
            self.case = Case::new(asked.clone(), memory.clone(), now);
        }
        if self.case.asked != *asked {
            self.case.asked = asked.clone();
            self.due = now;
        }
        self.hear(object, now);
    }

    fn hear(&mut self, object: &Object, now: Timestamp) {
        if let Some(wish) = object.wish.as_ref().filter(|wish| self.case.memory.command.as_ref() != Some(&wish.id)) {
            self.wish = Some(wish.clone());
            self.due = now;
        }
    }

    fn move_on(&mut self, version: String) {
        self.past.push(std::mem::replace(&mut self.version, version));
        self.past.drain(..self.past.len().saturating_sub(PAST_MAX));
    }

    fn is_due(&self, by: &Served, readings: &BTreeMap<SocketAddr, Scraped>, now: Timestamp) -> bool {
        let read = |target: &SocketAddr| readings.get(target).is_some_and(|scraped| scraped.at > self.looked);
        let patient = now.millis_since(self.due) < PATIENCE_MS;
        let waits = self.wish.is_none() && patient && !by.targets.iter().all(read);
        !self.writing && now >= self.due && !waits
    }

    fn proxies(&self, by: &Served, readings: &BTreeMap<SocketAddr, Scraped>) -> Proxies {
        Proxies::told_by(by.targets.iter().map(|target| match readings.get(target) {
            Some(scraped) if scraped.at > self.looked => (*target, scraped.at, scraped.told.clone()),
            _ => (*target, self.looked, Err("no answer yet".to_owned())),
        }))
    }
}

#[cfg(test)]
mod tests;
