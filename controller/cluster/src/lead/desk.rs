//! PURE. The rollout objects that a leader works on: which of them are due, what they see, what must be written. The loop
//! around it is in `run`.

mod jobs;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use tidegate_config::{Name, Span};
use tidegate_controller::engine::Timestamp;
use tidegate_controller::proxies::Proxies;
use tidegate_controller::service_record::Logged;

use super::case::{Case, Moment, Outcome};
use super::fault::Fault;
use super::job::Owner;
use super::news::{News, STARTED};
use super::object::{Asked, Object};
use super::scraper::Scraped;
use super::served::Served;
use super::standing::of_object;
use super::wish::Wish;
use crate::rollout_object::conditions::{self, Known};
use crate::rollout_object::{GateStatus, Memory, RolloutStatus};
use crate::world::{Key, World};

pub use jobs::JobWork;

use jobs::Attempts;

/// Least milliseconds between two looks at one object, whatever is asked for.
const LOOK_AGAIN_MIN_MS: u64 = 20;
/// Milliseconds past its time after which an object is looked at without the proxies that have not answered.
const PATIENCE_MS: u64 = 5_000;
/// Milliseconds after a failed write until the next.
const WRITE_AGAIN_MS: u64 = 1_000;
/// How often proxies are read for a Service without a rollout.
const IDLE_READ_EVERY: Span = Span::from_secs(5);
/// Versions of an object that we have replaced, as many as a watch may still bring.
const PAST_MAX: usize = 16;
/// Decisions that wait to be written and told; one write has a few.
const UNTOLD_MAX: usize = 64;

/// What must be written.
#[derive(Debug, Clone)]
pub struct Write {
    /// The object.
    pub key: Key,
    /// Its uid.
    pub uid: String,
    /// The state of it that this follows from.
    pub version: String,
    /// What is remembered from now on, where anything is.
    pub memory: Option<Memory>,
    /// How it stands.
    pub standing: Vec<Known>,
    /// The status that says all of this.
    pub status: RolloutStatus,
    /// When it was decided.
    pub at: Timestamp,
}

/// The objects in work.
#[derive(Debug, Default)]
pub struct Desk {
    /// Who works here.
    me: String,
    open: BTreeMap<Key, Open>,
    /// Objects that say nothing that could be done, and have not been told so yet.
    faulty: BTreeMap<Key, Arc<Object>>,
    readings: BTreeMap<SocketAddr, Scraped>,
}

#[derive(Debug)]
struct Open {
    case: Case,
    uid: String,
    version: String,
    generation: Option<i64>,
    fault: Option<Fault>,
    conditions: Vec<Condition>,
    past: Vec<String>,
    wish: Option<Wish>,
    due: Timestamp,
    looked: Timestamp,
    last: LastWrite,
    /// Whether it is due, and proxies have not answered yet.
    waits: bool,
    /// Whether it must be written although nothing has changed: so that what a deposed leader still writes is refused, or
    /// since it speaks about an older state of the object.
    stamp: bool,
    attempts: Attempts,
    /// Decisions that nobody was told of: they are not written yet.
    untold: Vec<Logged>,
    /// The object as it came while it was being written: what is new in it is told from our own change once that is known.
    unseen: Option<Object>,
}

/// What has become of the last write of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LastWrite {
    Stored,
    UnderWay,
    /// It was refused, or the API server is away: all is looked at again before the next one.
    Failed,
    /// It failed, and the state that it was written to is over: what was decided waits for nothing but the next one.
    Overtaken,
}

impl Desk {
    /// An empty desk of a leader.
    pub fn new(me: impl Into<String>) -> Self {
        Self { me: me.into(), ..Self::default() }
    }

    /// Takes in the objects as they are now.
    pub fn take(&mut self, objects: &[Arc<Object>], now: Timestamp) {
        let mut left = std::mem::take(&mut self.open);
        self.faulty.clear();
        for object in objects {
            let known = left.remove(&object.key).filter(|open| open.uid == object.uid);
            let conflicted = matches!(object.fault, Some(Fault::Conflicted(_)));
            let open = match (known, &object.asked) {
                (Some(mut open), asked) if !conflicted => {
                    open.renew(asked.as_deref(), object, now);
                    open
                }
                (_, Some(asked)) => Open::new(asked, object, &self.me, now),
                (_, None) => {
                    self.faulty.insert(object.key.clone(), Arc::clone(object));
                    continue;
                }
            };
            self.open.insert(object.key.clone(), open);
        }
    }

    /// Forgets what proxies told that are read no more.
    pub fn keep(&mut self, is_read: impl Fn(&SocketAddr) -> bool) {
        self.readings.retain(|target, _| is_read(target));
    }

    /// Takes in what a proxy told.
    pub fn read(&mut self, scraped: Scraped) {
        self.readings.insert(scraped.target, scraped);
    }

    /// Looks at everything that is due. Returns what was decided, and what must be written.
    pub fn look(
        &mut self,
        world: &World,
        served: &BTreeMap<Name, Served>,
        now: Timestamp,
    ) -> (Vec<(Key, Outcome)>, Vec<Write>) {
        let mut outcomes = Vec::new();
        let mut writes: Vec<Write> =
            std::mem::take(&mut self.faulty).into_values().filter_map(|it| told(&it, now)).collect();
        let nobody = Served::default();
        for (key, open) in &mut self.open {
            if open.last == LastWrite::Overtaken && open.wish.is_none() && now >= open.due {
                writes.extend(open.begin(key, &self.me, now));
                continue;
            }
            let by = served.get(&open.case.asked.name).unwrap_or(&nobody);
            if !open.is_due(by, &self.readings, now) {
                open.waits = now >= open.due;
                continue;
            }
            open.waits = false;
            let proxies = open.proxies(by, &self.readings);
            let wish = open.wish.take();
            let owner = Owner { key, uid: &open.uid };
            let (fault, refused) = (open.fault.as_ref(), &open.attempts.refused);
            let moment = Moment { world, owner, refused, proxies: &proxies, served: by, fault, now };
            let outcome = open.case.look(&moment, wish);
            open.attempts.keep(&open.case.memory.gates, now);
            open.looked = now;
            open.due = Timestamp::from_millis(now.millis() + outcome.again_ms.max(LOOK_AGAIN_MIN_MS));
            if open.stamp || open.case.must_write(now) {
                writes.extend(open.begin(key, &self.me, now));
            }
            open.untold.extend(outcome.decided.iter().cloned());
            open.untold.drain(..open.untold.len().saturating_sub(UNTOLD_MAX));
            outcomes.push((key.clone(), outcome));
        }
        (outcomes, writes)
    }

    /// Notes how a write ended: with the new version of the object, or not. Returns what people are to be told of it.
    pub fn wrote(&mut self, write: Write, version: Option<String>, now: Timestamp) -> Vec<News> {
        let Some(open) = self.open.get_mut(&write.key).filter(|open| open.uid == write.uid) else { return Vec::new() };
        open.last = LastWrite::Stored;
        let mut news = Vec::new();
        if let (Some(version), Some(memory)) = (version, write.memory) {
            open.stamp = false;
            open.move_on(version);
            open.conditions = write.status.conditions;
            news = open.news(&memory);
            open.case.wrote(memory, write.standing, write.at);
        } else {
            // Either the object has changed, and is seen, or the API server is away: then all is tried again.
            open.last = LastWrite::Failed;
            open.due = Timestamp::from_millis(now.millis() + WRITE_AGAIN_MS);
        }
        if let Some(object) = open.unseen.take() {
            open.renew(None, &object, now);
        }
        news
    }

    /// The first moment at which something is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        let due = |open: &Open| {
            if open.waits { Timestamp::from_millis(open.due.millis() + PATIENCE_MS) } else { open.due }
        };
        self.open.values().filter(|open| open.last != LastWrite::UnderWay).map(due).chain(self.next_job()).min()
    }

    /// The names of the Services in work, each with how often its proxies are to be read.
    pub fn reads(&self) -> impl Iterator<Item = (&Name, Span)> {
        self.open.values().map(|open| {
            let status = open.case.memory.record.under_way();
            (&open.case.asked.name, status.map_or(IDLE_READ_EVERY, |status| status.plan.scrape_interval))
        })
    }
}

/// What an object is told that says nothing that could be done; `None` where it was told already, or cannot be.
fn told(object: &Object, now: Timestamp) -> Option<Write> {
    let standing = of_object(object.fault.as_ref());
    let says = |known: &Known| {
        let found = object.conditions.iter().find(|it| it.type_ == known.about.as_str());
        found.is_some_and(|it| it.reason == known.reason && it.message == known.message)
    };
    if standing.iter().all(says) {
        return None;
    }
    let mut status = RolloutStatus { conditions: object.conditions.clone(), ..RolloutStatus::default() };
    conditions::note(&mut status.conditions, &standing, object.generation, &conditions::dated(now));
    let Object { key, uid, version, .. } = object.clone();
    Some(Write { key, uid, version, memory: None, standing, status, at: now })
}

impl Open {
    fn new(asked: &Asked, object: &Object, me: &str, now: Timestamp) -> Self {
        let memory = object.memory.as_deref().cloned().unwrap_or_else(|| Memory::new(now));
        let mut open = Self {
            stamp: object.leader.as_deref() != Some(me),
            case: Case::new(asked.clone(), memory, now),
            uid: object.uid.clone(),
            version: object.version.clone(),
            generation: object.generation,
            fault: object.fault.clone(),
            conditions: object.conditions.clone(),
            past: Vec::new(),
            wish: None,
            due: now,
            looked: Timestamp::default(),
            last: LastWrite::Stored,
            waits: false,
            attempts: Attempts::default(),
            untold: Vec::new(),
            unseen: None,
        };
        open.hear(object, now);
        open
    }

    /// Takes in what has changed in the object. What we have written ourselves is known, and what is wrong with it changes
    /// nothing of what was good.
    fn renew(&mut self, asked: Option<&Asked>, object: &Object, now: Timestamp) {
        if self.fault != object.fault {
            self.fault.clone_from(&object.fault);
            self.due = now;
        }
        // This does not come from the object alone: the ports of its Service are in it.
        if let Some(asked) = asked.filter(|asked| self.case.asked != **asked) {
            self.case.asked = asked.clone();
            self.due = now;
        }
        if object.version == self.version || self.past.contains(&object.version) {
            return;
        }
        if self.last == LastWrite::UnderWay {
            self.unseen = Some(object.clone());
            return;
        }
        self.move_on(object.version.clone());
        if self.generation != object.generation {
            // Whoever has changed it waits until the status speaks about that.
            (self.generation, self.stamp, self.due) = (object.generation, true, now);
        }
        if let Some(memory) = object.memory.as_ref().filter(|memory| !self.case.is_written(memory)) {
            // Somebody else has written: that is how it is.
            self.case = Case::new(self.case.asked.clone(), (**memory).clone(), now);
            self.conditions.clone_from(&object.conditions);
            self.untold.clear();
            self.last = LastWrite::Stored;
        }
        if self.last == LastWrite::Failed {
            self.last = LastWrite::Overtaken;
            self.due = now;
        }
        self.hear(object, now);
    }

    fn hear(&mut self, object: &Object, now: Timestamp) {
        let answered = self.case.memory.answered.as_ref().map(|answered| &answered.id);
        if let Some(wish) = object.wish.as_ref().filter(|wish| answered != Some(&wish.id)) {
            self.wish = Some(wish.clone());
            self.due = now;
        }
    }

    /// Begins a write, where there is one.
    fn begin(&mut self, key: &Key, me: &str, now: Timestamp) -> Option<Write> {
        let write = self.write(key, me, now);
        self.last = if write.is_some() { LastWrite::UnderWay } else { LastWrite::Stored };
        write
    }

    /// The status to be written; `None` where it would be too large, which the limits of what is in it prevent.
    fn write(&self, key: &Key, me: &str, now: Timestamp) -> Option<Write> {
        let Case { memory, standing, .. } = &self.case;
        let mut status = RolloutStatus { observed_generation: self.generation, ..RolloutStatus::default() };
        status.conditions.clone_from(&self.conditions);
        conditions::note(&mut status.conditions, standing, self.generation, &conditions::dated(now));
        status.remember(memory, me).ok()?;
        let (uid, version) = (self.uid.clone(), self.version.clone());
        let (memory, standing) = (Some(memory.clone()), standing.clone());
        Some(Write { key: key.clone(), uid, version, memory, standing, status, at: now })
    }

    /// What is new in a memory that has just been written.
    fn news(&mut self, written: &Memory) -> Vec<News> {
        let told = self.untold.iter().take_while(|decided| decided.number <= written.record.decisions).count();
        let decided: Vec<News> = self.untold.drain(..told).filter_map(|decided| News::of_decision(&decided)).collect();
        let stood =
            |gate: &GateStatus| self.case.written().gates.iter().find(|it| it.job == gate.job).map(|it| it.state);
        let gates = written.gates.iter().filter(|gate| stood(gate) != Some(gate.state)).filter_map(News::of_gate);
        let ordinary =
            written.ordinary.as_ref().filter(|version| self.case.written().ordinary.as_ref() != Some(version));
        let ordinary = ordinary.and_then(|version| News::of_ordinary(version, written));
        let short = decided.iter().any(|it| it.reason == STARTED).then_some(self.case.too_short.as_ref()).flatten();
        let short = short.map(|note| News::of_deadline(note, written));
        gates.chain(decided).chain(short).chain(ordinary).collect()
    }

    fn move_on(&mut self, version: String) {
        self.past.push(std::mem::replace(&mut self.version, version));
        self.past.drain(..self.past.len().saturating_sub(PAST_MAX));
    }

    fn is_due(&self, by: &Served, readings: &BTreeMap<SocketAddr, Scraped>, now: Timestamp) -> bool {
        let read = |target: &SocketAddr| readings.get(target).is_some_and(|scraped| scraped.at > self.looked);
        let patient = now.millis_since(self.due) < PATIENCE_MS;
        let waits = self.wish.is_none() && patient && !by.targets.iter().all(read);
        self.last != LastWrite::UnderWay && now >= self.due && !waits
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
