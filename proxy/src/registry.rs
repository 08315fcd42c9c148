//! The counters of every service, version and epoch: where workers' shards are found again to be summed, and where the
//! evidence counted per visitor lives.
//!
//! Its lock is taken by the thread that counts visitors, by a scrape and when shares change; never by a worker.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use tidegate_config::{Name, limits};

use crate::histogram::BUCKETS;
use crate::shard::{Requests, Shards};
use crate::trip::{Seen, Trip, Windows};

/// Evidence of one version in one epoch, each visitor counted at most once for each number.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// Visitors first seen by the rollout here.
    pub visitors: u64,
    /// Those of them who were not known before the rollout: whose conversion counts.
    pub newcomers: u64,
    /// Visitors who met this version for the first time.
    pub exposed: u64,
    /// Visitors whose first failure in the rollout was here.
    pub failed: u64,
    /// Visitors first seen here who converted, by the epoch in which they did.
    pub converted: BTreeMap<u64, u64>,
    /// New visitors first seen here whose window has closed.
    pub closed: Closed,
    /// Latency buckets of each visitor's first request.
    pub first_latency: [u64; BUCKETS],
    /// Sum of those latencies in seconds.
    pub first_seconds: f64,
}

/// How windows have closed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Closed {
    /// With a conversion in time, on whichever version.
    pub converted: u64,
    /// Without one.
    pub unconverted: u64,
}

impl Default for Evidence {
    fn default() -> Self {
        Self {
            visitors: 0,
            newcomers: 0,
            exposed: 0,
            failed: 0,
            converted: BTreeMap::new(),
            closed: Closed::default(),
            first_latency: [0; BUCKETS],
            first_seconds: 0.0,
        }
    }
}

/// Request counters: written to by workers, or final.
#[derive(Debug, Clone)]
enum Counters {
    Live(Arc<Shards>),
    Frozen(Box<Requests>),
}

/// One version in one epoch.
#[derive(Debug, Clone)]
pub struct Cell {
    /// The version.
    pub version: Name,
    counters: Counters,
    /// What is counted per visitor.
    pub evidence: Evidence,
}

impl Cell {
    /// The request counters.
    pub fn requests(&self) -> Requests {
        match &self.counters {
            Counters::Live(shards) => shards.sum(),
            Counters::Frozen(sum) => (**sum).clone(),
        }
    }

    /// What decides whether it is taken out of service.
    fn seen(&self) -> Seen {
        let requests = self.requests();
        Seen { requests: requests.count, failures: requests.failures.iter().sum(), failed: self.evidence.failed }
    }

    /// Turns live counters into numbers once no request can write to them any more.
    fn freeze(&mut self) {
        if let Counters::Live(shards) = &self.counters
            && Arc::strong_count(shards) == 1
        {
            let requests = Requests { latency: [0; BUCKETS], ..shards.sum() };
            self.counters = Counters::Frozen(Box::new(requests));
        }
    }
}

/// One epoch of a service.
#[derive(Debug, Clone)]
pub struct Epoch {
    /// Its number.
    pub number: u64,
    /// Its versions, in the order of the split's arms.
    pub cells: Vec<Cell>,
}

/// The proxy's own guards of one epoch.
#[derive(Debug)]
struct Guard {
    epoch: u64,
    trips: Vec<(Arc<Trip>, Windows)>,
}

/// The counters of one service.
#[derive(Debug)]
pub struct Service {
    /// Its name.
    pub name: Name,
    /// Oldest first; at most [`limits::EPOCHS_MAX`].
    pub epochs: VecDeque<Epoch>,
    /// Requests of versions that a tester chose: outside every epoch.
    pub outside: BTreeMap<Name, Arc<Shards>>,
    /// What was counted in epochs that are over for good, by version.
    folded: BTreeMap<Name, Requests>,
    /// Guards the visitors in the newest epoch.
    guard: Option<Guard>,
    /// Epochs beyond the limit whose last requests are still running.
    retiring: Vec<Cell>,
}

impl Service {
    /// A service without counters.
    pub fn new(name: Name) -> Self {
        let (epochs, outside, folded) = (VecDeque::new(), BTreeMap::new(), BTreeMap::new());
        Self { name, epochs, outside, folded, guard: None, retiring: Vec::new() }
    }

    /// What was counted in epochs beyond the limit, by version, the last requests of which may be running.
    pub fn retired(&self) -> BTreeMap<Name, Requests> {
        let mut sums = self.folded.clone();
        for cell in &self.retiring {
            *sums.entry(cell.version.clone()).or_default() += &cell.requests();
        }
        sums
    }

    /// The shards of each version in an epoch: known ones, or new ones at zero.
    pub(crate) fn enter_epoch(&mut self, number: u64, versions: &[Name], workers: usize) -> Vec<Arc<Shards>> {
        if let Some(epoch) = self.epochs.iter_mut().find(|epoch| epoch.number == number) {
            return versions.iter().map(|version| epoch.shards(version, workers)).collect();
        }
        let mut epoch = Epoch { number, cells: Vec::new() };
        let shards = versions.iter().map(|version| epoch.shards(version, workers)).collect();
        self.epochs.push_back(epoch);
        self.tidy();
        shards
    }

    /// The guards of an epoch: the known ones, or new ones.
    pub(crate) fn guard(&mut self, epoch: u64, new: impl FnOnce() -> Vec<Trip>) -> Vec<Arc<Trip>> {
        if self.guard.as_ref().is_none_or(|guard| guard.epoch != epoch) {
            let trips = new().into_iter().map(|trip| (Arc::new(trip), Windows::default())).collect();
            self.guard = Some(Guard { epoch, trips });
        }
        self.guard.iter().flat_map(|guard| &guard.trips).map(|(trip, _)| Arc::clone(trip)).collect()
    }

    /// Judges what is tried by what was counted so far; `roll` begins a new window.
    pub(crate) fn judge(&mut self, roll: bool) {
        let Some(guard) = &mut self.guard else { return };
        let Some(epoch) = self.epochs.iter().rev().find(|known| known.number == guard.epoch) else { return };
        for (trip, windows) in &mut guard.trips {
            let seen = trip.arms().map(|arm| epoch.cells.get(arm).map(Cell::seen).unwrap_or_default());
            trip.judge(seen, windows);
            if roll {
                windows.roll(seen);
            }
        }
    }

    /// The shards for requests that a tester sends to a version of choice.
    pub(crate) fn outside(&mut self, version: &Name, workers: usize) -> Arc<Shards> {
        let shards = self.outside.entry(version.clone()).or_insert_with(|| Arc::new(Shards::new(workers)));
        Arc::clone(shards)
    }

    /// Folds epochs past the limit and freezes what nobody writes to.
    pub(crate) fn tidy(&mut self) {
        while self.epochs.len() > limits::EPOCHS_MAX {
            self.retiring.extend(self.epochs.pop_front().into_iter().flat_map(|epoch| epoch.cells));
        }
        let current_and_previous = self.epochs.len().saturating_sub(2);
        for cell in self.epochs.iter_mut().take(current_and_previous).flat_map(|epoch| &mut epoch.cells) {
            cell.freeze();
        }
        for mut cell in std::mem::take(&mut self.retiring) {
            cell.freeze();
            match cell.counters {
                Counters::Frozen(sum) => *self.folded.entry(cell.version).or_default() += &sum,
                Counters::Live(_) => self.retiring.push(cell),
            }
        }
    }

    /// The evidence of one version in one epoch.
    pub(crate) fn evidence(&mut self, epoch: u64, arm: usize) -> Option<&mut Evidence> {
        // The newest epochs are nearly always meant.
        let epoch = self.epochs.iter_mut().rev().find(|known| known.number == epoch)?;
        epoch.cells.get_mut(arm).map(|cell| &mut cell.evidence)
    }
}

impl Epoch {
    fn shards(&mut self, version: &Name, workers: usize) -> Arc<Shards> {
        let index = self.cells.iter().position(|cell| cell.version == *version).unwrap_or_else(|| {
            let counters = Counters::Live(Arc::new(Shards::new(workers)));
            self.cells.push(Cell { version: version.clone(), counters, evidence: Evidence::default() });
            self.cells.len() - 1
        });
        let cell = &mut self.cells[index];
        if let Counters::Live(shards) = &cell.counters {
            return Arc::clone(shards);
        }
        // An epoch that is entered again after it was frozen (its service left the file and came back) counts on from
        // zero, which readers see as a restarted counter.
        let shards = Arc::new(Shards::new(workers));
        cell.counters = Counters::Live(Arc::clone(&shards));
        shards
    }
}

/// The counters of all services.
#[derive(Debug, Default)]
pub struct Registry {
    /// By slot; `None` where a service has left.
    pub services: Vec<Option<Service>>,
    /// Visitors remembered one by one.
    pub visitors_remembered: u64,
    /// The part of the visitors that is not counted, 0 to 1; above 0 only past the limit.
    pub thinned: f64,
}

impl Registry {
    /// The slot of a service: its own, or a free one.
    pub(crate) fn slot(&mut self, name: &Name) -> usize {
        let own = |service: &Option<Service>| service.as_ref().is_some_and(|service| service.name == *name);
        if let Some(slot) = self.services.iter().position(own) {
            return slot;
        }
        let free = self.services.iter().position(Option::is_none).unwrap_or_else(|| {
            self.services.push(None);
            self.services.len() - 1
        });
        self.services[free] = Some(Service::new(name.clone()));
        free
    }

    /// Judges every canary by what was counted so far; `roll` begins a new window.
    pub(crate) fn judge(&mut self, roll: bool) {
        self.services.iter_mut().flatten().for_each(|service| service.judge(roll));
    }

    /// Forgets the services that `keep` does not name.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Name) -> bool) {
        for slot in &mut self.services {
            if slot.as_ref().is_some_and(|service| !keep(&service.name)) {
                *slot = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn names() -> Vec<Name> {
        ["v1", "v2"].map(|name| name.parse().unwrap()).to_vec()
    }

    #[test]
    fn ten_thousand_share_changes_keep_the_totals_and_not_the_epochs() {
        let mut service = Service::new(names()[0].clone());
        let mut held = None;
        for epoch in 0..10_000 {
            let shards = service.enter_epoch(epoch, &names(), 2);
            shards[0].count(1, Duration::from_millis(3), None);
            if epoch == 17 {
                held = Some(shards); // a request that outlives its epoch
            }
        }
        assert_eq!(service.epochs.len(), limits::EPOCHS_MAX);
        held.unwrap()[0].count(0, Duration::from_millis(3), None);
        let total = |service: &Service| {
            let cells = service.epochs.iter().flat_map(|epoch| &epoch.cells);
            cells.map(|cell| cell.requests().count).sum::<u64>() + service.retired()[&names()[0]].count
        };
        assert_eq!((total(&service), service.retiring.len()), (10_001, 2), "it counts while it runs");
        service.tidy();
        assert_eq!((total(&service), service.retiring.len()), (10_001, 0), "and when it is folded");
    }

    #[test]
    fn an_epoch_entered_again_keeps_its_counters() {
        let mut service = Service::new(names()[0].clone());
        service.enter_epoch(1, &names(), 1)[0].count(0, Duration::ZERO, None);
        let again = service.enter_epoch(1, &names(), 1);
        assert_eq!(again[0].sum().count, 1);
    }
}
