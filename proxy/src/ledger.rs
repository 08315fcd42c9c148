//! Each visitor at most once: one thread remembers who was seen, failed and converted in a rollout, and counts only the
//! firsts. Workers send it what may be a first.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use foldhash::fast::FixedState;
use tidegate_config::limits;

use crate::assign::Draw;
use crate::cookie::Facts;
use crate::histogram;
use crate::registry::Registry;
use crate::visitor::Standing;

/// How long events may wait: evidence is read every second at most, and a thread that sleeps need not be woken by
/// workers.
const PERIOD: Duration = Duration::from_millis(10);

/// What may be a first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    /// The service's slot in the registry.
    pub service: usize,
    /// The rollout, as in the facts cookie.
    pub rollout: u64,
    /// The epoch of the request.
    pub epoch: u64,
    /// The arm the visitor was sent to.
    pub arm: u8,
    /// The visitor.
    pub visitor: Draw,
    /// How it stands to the rollout. One who knew the service before counts for everything but conversion: habits formed
    /// on the old version would be held against the new one, or its novelty for it.
    pub standing: Standing,
    /// Time to the head of the response, where there was one.
    pub latency: Option<Duration>,
    /// Whether the request failed.
    pub failed: bool,
    /// Whether it was a conversion.
    pub converted: bool,
    /// What the visitor's own cookie says.
    pub facts: Option<Facts>,
}

/// The worker's end: sends without ever waiting.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    queue: SyncSender<Event>,
    dropped: Arc<AtomicU64>,
}

impl Reporter {
    /// Sends an event, or counts it as lost where the queue is full.
    pub(crate) fn report(&self, event: Event) {
        if let Err(TrySendError::Full(_)) = self.queue.try_send(event) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What is remembered of one visitor.
#[derive(Debug, Clone, Copy)]
struct Seen {
    first_epoch: u64,
    met: u16,
    first_arm: u8,
    failed: bool,
    converted: bool,
}

/// The visitors of one rollout.
#[derive(Debug, Default)]
struct Book {
    rollout: u64,
    latest_epoch: u64,
    /// By their draws, which are keyed hashes already.
    visitors: HashMap<u64, Seen, FixedState>,
}

/// The memory of all rollouts.
#[derive(Debug)]
pub(crate) struct Ledger {
    books: HashMap<usize, Book>,
    remembered: usize,
    /// Visitors whose thinning number is below this are counted; 2^32 counts all.
    threshold: u64,
    capacity: usize,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { books: HashMap::new(), remembered: 0, threshold: 1 << 32, capacity: limits::VISITORS_MAX }
    }
}

impl Ledger {
    /// Counts what is a first in `event`.
    pub(crate) fn enter(&mut self, event: &Event, registry: &mut Registry) {
        if u64::from(event.visitor.thinning()) >= self.threshold {
            return;
        }
        let Some(service) = registry.services.get_mut(event.service).and_then(Option::as_mut) else { return };
        let book = self.books.entry(event.service).or_default();
        if book.rollout != event.rollout {
            if event.epoch < book.latest_epoch {
                return; // the last requests of a rollout that is over
            }
            self.remembered -= book.visitors.len();
            *book = Book { rollout: event.rollout, ..Book::default() };
        }
        book.latest_epoch = book.latest_epoch.max(event.epoch);

        let arm = usize::from(event.arm);
        let met = 1u16.checked_shl(u32::from(event.arm)).unwrap_or(0);
        let fresh = Seen { first_epoch: event.epoch, met: 0, first_arm: event.arm, failed: false, converted: false };
        let mut anonymous = fresh;
        let (seen, known) = if event.standing == Standing::Anonymous {
            (&mut anonymous, false)
        } else {
            match book.visitors.entry(event.visitor.0) {
                Entry::Occupied(entry) => (entry.into_mut(), true),
                Entry::Vacant(entry) => {
                    self.remembered += 1;
                    (entry.insert(event.facts.map_or(fresh, Seen::from)), event.facts.is_some())
                }
            }
        };
        let Some(evidence) = service.evidence(event.epoch, arm) else { return };
        if !known {
            evidence.visitors += 1;
            evidence.newcomers += u64::from(event.standing != Standing::Old);
            if let Some(latency) = event.latency {
                evidence.first_latency[histogram::bucket(latency)] += 1;
                evidence.first_seconds += latency.as_secs_f64();
            }
        }
        evidence.exposed += u64::from(seen.met & met == 0);
        seen.met |= met;
        evidence.failed += u64::from(event.failed && !seen.failed);
        seen.failed |= event.failed;
        if event.converted && !seen.converted {
            seen.converted = true;
            // A visitor who was moved between versions says nothing of either.
            let counts = seen.met == met && seen.first_arm == event.arm && event.standing != Standing::Old;
            let first_epoch = seen.first_epoch;
            if let Some(first) = service.evidence(first_epoch, arm).filter(|_| counts) {
                *first.converted.entry(event.epoch).or_default() += 1;
            }
        }
        if self.remembered > self.capacity {
            self.thin();
        }
    }

    /// Halves the part of the visitors that is counted. The number that decides is independent of the assignment, so
    /// what remains is a fair sample.
    fn thin(&mut self) {
        self.threshold /= 2;
        let threshold = self.threshold;
        for book in self.books.values_mut() {
            book.visitors.retain(|visitor, _| u64::from(Draw(*visitor).thinning()) < threshold);
        }
        self.remembered = self.books.values().map(|book| book.visitors.len()).sum();
    }

    /// The part of the visitors that is counted.
    fn thinning(&self) -> f64 {
        let whole = f64::from(u32::MAX) + 1.0;
        u32::try_from(self.threshold).map_or(1.0, |threshold| f64::from(threshold) / whole)
    }
}

impl From<Facts> for Seen {
    fn from(facts: Facts) -> Self {
        let Facts { rollout: _, first_epoch, first_arm, met, failed, converted } = facts;
        Self { first_epoch, met, first_arm, failed, converted }
    }
}

/// The thread that counts visitors; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Counting {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
    dropped: Arc<AtomicU64>,
}

impl Counting {
    /// Starts the thread; one reporter for each worker.
    pub(crate) fn start(registry: Arc<Mutex<Registry>>, workers: usize) -> std::io::Result<(Self, Vec<Reporter>)> {
        let dropped = Arc::new(AtomicU64::new(0));
        let (queues, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| sync_channel(limits::EVENT_QUEUE_MAX)).unzip();
        let reporter = |queue| Reporter { queue, dropped: Arc::clone(&dropped) };
        let reporters = queues.into_iter().map(reporter).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let body = move || count(&receivers, &registry, &stopped);
        let thread = thread::Builder::new().name("tidegate-ledger".into()).spawn(body)?;
        Ok((Self { stop, thread: Some(thread), dropped }, reporters))
    }

    /// Events that were lost because a queue was full.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic there has been printed already; there is nothing left to save.
            let _ = thread.join();
        }
    }
}

fn count(receivers: &[Receiver<Event>], registry: &Mutex<Registry>, stop: &AtomicBool) {
    let mut ledger = Ledger::default();
    while !stop.load(Ordering::Relaxed) {
        for receiver in receivers {
            let mut events = receiver.try_iter().peekable();
            if events.peek().is_none() {
                continue;
            }
            let mut registry = registry.lock().unwrap_or_else(PoisonError::into_inner);
            for event in events.take(limits::EVENT_QUEUE_MAX) {
                ledger.enter(&event, &mut registry);
            }
            registry.visitors_remembered = ledger.remembered as u64;
            registry.thinned = 1.0 - ledger.thinning();
        }
        thread::park_timeout(PERIOD);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Evidence;

    fn registry() -> Registry {
        let mut registry = Registry::default();
        let names = ["stable", "canary"].map(|name| name.parse().unwrap());
        let slot = registry.slot(&"shop".parse().unwrap());
        let service = registry.services[slot].as_mut().unwrap();
        for epoch in 1..=2 {
            service.enter_epoch(epoch, &names, 1);
        }
        registry
    }

    fn event(visitor: u64, epoch: u64, arm: u8) -> Event {
        let latency = Some(Duration::from_millis(5));
        let visitor = Draw(visitor);
        Event {
            service: 0,
            rollout: 7,
            epoch,
            arm,
            visitor,
            standing: Standing::New,
            latency,
            failed: false,
            converted: false,
            facts: None,
        }
    }

    fn evidence(registry: &mut Registry, epoch: u64, arm: usize) -> Evidence {
        registry.services[0].as_mut().unwrap().evidence(epoch, arm).unwrap().clone()
    }

    #[test]
    fn every_first_counts_once() {
        let (mut ledger, mut registry) = (Ledger::default(), registry());
        for _ in 0..3 {
            ledger.enter(&Event { failed: true, converted: true, ..event(1, 1, 0) }, &mut registry);
        }
        let counted = evidence(&mut registry, 1, 0);
        assert_eq!((counted.visitors, counted.exposed, counted.failed, counted.converted[&1]), (1, 1, 1, 1));
        assert_eq!(counted.first_latency.iter().sum::<u64>(), 1);
    }

    #[test]
    fn a_moved_visitor_is_exposed_again_and_converts_for_nobody() {
        let (mut ledger, mut registry) = (Ledger::default(), registry());
        ledger.enter(&event(1, 1, 0), &mut registry);
        ledger.enter(&Event { failed: true, converted: true, ..event(1, 2, 1) }, &mut registry);
        let (before, after) = (evidence(&mut registry, 1, 0), evidence(&mut registry, 2, 1));
        assert_eq!((before.visitors, before.exposed, before.converted.len()), (1, 1, 0));
        assert_eq!((after.visitors, after.exposed, after.failed, after.converted.len()), (0, 1, 1, 0));
    }

    #[test]
    fn whoever_came_before_counts_for_everything_but_conversion() {
        let (mut ledger, mut registry) = (Ledger::default(), registry());
        ledger.enter(&event(1, 1, 0), &mut registry);
        for before in [2, 3] {
            let known = Event { standing: Standing::Old, ..event(before, 1, 0) };
            ledger.enter(&known, &mut registry);
            ledger.enter(&Event { failed: true, converted: true, ..known }, &mut registry);
        }
        ledger.enter(&Event { converted: true, ..event(1, 1, 0) }, &mut registry);
        let counted = evidence(&mut registry, 1, 0);
        assert_eq!((counted.visitors, counted.exposed, counted.failed), (3, 3, 2));
        assert_eq!((counted.newcomers, counted.converted[&1]), (1, 1));
        assert_eq!(counted.first_latency.iter().sum::<u64>(), 3);
    }

    #[test]
    fn a_late_conversion_belongs_to_the_epoch_of_first_sight() {
        let (mut ledger, mut registry) = (Ledger::default(), registry());
        ledger.enter(&event(1, 1, 1), &mut registry);
        ledger.enter(&Event { converted: true, ..event(1, 2, 1) }, &mut registry);
        assert_eq!(evidence(&mut registry, 1, 1).converted.get(&2), Some(&1));
    }

    #[test]
    fn a_cookie_stands_in_for_a_lost_memory() {
        let (mut ledger, mut registry) = (Ledger::default(), registry());
        let facts = Facts { rollout: 7, first_epoch: 1, first_arm: 0, met: 1, failed: true, converted: false };
        ledger.enter(&Event { failed: true, facts: Some(facts), ..event(1, 2, 0) }, &mut registry);
        let counted = evidence(&mut registry, 2, 0);
        assert_eq!((counted.visitors, counted.exposed, counted.failed), (0, 0, 0));
    }

    #[test]
    fn a_new_rollout_forgets_and_a_finished_one_does_not_return() {
        let (mut ledger, mut registry) = (Ledger::default(), registry());
        ledger.enter(&event(1, 1, 0), &mut registry);
        ledger.enter(&Event { rollout: 8, ..event(1, 2, 0) }, &mut registry);
        ledger.enter(&event(2, 1, 0), &mut registry);
        assert_eq!(ledger.remembered, 1);
        assert_eq!(evidence(&mut registry, 2, 0).visitors, 1);
        assert_eq!(evidence(&mut registry, 1, 0).visitors, 1);
    }

    #[test]
    fn a_full_memory_keeps_a_fair_sample() {
        let mut ledger = Ledger { capacity: 1_000, ..Ledger::default() };
        let mut registry = registry();
        for visitor in 0..20_000u64 {
            let draw = Draw::of(&tidegate_config::Key([1; 16]), &visitor.to_le_bytes());
            let arm = u8::from(draw.place() < 100_000);
            ledger.enter(&Event { visitor: draw, ..event(0, 1, arm) }, &mut registry);
        }
        assert!(ledger.remembered <= 1_000 && ledger.thinning() < 0.1, "{}", ledger.thinning());
        let (stable, canary) = (evidence(&mut registry, 1, 0).visitors, evidence(&mut registry, 1, 1).visitors);
        let (low, high) = ((stable + canary) * 7 / 100, (stable + canary) * 13 / 100);
        assert!((low..high).contains(&canary), "{canary} of {} counted visitors are the canary's", stable + canary);
    }
}
