//! One worker: what its connections share, none of it with another thread.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use crate::access_log::Log;
use crate::admission::Gate;
use crate::assign::Draw;
use crate::clock;
use crate::endpoint::Endpoint;
use crate::firsts::{Firsts, Memory};
use crate::ledger::Reporter;
use crate::outbox::Outbox;
use crate::parked::Parked;
use crate::pool::Pool;
use crate::refused::Refusal;
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::timer::Timer;

/// The state of one worker thread.
pub(crate) struct Worker {
    /// Which of the counters' shards is its own.
    pub(crate) index: usize,
    /// How many workers there are.
    pub(crate) count: usize,
    pub(crate) timer: Rc<Timer>,
    pub(crate) gate: Rc<Gate>,
    pub(crate) outbox: Rc<Outbox>,
    pub(crate) reporter: Reporter,
    pub(crate) log: Log,
    /// Whether each HTTP/1.1 response is to say that its connection ends.
    pub(crate) leaving: Cell<bool>,
    /// Whether connections are to end after the request they are at.
    pub(crate) draining: Cell<bool>,
    /// Client connections of this worker.
    pub(crate) connections: Cell<u32>,
    /// Held by each of its listeners until it is closed.
    pub(crate) listening: Rc<()>,
    state: Arc<State>,
    /// The snapshot in force, counted without atomics while this thread hands it out.
    #[expect(clippy::redundant_allocation, reason = "the Arc's count is shared by all threads, the Rc's is our own")]
    snapshot: RefCell<Rc<Arc<Snapshot>>>,
    pools: RefCell<HashMap<u64, Rc<Pool>, FixedState>>,
    random: RefCell<StdRng>,
    told: RefCell<Memory>,
}

impl Worker {
    pub(crate) fn new(index: usize, count: usize, state: Arc<State>, reporter: Reporter, log: Log) -> Rc<Self> {
        let snapshot = RefCell::new(Rc::new(state.current().load_full()));
        Rc::new(Self {
            index,
            count,
            timer: Timer::new(clock::now()),
            gate: Rc::default(),
            outbox: Rc::default(),
            reporter,
            log,
            leaving: Cell::new(false),
            draining: Cell::new(false),
            connections: Cell::new(0),
            listening: Rc::default(),
            state,
            snapshot,
            pools: RefCell::default(),
            random: RefCell::new(StdRng::from_rng(&mut rand::rng())),
            told: RefCell::default(),
        })
    }

    /// The snapshot in force; the caller keeps it for the whole request.
    #[expect(clippy::redundant_allocation, reason = "the Arc's count is shared by all threads, the Rc's is our own")]
    pub(crate) fn snapshot(&self) -> Rc<Arc<Snapshot>> {
        let mut held = self.snapshot.borrow_mut();
        let current = self.state.current().load();
        if !Arc::ptr_eq(&held, &current) {
            *held = Rc::new(Arc::clone(&current));
        }
        Rc::clone(&held)
    }

    /// Counts a request that is refused before a route is found.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        self.state.refused().count(self.index, refusal);
    }

    /// The requests that wait for somebody to answer them.
    pub(crate) fn parked(&self) -> &Parked {
        self.state.parked()
    }

    /// The part of a limit of the whole process that this worker may use.
    pub(crate) fn part_of(&self, limit: u32) -> u32 {
        limit.div_ceil(u32::try_from(self.count).unwrap_or(1)).max(1)
    }

    /// Whether nobody is connected, and nobody can be.
    pub(crate) fn is_empty(&self) -> bool {
        self.connections.get() == 0 && Rc::strong_count(&self.listening) == 1
    }

    /// The connections to an endpoint.
    pub(crate) fn pool(&self, endpoint: &Arc<Endpoint>) -> Rc<Pool> {
        let mut pools = self.pools.borrow_mut();
        Rc::clone(pools.entry(endpoint.id).or_insert_with(|| Pool::new(Arc::clone(endpoint))))
    }

    /// A random number.
    pub(crate) fn random(&self) -> u64 {
        self.random.borrow_mut().next_u64()
    }

    /// Two different numbers below `count`, which is 2 or more.
    pub(crate) fn two_of(&self, count: usize) -> (usize, usize) {
        let mut random = self.random.borrow_mut();
        let first = random.random_range(0..count);
        let second = random.random_range(0..count - 1);
        (first, if second >= first { second + 1 } else { second })
    }

    /// A new request id.
    pub(crate) fn request_id(&self) -> RequestId {
        RequestId::from_bits(u128::from(self.random()) << 64 | u128::from(self.random()))
    }

    /// Whether all of this has been told to the ledger already.
    pub(crate) fn recalls(&self, visitor: Draw, rollout: u64, firsts: Firsts) -> bool {
        self.told.borrow_mut().recalls(visitor, rollout, firsts)
    }

    /// Remembers what is being told, and says whether it was known.
    pub(crate) fn remember(&self, visitor: Draw, rollout: u64, firsts: Firsts) -> bool {
        self.told.borrow_mut().remember(visitor, rollout, firsts)
    }

    /// Moves the clock, wakes what has expired, and now and then closes what is idle for too long.
    pub(crate) fn tick(&self, now: Instant) {
        self.timer.advance(now);
        if self.timer.now().is_multiple_of(Timer::ticks(Duration::from_secs(1))) {
            let (snapshot, now) = (self.snapshot(), self.timer.now());
            let idle = snapshot.timeouts.endpoint_idle;
            self.pools.borrow_mut().retain(|_, pool| !pool.sweep(now, idle));
        }
    }
}

/// Names a request: 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RequestId([u8; 32]);

impl RequestId {
    fn from_bits(bits: u128) -> Self {
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(bits.to_le_bytes()) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        Self(text)
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access_log::AccessLog;
    use crate::ledger::Counting;
    use crate::registry::Registry;

    #[test]
    fn request_ids_differ() {
        let worker = worker();
        let ids: std::collections::HashSet<_> = (0..1_000).map(|_| worker.request_id()).collect();
        assert_eq!(ids.len(), 1_000);
        assert!(ids.iter().all(|id| id.as_bytes().iter().all(u8::is_ascii_hexdigit)));
    }

    fn worker() -> Rc<Worker> {
        let registry = Arc::default();
        let (_, mut reporters) = Counting::start(Arc::clone(&registry), 1).unwrap();
        let (_, mut logs) = AccessLog::start(std::io::sink(), 1).unwrap();
        let publication = tidegate_config::Publication {
            generation: 1,
            cookie_key: tidegate_config::Key([0; 16]),
            config: Arc::new(
                tidegate_config::Config::parse(
                    "{listeners: [{address: '127.0.0.1:0'}], routes: [{service: s}], services: {s: {versions: {v: {endpoints: ['127.0.0.1:1']}}}}}",
                )
                .unwrap(),
            ),
            splits: std::collections::BTreeMap::new(),
        };
        let registry: Arc<std::sync::Mutex<Registry>> = registry;
        let state = Arc::new(State::new(&publication, &std::collections::BTreeMap::new(), 1, registry).unwrap());
        Worker::new(0, 1, state, reporters.remove(0), logs.remove(0))
    }
}
