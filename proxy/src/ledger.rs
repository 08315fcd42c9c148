//! Each visitor at most once: one thread remembers who was seen, failed and converted in a rollout, and counts only the
//! firsts. Workers send it what may be a first.

mod seen;

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
use crate::clock;
use crate::cohort::{Cohort, Cohorts, Window};
use crate::cookie::Facts;
use crate::histogram;
use crate::registry::{Evidence, Registry};
use crate::visitor::Standing;
use seen::{AWAITED, CONVERTED, FAILED, Seen};

/// How long events may wait: evidence is read every second at most, and a thread that sleeps need not be woken by
/// workers.
const PERIOD: Duration = Duration::from_millis(10);

/// A window of the evidence by which the proxy itself takes a canary out of service.
const TRIP_WINDOW: Duration = Duration::from_secs(limits::TRIP_WINDOW_SECONDS as u64);

/// What may be a first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Event {
    /// The service's slot in the registry.
    pub service: usize,
    /// The rollout, as in the facts cookie.
    pub rollout: u64,
    /// The epoch of the request.
    pub epoch: u64,
    /// When it was, in seconds since the Unix epoch.
    pub at: u32,
    /// How long the rollout awaits a conversion.
    pub window: Option<Window>,
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

/// The visitors of one rollout.
#[derive(Debug, Default)]
struct Book {
    rollout: u64,
    latest_epoch: u64,
    window: Option<Window>,
    awaited: Cohorts,
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
    /// Whether somebody has met a first failure since this was last reset.
    failures: bool,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            books: HashMap::new(),
            remembered: 0,
            threshold: 1 << 32,
            capacity: limits::VISITORS_MAX,
            failures: false,
        }
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
            *book = Book { rollout: event.rollout, window: event.window, ..Book::default() };
        }
        book.latest_epoch = book.latest_epoch.max(event.epoch);

        let met = 1u16.checked_shl(u32::from(event.arm)).unwrap_or(0);
        let fresh = Seen::fresh(event);
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
        let Some(evidence) = service.evidence(event.epoch, usize::from(event.arm)) else { return };
        if !known {
            first_sight(event, evidence, seen, book.window, &mut book.awaited);
        }
        evidence.exposed += u64::from(seen.met & met == 0);
        seen.met |= met;
        let fails = event.failed && !seen.is(FAILED);
        evidence.failed += u64::from(fails);
        self.failures |= fails;
        seen.note(FAILED, event.failed);
        if event.converted && !seen.is(CONVERTED) {
            let key = seen.group(book.window);
            seen.note(CONVERTED, true);
            let in_time = book.window.is_none() || event.at < key.0;
            if in_time && seen.is(AWAITED) {
                book.awaited.convert(key);
            }
            // A visitor who was moved between versions says nothing of either.
            let stayed = seen.met == met && seen.first_arm == event.arm;
            let counts = stayed && in_time && event.standing != Standing::Old;
            let first_epoch = seen.first_epoch;
            if let Some(first) = service.evidence(first_epoch, usize::from(event.arm)).filter(|_| counts) {
                *first.converted.entry(event.epoch).or_default() += 1;
            }
        }
        if self.remembered > self.capacity {
            self.thin();
        }
    }

    /// Whether a window has closed by the second `now`.
    fn is_due(&self, now: u32) -> bool {
        self.books.values().any(|book| book.awaited.is_due(now))
    }

    /// Counts the visitors whose windows have closed by the second `now`.
    fn close(&mut self, now: u32, registry: &mut Registry) {
        for (slot, book) in &mut self.books {
            let mut service = registry.services.get_mut(*slot).and_then(Option::as_mut);
            while let Some(((_, epoch, arm), Cohort { visitors, converted })) = book.awaited.next_closed(now) {
                let evidence = service.as_mut().and_then(|service| service.evidence(epoch, usize::from(arm)));
                if let Some(Evidence { closed, .. }) = evidence {
                    closed.converted += converted;
                    closed.unconverted += visitors.saturating_sub(converted);
                }
            }
        }
    }

    /// Halves the part of the visitors that is counted. The number that decides is independent of the assignment, so
    /// what remains is a fair sample.
    fn thin(&mut self) {
        self.threshold /= 2;
        let threshold = self.threshold;
        for Book { visitors, awaited, window, .. } in self.books.values_mut() {
            visitors.retain(|visitor, seen| {
                let stays = u64::from(Draw(*visitor).thinning()) < threshold;
                if !stays && seen.is(AWAITED) {
                    awaited.leave(seen.group(*window), seen.is(CONVERTED));
                }
                stays
            });
        }
        self.remembered = self.books.values().map(|book| book.visitors.len()).sum();
    }

    /// The part of the visitors that is counted.
    fn thinning(&self) -> f64 {
        let whole = f64::from(u32::MAX) + 1.0;
        u32::try_from(self.threshold).map_or(1.0, |threshold| f64::from(threshold) / whole)
    }
}

/// Counts a visitor whom the rollout sees for the first time; of a new one the conversion is awaited from now on.
fn first_sight(event: &Event, evidence: &mut Evidence, seen: &mut Seen, window: Option<Window>, awaited: &mut Cohorts) {
    evidence.visitors += 1;
    if let Some(latency) = event.latency {
        evidence.first_latency[histogram::bucket(latency)] += 1;
        evidence.first_seconds += latency.as_secs_f64();
    }
    if event.standing != Standing::Old {
        evidence.newcomers += 1;
        seen.note(AWAITED, window.is_some() && awaited.join(seen.group(window)));
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
    let mut window = clock::now();
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
        let roll = clock::now().saturating_duration_since(window) >= TRIP_WINDOW;
        if roll {
            window = clock::now();
        }
        if roll || std::mem::take(&mut ledger.failures) {
            registry.lock().unwrap_or_else(PoisonError::into_inner).judge(roll);
        }
        let now = clock::unix_seconds();
        if ledger.is_due(now) {
            ledger.close(now, &mut registry.lock().unwrap_or_else(PoisonError::into_inner));
        }
        thread::park_timeout(PERIOD);
    }
}

#[cfg(test)]
mod tests;
