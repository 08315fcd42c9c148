//! A leader at its desk, its successor, and what the API server lets them write.

mod absence;
mod follow;
mod gates;
mod ordinary;
mod recreate;
mod scale_down;
mod several;
mod undo;
mod wishes;
mod workloads;

use std::sync::Arc;

use tidegate_config::Name;
use tidegate_config::limits::OBJECT_DECISIONS_MAX;
use tidegate_config::policy::{Policy, Strategy};
use tidegate_controller::counters;
use tidegate_controller::engine::{Action, Command, Phase, Verb};

use super::*;
use crate::manifests::{add, asked, deployment, pod, updating};
use crate::rollout_object::Answered;

const START: u64 = 1_700_000_000_000;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(START + millis)
}

fn target() -> SocketAddr {
    "10.0.0.9:9900".parse().unwrap()
}

fn object(version: &str, memory: Option<Memory>) -> Object {
    let policy = Policy { soak: Span::from_secs(12), ..Policy::of(Strategy::Canary) };
    let asked = Asked { policy, stable: Some(name("aa")), ..asked("shop") };
    Object {
        key: Key::new("default", "shop"),
        uid: "u1".into(),
        version: version.into(),
        generation: Some(1),
        service: Some(asked.service.clone()),
        asked: Some(Arc::new(asked)),
        fault: None,
        memory: memory.map(Arc::new),
        conditions: Vec::new(),
        wish: None,
        leader: None,
        leaves: false,
        finalizers: Vec::new(),
    }
}

fn wish(id: &str, verb: Verb) -> Wish {
    Wish { id: id.into(), command: Ok(Command::new(verb, "alice".into())) }
}

/// What the proxy tells: an epoch, and nothing counted in it.
fn told(epoch: u64, at: Timestamp) -> Scraped {
    counted(epoch, 0, at)
}

/// The same with so many requests.
fn counted(epoch: u64, requests: u64, at: Timestamp) -> Scraped {
    let labels = "service=\"shop.default\",version=\"bb\"";
    let text = format!(
        "process_start_time_seconds 1\ntidegate_generation 1\ntidegate_requests_total{{{labels},epoch=\"{epoch}\"}} {requests}\n"
    );
    Scraped { target: target(), at, told: counters::read(&text).map(Arc::new).map_err(|error| error.to_string()) }
}

/// A leader and what it has written.
struct Office {
    desk: Desk,
    world: World,
    served: BTreeMap<Name, Served>,
    stored: Object,
    version: u32,
    told: Vec<News>,
    /// Whether a visitor comes every second.
    visited: bool,
}

impl Office {
    fn new() -> Self {
        let served = Served { managed: true, targets: vec![target()], request_timeout: Span::from_secs(10) };
        let served = BTreeMap::from([(name("shop.default"), served)]);
        let stored = object("1", None);
        let mut office = Self {
            desk: Desk::new("me"),
            world: updating(),
            served,
            stored,
            version: 1,
            told: Vec::new(),
            visited: false,
        };
        office.desk.take(&[Arc::new(office.stored.clone())], at(0));
        office
    }

    fn phase(&self) -> Option<Phase> {
        Some(self.stored.memory.as_ref()?.record.rollout.as_ref()?.phase)
    }

    /// One turn in which the proxy has the stored epoch in force. Returns how many writes there were.
    fn turn(&mut self, now: Timestamp) -> usize {
        let epoch = self.stored.memory.as_ref().map_or(0, |memory| memory.record.epochs.current());
        let requests = if self.visited { now.millis_since(at(0)) / 1_000 } else { 0 };
        self.desk.read(counted(epoch, requests, now));
        let (_, writes) = self.desk.look(&self.world, &self.served, now);
        let count = writes.len();
        for write in writes {
            self.store(write, now);
        }
        count
    }

    /// Somebody has changed the object, and that is seen.
    fn changes(&mut self, now: Timestamp) {
        self.version += 1;
        self.stored.version = self.version.to_string();
        self.desk.take(&[Arc::new(self.stored.clone())], now);
    }

    /// Somebody wishes something, and has a turn's time.
    fn wishes(&mut self, verb: Verb, now: Timestamp) {
        self.stored.wish = Some(wish(&now.millis().to_string(), verb));
        self.changes(now);
        self.turn(now);
    }

    /// What the API server does: it refuses what follows from another state than it has.
    fn store(&mut self, write: Write, now: Timestamp) {
        if write.version != self.stored.version {
            self.told.extend(self.desk.wrote(write, None, now));
            return;
        }
        self.version += 1;
        self.stored.version = self.version.to_string();
        if write.memory.is_some() {
            // What the API server stores is text.
            let text = serde_json::to_string(&write.status).unwrap();
            let status: RolloutStatus = serde_json::from_str(&text).unwrap();
            self.stored.memory = status.remembered().unwrap().map(Arc::new);
        }
        self.stored.conditions.clone_from(&write.status.conditions);
        self.stored.leader.clone_from(&write.status.leader);
        self.told.extend(self.desk.wrote(write, Some(self.stored.version.clone()), now));
        self.desk.take(&[Arc::new(self.stored.clone())], now);
    }
}

#[test]
fn a_new_version_is_noticed_and_written_down_before_anything_else() {
    let mut office = Office::new();
    assert_eq!(office.turn(at(100)), 1);
    assert_eq!(office.phase(), Some(Phase::Progressing));
    let memory = office.stored.memory.clone().unwrap();
    assert_eq!(memory.stable, Some(name("aa")));
    assert_eq!(memory.record.epochs.current(), START + 1, "the shares have an epoch above all earlier ones");
    assert_eq!(office.turn(at(110)), 0, "not due yet");
}

#[test]
fn evidence_is_written_now_and_then_and_decisions_at_once() {
    let mut office = Office::new();
    office.turn(at(0));
    let writes: usize = (1..=60).map(|second| office.turn(at(second * 1_000))).sum();
    assert!((1..=3).contains(&writes), "{writes} writes in a minute in which nobody comes");
    let mut office = Office { visited: true, ..Office::new() };
    office.turn(at(0));
    let writes: usize = (1..=60).map(|second| office.turn(at(second * 1_000))).sum();
    assert!((5..=20).contains(&writes), "{writes} writes in a minute of waiting");
    office.stored.wish = Some(wish("w1", Verb::Abort));
    office.changes(at(61_001));
    assert_eq!(office.turn(at(61_002)), 1, "a wish is not due at a time");
    assert_eq!(office.phase(), Some(Phase::Aborted));
    let memory = office.stored.memory.clone().unwrap();
    assert_eq!(memory.answered, Some(Answered { id: "w1".into(), refused: None }));
    assert_eq!(memory.record.rollout.as_ref().unwrap().recent.last().unwrap().actor, "alice");
    assert_eq!(memory.decisions.last().unwrap().actor, "alice");
}

#[test]
fn a_deposed_leader_changes_nothing_and_takes_over_what_is_written() {
    let mut office = Office::new();
    office.turn(at(0));
    // Frozen between its look and its write.
    office.stored.wish = Some(wish("w1", Verb::Abort));
    office.changes(at(1_000));
    office.desk.read(told(0, at(1_000)));
    let (_, writes) = office.desk.look(&office.world, &office.served, at(1_001));
    assert_eq!(writes.len(), 1);
    let mut successor = Desk::new("other");
    std::mem::swap(&mut office.desk, &mut successor);
    office.stored.wish = Some(wish("w2", Verb::Pause));
    office.desk.take(&[Arc::new(office.stored.clone())], at(16_000));
    assert_eq!(office.turn(at(16_001)), 1);
    assert_eq!(office.phase(), Some(Phase::Paused));
    std::mem::swap(&mut office.desk, &mut successor);
    for write in writes {
        office.store(write, at(17_000));
    }
    assert_eq!(office.phase(), Some(Phase::Paused), "the late write was refused");
    office.desk.take(&[Arc::new(office.stored.clone())], at(17_001));
    office.turn(at(19_000));
    assert_eq!(office.phase(), Some(Phase::Paused), "and what is written is taken over");
}

#[test]
fn what_is_wrong_is_told_once_and_changes_nothing() {
    let mut office = Office::new();
    office.turn(at(0));
    let before = office.stored.memory.clone();
    office.stored.fault = Some(Fault::Invalid("spec.gates[0].job: no job".into()));
    office.stored.asked = None;
    office.changes(at(1_000));
    assert_eq!(office.turn(at(2_000)), 1, "it is told");
    let says = |office: &Office| {
        let found = office.stored.conditions.iter().find(|it| it.type_ == "Accepted").cloned().unwrap();
        (found.status, found.message)
    };
    assert_eq!(says(&office).0, "False");
    assert!(says(&office).1.contains("no job"), "{:?}", says(&office));
    assert_eq!(office.phase(), Some(Phase::Progressing), "the last good one goes on");
    // A successor knows nothing of the last good one: it tells, and leaves what is remembered alone.
    office.desk = Desk::new("other");
    office.desk.take(&[Arc::new(office.stored.clone())], at(3_000));
    assert_eq!(office.turn(at(3_001)), 0, "it is told already");
    office.stored.conditions.clear();
    office.desk.take(&[Arc::new(office.stored.clone())], at(4_000));
    assert_eq!(office.turn(at(4_001)), 1);
    let rollout =
        |memory: &Option<Arc<Memory>>| memory.as_ref().and_then(|it| it.record.rollout.as_ref().map(|it| it.rollout));
    assert_eq!(rollout(&office.stored.memory), rollout(&before));
}

#[test]
fn proxies_that_are_silent_are_waited_for_and_not_for_ever() {
    let mut office = Office::new();
    office.turn(at(0));
    let (_, writes) = office.desk.look(&office.world, &office.served, at(3_000));
    assert!(writes.is_empty(), "nobody has answered since");
    assert_eq!(
        office.desk.next_due(),
        Some(at(office.desk.open.values().next().unwrap().due.millis() - START + PATIENCE_MS))
    );
}

#[test]
fn an_object_of_the_same_name_is_another_one() {
    let mut office = Office::new();
    office.turn(at(0));
    office.stored = Object { uid: "u2".into(), ..object("77", None) };
    office.desk.take(&[Arc::new(office.stored.clone())], at(10));
    office.turn(at(20));
    let memory = office.stored.memory.clone().unwrap();
    assert_eq!(memory.record.epochs.current(), START + 11, "it begins anew, above what was");
    office.desk.take(&[], at(30));
    assert_eq!(office.desk.next_due(), None, "what is gone is not worked on");
}

#[test]
fn people_are_told_what_is_written_and_once() {
    let mut office = Office::new();
    office.turn(at(0));
    let reasons = |office: &Office| office.told.iter().map(|news| news.reason).collect::<Vec<_>>();
    assert_eq!(reasons(&office), ["RolloutStarted"]);
    office.turn(at(30_000));
    // A write that is refused tells nothing: what was decided on a state that is over is not.
    office.stored.wish = Some(wish("w1", Verb::Pause));
    office.changes(at(31_000));
    office.desk.read(told(0, at(31_000)));
    let (_, writes) = office.desk.look(&office.world, &office.served, at(31_001));
    office.version += 1;
    office.stored.version = office.version.to_string();
    for write in writes {
        office.store(write, at(31_002));
    }
    assert_eq!(reasons(&office), ["RolloutStarted"]);
    office.desk.take(&[Arc::new(office.stored.clone())], at(31_003));
    office.turn(at(33_000));
    office.turn(at(35_000));
    assert_eq!(reasons(&office), ["RolloutStarted", "RolloutPaused"]);
    office.desk = Desk::new("other");
    office.desk.take(&[Arc::new(office.stored.clone())], at(40_000));
    office.turn(at(40_001));
    office.turn(at(60_000));
    assert_eq!(reasons(&office), ["RolloutStarted", "RolloutPaused"], "a successor repeats nothing");
    let ids: std::collections::BTreeSet<_> = office.told.iter().map(|news| &news.id).collect();
    assert_eq!(ids.len(), 2);
}

#[test]
fn a_status_speaks_about_the_newest_state_soon() {
    let mut office = Office::new();
    office.turn(at(0));
    assert_eq!(office.turn(at(1_000)), 0, "nothing has changed");
    office.version += 1;
    office.stored = Object { generation: Some(2), version: office.version.to_string(), ..office.stored.clone() };
    office.desk.take(&[Arc::new(office.stored.clone())], at(1_001));
    assert_eq!(office.turn(at(1_002)), 1);
    assert_eq!(office.stored.conditions[0].observed_generation, Some(2));
    assert_eq!(office.turn(at(1_003)), 0, "once");
}

#[test]
fn people_are_told_of_a_deadline_that_is_too_short() {
    let reasons = |office: &Office| office.told.iter().map(|news| news.reason).collect::<Vec<_>>();
    for (soak, expected) in [(600, vec!["RolloutStarted", "ProgressDeadlineTooShort"]), (6, vec!["RolloutStarted"])] {
        let mut office = Office::new();
        Arc::make_mut(office.stored.asked.as_mut().unwrap()).policy.soak = Span::from_secs(soak);
        let ready =
            deployment("shop", 3, 1, "2026-01-01T00:00:00Z").replace("status: {", "status: {readyReplicas: 3, ");
        add(&mut office.world, &ready);
        office.desk = Desk::new("me");
        office.desk.take(&[Arc::new(office.stored.clone())], at(0));
        office.turn(at(0));
        assert_eq!(reasons(&office), expected);
        let progressing = office.stored.conditions.iter().find(|it| it.type_ == "Progressing").unwrap();
        assert_eq!(progressing.message.contains("spec.progressDeadlineSeconds: 600"), expected.len() == 2);
    }
}
