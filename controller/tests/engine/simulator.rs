//! A service with visitors, in virtual time: what its proxies would count, fed to the engine look by look.
//!
//! Every visitor is drawn from one seeded generator: who it is (its place on the line of shares), when it converts,
//! whether a request fails and how long it takes. The same seed gives the same history.

use std::collections::{BTreeMap, VecDeque};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidegate_config::policy::{Policy, Step, Strategy};
use tidegate_config::{Name, Share, Span};
use tidegate_controller::engine::{
    ArmCounters, ArmRow, Command, Decision, Effect, Endpoints, EpochShares, Gates, InstanceScrape, Observation, Record,
    Refusal, Rivals, Scrapes, ServiceCounters, Start, Status, Timestamp, Verb, decide,
};

/// How the visitors and the versions behave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct World {
    /// New visitors per second.
    pub(crate) visitors: u32,
    /// Requests of each, 0.7 s apart.
    pub(crate) requests: u32,
    /// Chance that a request fails: stable, canary.
    pub(crate) failures: [f64; 2],
    /// From when to when (seconds since the start) both versions fail with this chance.
    pub(crate) outage: Option<(f64, f64, f64)>,
    /// Chance that a visitor converts, after 2 s on average: stable, canary.
    pub(crate) conversion: [f64; 2],
    /// Seconds after first sight in which conversions count; 0: always.
    pub(crate) window: f64,
    /// Factor of the canary's latency over stable's.
    pub(crate) slow: f64,
    /// Latency is log-normal around 20 ms with this sigma.
    pub(crate) sigma: f64,
    /// Chance that a request takes half a second longer, in either version.
    pub(crate) stalls: f64,
}

/// Nothing wrong, nothing better.
pub(crate) const HEALTHY: World = World {
    visitors: 200,
    requests: 1,
    failures: [0.002; 2],
    outage: None,
    conversion: [0.0; 2],
    window: 0.0,
    slow: 1.0,
    sigma: 0.25,
    stalls: 0.0,
};

#[derive(Clone, Copy)]
enum Event {
    Request { left: u32, failed: bool, met_canary: bool },
    Conversion,
    Closing { converted: bool },
}

#[derive(Clone, Copy)]
struct Visit {
    place: f64,
    canary_first: bool,
    first_epoch: u64,
    event: Event,
}

/// One rollout under way.
#[expect(clippy::struct_excessive_bools, reason = "switches that tests turn one by one")]
pub(crate) struct Simulation {
    pub(crate) world: World,
    pub(crate) status: Status,
    pub(crate) records: Vec<Record>,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) now_ms: u64,
    /// Whether proxies take over what is published.
    pub(crate) acknowledges: bool,
    /// Whether they can be read.
    pub(crate) readable: bool,
    pub(crate) endpoints: Endpoints,
    pub(crate) tripped: bool,
    pub(crate) gates: Gates,
    /// Whether the status goes through its stored form at every look.
    pub(crate) restarts: bool,
    pub(crate) epochs: Vec<EpochShares>,
    pub(crate) counters: BTreeMap<(bool, u64), ArmCounters>,
    interval_ms: u64,
    generation: u64,
    in_force: u64,
    serving: usize,
    second: f64,
    queue: VecDeque<Vec<Visit>>,
    rng: StdRng,
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

pub(crate) fn steps(shares: &[&str]) -> Vec<Step> {
    shares.iter().map(|share| share.parse().expect("a step")).collect()
}

/// An endpoint of each version, which can be reached.
pub(crate) const ONE_EACH: Endpoints =
    Endpoints { canary_reachable: 1, canary_total: 1, stable_reachable: 1, stable_total: 1, canary_awaited: false };

/// A canary policy that is quick to judge.
pub(crate) fn canary(shares: &[&str]) -> Policy {
    Policy {
        steps: Some(steps(shares)),
        soak: Span::from_secs(10),
        warm_up: Span::ZERO,
        deadline: Span::from_secs(600),
        scrape_interval: Some(Span::from_secs(1)),
        max_harm: "0.5%".parse().expect("a budget"),
        ..Policy::of(Strategy::Canary)
    }
}

pub(crate) fn start(policy: Policy) -> Start {
    Start {
        rollout: "00000000deadbeef".parse().expect("an id"),
        service: name("shop"),
        stable: name("v1"),
        canary: name("v2"),
        rivals: Vec::new(),
        revision: None,
        policy,
        request_timeout: Span::from_secs(2),
        counts_per_visitor: 1,
        history: None,
    }
}

impl Simulation {
    pub(crate) fn new(world: World, policy: Policy, seed: u64) -> Self {
        Self::gated(world, policy, seed, Gates::default())
    }

    /// One with work that must succeed first. It has had its first look, and one that sees the first publication in force.
    pub(crate) fn gated(world: World, policy: Policy, seed: u64, gates: Gates) -> Self {
        let now_ms = 1_700_000_000_000;
        let status = Status::start(start(policy), Timestamp::from_millis(now_ms));
        let interval_ms = status.plan.scrape_interval.millis();
        let mut simulation = Self {
            world,
            status,
            records: Vec::new(),
            refusal: None,
            now_ms,
            acknowledges: true,
            readable: true,
            endpoints: ONE_EACH,
            tripped: false,
            gates,
            restarts: false,
            epochs: vec![EpochShares::of_two(1, Share::ZERO, Share::ALL)],
            counters: BTreeMap::new(),
            interval_ms,
            generation: 0,
            in_force: 0,
            serving: 0,
            second: 0.0,
            queue: VecDeque::new(),
            rng: StdRng::seed_from_u64(seed),
        };
        simulation.look(Scrapes::Skipped, None);
        simulation
    }

    /// One scrape interval of traffic, then a look; publications come into force at once.
    pub(crate) fn tick(&mut self) {
        self.traffic();
        self.now_ms += self.interval_ms;
        let scrapes = if self.readable { self.scrape() } else { Scrapes::Outage("connection refused".to_owned()) };
        self.look(scrapes, None);
    }

    /// A command between two scrapes.
    pub(crate) fn command(&mut self, verb: Verb) -> Option<Refusal> {
        self.look(Scrapes::Skipped, Some(Command::new(verb, "ann".to_owned())));
        self.refusal.clone()
    }

    /// Ticks until `done`, or for so many seconds. Returns whether it was done.
    pub(crate) fn run_until(&mut self, seconds: u32, done: impl Fn(&Status) -> bool) -> bool {
        for _ in 0..u64::from(seconds) * 1_000 / self.interval_ms {
            if done(&self.status) {
                return true;
            }
            self.tick();
        }
        done(&self.status)
    }

    /// Ticks for so many seconds.
    pub(crate) fn run(&mut self, seconds: u32) {
        self.run_until(seconds, |_| false);
    }

    /// Ticks until it is over, at most so many seconds.
    pub(crate) fn finish(&mut self, seconds: u32) {
        self.run_until(seconds, |status| status.phase.is_over());
    }

    pub(crate) fn scrape(&self) -> Scrapes {
        let row = |((canary, epoch), counters): (&(bool, u64), &ArmCounters)| ArmRow {
            version: name(if *canary { "v2" } else { "v1" }),
            epoch: *epoch,
            counters: counters.clone(),
        };
        let rows = self.counters.iter().map(row).collect();
        let counters = ServiceCounters { rows };
        Scrapes::Seen(vec![InstanceScrape { instance: "one".to_owned(), started: 1.0, counters }])
    }

    pub(crate) fn look(&mut self, scrapes: Scrapes, command: Option<Command>) {
        let observation = Observation {
            scrapes,
            in_force: Some(self.in_force),
            command,
            epochs: self.epochs.clone(),
            endpoints: self.endpoints,
            tripped: self.tripped,
            gates: self.gates.clone(),
            rivals: Rivals::default(),
        };
        let decision = decide(&self.status, &observation, Timestamp::from_millis(self.now_ms));
        let Decision { status, records, effects, refusal, check_again: _ } = decision;
        self.status = status;
        self.records.extend(records);
        self.refusal = refusal;
        if self.restarts {
            let stored = serde_json::to_string(&self.status).expect("a status can be stored");
            self.status = serde_json::from_str(&stored).expect("and read again");
        }
        if effects.contains(&Effect::Publish) {
            self.publish();
        }
    }

    fn publish(&mut self) {
        let share = self.status.share;
        if self.epochs.last().is_none_or(|last| last.canary != share) {
            let epoch = self.epochs.len() as u64 + 1;
            self.epochs.push(EpochShares::of_two(epoch, share, Share::ALL.minus(share)));
        }
        self.generation += 1;
        self.status.published(self.generation);
        if self.acknowledges {
            self.in_force = self.generation;
            self.serving = self.epochs.len() - 1;
            let refusal = self.refusal.take();
            self.look(Scrapes::Skipped, None);
            self.refusal = refusal;
        }
    }

    fn traffic(&mut self) {
        let length = f64::from(u32::try_from(self.interval_ms).expect("a short interval")) / 1_000.0;
        let mut due = self.queue.pop_front().unwrap_or_default();
        let arrivals = f64::from(self.world.visitors) * length;
        let mut left = arrivals;
        // A part of a visitor arrives with that chance.
        while left >= 1.0 || (left > 0.0 && self.rng.random_bool(left)) {
            left -= 1.0;
            let place = self.rng.random();
            let event = Event::Request { left: self.world.requests, failed: false, met_canary: false };
            due.push(Visit { place, canary_first: false, first_epoch: 0, event });
        }
        for visit in due {
            self.visit(visit, length);
        }
        self.second += length;
    }

    fn visit(&mut self, mut visit: Visit, length: f64) {
        let shares = self.epochs[self.serving].clone();
        let canary = visit.place < shares.canary.fraction();
        match visit.event {
            Event::Conversion => {
                if canary == visit.canary_first {
                    let counters = self.counters.entry((canary, visit.first_epoch)).or_default();
                    match counters.converted.iter_mut().find(|(at, _)| *at == shares.epoch) {
                        Some((_, count)) => *count += 1,
                        None => counters.converted.push((shares.epoch, 1)),
                    }
                }
            }
            Event::Closing { converted } => {
                let counters = self.counters.entry((visit.canary_first, visit.first_epoch)).or_default();
                let outcome = if converted { &mut counters.closed_converted } else { &mut counters.closed_unconverted };
                *outcome += 1;
            }
            Event::Request { left, failed, met_canary } => {
                let first = visit.first_epoch == 0;
                let fails = self.rng.random_bool(self.failure(canary));
                let latency = first.then(|| self.latency(canary));
                let counters = self.counters.entry((canary, shares.epoch)).or_default();
                counters.requests += 1;
                counters.failures += u64::from(fails);
                counters.failed += u64::from(fails && !failed);
                counters.visitors += u64::from(first);
                counters.newcomers += u64::from(first);
                counters.exposed += u64::from(first || (canary && !met_canary && !visit.canary_first));
                if let Some(bucket) = latency {
                    counters.first_latency.resize(70, 0);
                    counters.first_latency[bucket] += 1;
                    visit.canary_first = canary;
                    visit.first_epoch = shares.epoch;
                    self.convert_later(visit, canary, length);
                }
                if left > 1 {
                    let event =
                        Event::Request { left: left - 1, failed: failed || fails, met_canary: met_canary || canary };
                    let delay = self.somewhere(0.7, length);
                    self.later(Visit { event, ..visit }, delay, length);
                }
            }
        }
    }

    fn convert_later(&mut self, visit: Visit, canary: bool, length: f64) {
        let window = self.world.window;
        let mut converted = self.rng.random_bool(self.world.conversion[usize::from(canary)]);
        if converted {
            let lag = -2.0 * (1.0 - self.rng.random::<f64>()).ln();
            converted = window <= 0.0 || lag < window;
            let delay = self.somewhere(lag, length);
            if converted {
                self.later(Visit { event: Event::Conversion, ..visit }, delay, length);
            }
        }
        if window > 0.0 {
            // A tick later than any conversion in time.
            self.later(Visit { event: Event::Closing { converted }, ..visit }, window + 2.0 * length, length);
        }
    }

    /// A delay from somewhere within a tick.
    fn somewhere(&mut self, delay: f64, length: f64) -> f64 {
        delay + self.rng.random::<f64>() * length
    }

    fn later(&mut self, visit: Visit, delay: f64, length: f64) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few ticks")]
        let ticks = (delay / length) as usize;
        // What happens within this tick happens at the beginning of the next one.
        let at = ticks.saturating_sub(1);
        while self.queue.len() <= at {
            self.queue.push_back(Vec::new());
        }
        self.queue[at].push(visit);
    }

    fn failure(&self, canary: bool) -> f64 {
        match self.world.outage {
            Some((from, to, chance)) if (from..to).contains(&self.second) => chance,
            _ => self.world.failures[usize::from(canary)],
        }
    }

    fn latency(&mut self, canary: bool) -> usize {
        let (u, v): (f64, f64) = (1.0 - self.rng.random::<f64>(), self.rng.random());
        let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
        let stall = if self.rng.random_bool(self.world.stalls) { 500.0 } else { 0.0 };
        let ms = 20.0 * (self.world.sigma * normal).exp() * if canary { self.world.slow } else { 1.0 } + stall;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bucket's number")]
        let bucket = (4.0 * ms.max(1.0).log2()).ceil() as usize;
        bucket.min(69)
    }
}
