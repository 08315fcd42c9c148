//! One address of a version, and whether requests go there.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tidegate_config::limits;

/// An endpoint. Shared by all workers and carried over from snapshot to snapshot, so that health survives a change.
#[derive(Debug)]
pub struct Endpoint {
    /// Where it is.
    pub address: SocketAddr,
    /// Distinguishes it from every other endpoint there has been in this process.
    pub id: u64,
    origin: Instant,
    /// Failures since the last success. Written on failures and on the first success after them only, so that a healthy
    /// endpoint's line stays unwritten.
    failures: AtomicU32,
    /// Ejections since the last success.
    ejections: AtomicU32,
    /// Milliseconds since `origin` until which it is ejected.
    ejected_until: AtomicU64,
    /// Attempts in a row to open a connection that failed.
    unreached: AtomicU32,
}

impl Endpoint {
    /// An admitted endpoint.
    pub fn new(address: SocketAddr, id: u64, origin: Instant) -> Self {
        let (failures, ejections, ejected_until) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU64::new(0));
        Self { address, id, origin, failures, ejections, ejected_until, unreached: AtomicU32::new(0) }
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.origin).as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether requests may go there. After an ejection it is admitted again and one more failure ejects it for longer.
    pub fn is_admitted(&self, now: Instant) -> bool {
        let until = self.ejected_until.load(Ordering::Relaxed);
        until == 0 || until <= self.millis(now)
    }

    /// A connection was opened.
    pub(crate) fn reached(&self) {
        if self.unreached.load(Ordering::Relaxed) != 0 {
            self.unreached.store(0, Ordering::Relaxed);
        }
    }

    /// No connection could be opened.
    pub(crate) fn not_reached(&self) {
        self.unreached.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether nobody answers there: a fact, while an ejection only follows from what was answered. Not even the last
    /// endpoint of a version is excepted from this, as it is from ejection.
    pub fn is_unreachable(&self) -> bool {
        self.unreached.load(Ordering::Relaxed) >= limits::EJECT_AFTER_FAILURES
    }

    /// A request was answered without a failure.
    pub fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
            self.ejections.store(0, Ordering::Relaxed);
            self.ejected_until.store(0, Ordering::Relaxed);
        }
    }

    /// A request failed. Ejects the endpoint after several in a row; `may_eject` says whether enough others are left.
    pub fn failed(&self, now: Instant, may_eject: impl FnOnce() -> bool) {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let again = self.ejections.load(Ordering::Relaxed) > 0 && self.is_admitted(now);
        if (failures >= limits::EJECT_AFTER_FAILURES || again) && self.is_admitted(now) && may_eject() {
            let times = self.ejections.fetch_add(1, Ordering::Relaxed).saturating_add(1).min(10);
            let pause = Duration::from_secs(u64::from(limits::EJECT_SECONDS * times));
            self.ejected_until.store(self.millis(now + pause), Ordering::Relaxed);
        }
    }
}

/// Whether one more of `endpoints` may be ejected: never more than half of them.
pub(crate) fn may_eject<'a>(endpoints: impl IntoIterator<Item = &'a Endpoint>, now: Instant) -> bool {
    let (mut all, mut ejected) = (0, 0);
    for endpoint in endpoints {
        all += 1;
        ejected += usize::from(!endpoint.is_admitted(now));
    }
    (ejected + 1) * 100 <= all * limits::EJECT_PERCENT_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(count: u64, origin: Instant) -> Vec<Endpoint> {
        (0..count).map(|id| Endpoint::new(([127, 0, 0, 1], 80).into(), id, origin)).collect()
    }

    fn fail(endpoints: &[Endpoint], index: usize, times: u32, now: Instant) {
        for _ in 0..times {
            endpoints[index].failed(now, || may_eject(endpoints, now));
        }
    }

    #[test]
    fn failures_in_a_row_eject_for_a_while_and_then_for_longer() {
        let now = crate::clock::now();
        let all = endpoints(4, now);
        fail(&all, 0, limits::EJECT_AFTER_FAILURES - 1, now);
        all[0].succeeded();
        fail(&all, 0, limits::EJECT_AFTER_FAILURES - 1, now);
        assert!(all[0].is_admitted(now));
        fail(&all, 0, 1, now);
        assert!(!all[0].is_admitted(now + Duration::from_secs(9)));
        let later = now + Duration::from_secs(10);
        assert!(all[0].is_admitted(later));
        fail(&all, 0, 1, later);
        assert!(!all[0].is_admitted(later + Duration::from_secs(19)));
        assert!(all[0].is_admitted(later + Duration::from_secs(20)));
    }

    #[test]
    fn at_most_half_are_ejected() {
        let now = crate::clock::now();
        for (count, most) in [(1, 0), (2, 1), (3, 1), (4, 2)] {
            let all = endpoints(count, now);
            for index in 0..all.len() {
                fail(&all, index, 10, now);
            }
            assert_eq!(all.iter().filter(|e| !e.is_admitted(now)).count(), most, "of {count}");
        }
    }
}
