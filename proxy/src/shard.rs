//! Request counters of one version in one epoch: a shard for each worker, written by that worker alone and summed when
//! somebody reads them. No lock and no cache line is shared between workers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::histogram::{self, BUCKETS};

/// Why a request counts as a failure of its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It was answered with a status of the class 5xx.
    Status,
    /// No connection could be opened.
    Connect,
    /// The connection ended before the response's head.
    Reset,
    /// The response's head did not come in time.
    Timeout,
}

impl Cause {
    /// All causes, in the order of their counters.
    pub const ALL: [Self; 4] = [Self::Status, Self::Connect, Self::Reset, Self::Timeout];

    /// The value of the `cause` label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
        }
    }
}

/// One worker's counters.
#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    requests: AtomicU64,
    failures: [AtomicU64; Cause::ALL.len()],
    nanoseconds: AtomicU64,
    latency: [AtomicU64; BUCKETS],
}

impl Default for Shard {
    fn default() -> Self {
        let zeros = || std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            requests: AtomicU64::new(0),
            failures: Default::default(),
            nanoseconds: AtomicU64::new(0),
            latency: zeros(),
        }
    }
}

/// Adds to a counter that no other thread writes: a plain load and store, not a locked instruction.
fn add(counter: &AtomicU64, amount: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
}

/// The shards of one version in one epoch.
#[derive(Debug)]
pub struct Shards(Box<[Shard]>);

impl Shards {
    /// Counters at zero for `workers` workers.
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Shard::default()).collect())
    }

    /// Counts one request by its worker.
    pub fn count(&self, worker: usize, latency: Duration, failure: Option<Cause>) {
        let Some(shard) = self.0.get(worker) else { return };
        add(&shard.requests, 1);
        add(&shard.nanoseconds, u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
        add(&shard.latency[histogram::bucket(latency)], 1);
        if let Some(cause) = failure {
            add(&shard.failures[cause as usize], 1);
        }
    }

    /// The sums over all workers.
    pub fn sum(&self) -> Requests {
        let mut sum = Requests::default();
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        for shard in &self.0 {
            sum.count += read(&shard.requests);
            sum.seconds += Duration::from_nanos(read(&shard.nanoseconds)).as_secs_f64();
            for (total, counter) in sum.failures.iter_mut().zip(&shard.failures) {
                *total += read(counter);
            }
            for (total, counter) in sum.latency.iter_mut().zip(&shard.latency) {
                *total += read(counter);
            }
        }
        sum
    }
}

/// Sums of request counters.
#[derive(Debug, Clone)]
pub struct Requests {
    /// Requests answered or given up.
    pub count: u64,
    /// Failures by cause, in the order of [`Cause::ALL`].
    pub failures: [u64; Cause::ALL.len()],
    /// Requests by latency bucket.
    pub latency: [u64; BUCKETS],
    /// The sum of all latencies.
    pub seconds: f64,
}

impl Default for Requests {
    fn default() -> Self {
        Self { count: 0, failures: [0; Cause::ALL.len()], latency: [0; BUCKETS], seconds: 0.0 }
    }
}

impl std::ops::AddAssign<&Self> for Requests {
    fn add_assign(&mut self, other: &Self) {
        self.count += other.count;
        self.seconds += other.seconds;
        for (total, more) in self.failures.iter_mut().zip(other.failures) {
            *total += more;
        }
        for (total, more) in self.latency.iter_mut().zip(other.latency) {
            *total += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_add_up() {
        let shards = Shards::new(2);
        shards.count(0, Duration::from_millis(1), None);
        shards.count(1, Duration::from_secs(1), Some(Cause::Timeout));
        let sum = shards.sum();
        assert_eq!((sum.count, sum.failures, sum.latency.iter().sum::<u64>()), (2, [0, 0, 0, 1], 2));
        assert!((sum.seconds - 1.001).abs() < 1e-9);
    }
}
