//! PURE. What the visitors saw: the shop as it is outside of the proxy and its counters.

use std::time::Duration;

use tidegate_proxy::histogram::{BUCKETS, EDGES_SECONDS, bucket};

use super::client::Answer;

/// A request that starts this much later than its visitor wanted is late: the machine is too slow, and what is measured
/// is the queue in front of it.
const LATE: Duration = Duration::from_millis(50);

/// Sums over all visitors.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Visitors who came.
    pub(crate) arrived: u64,
    /// Visitors who found too many inside.
    pub(crate) turned_away: u64,
    /// Requests that were answered or given up.
    pub(crate) requests: u64,
    /// Requests that started late.
    pub(crate) late: u64,
    /// Visitors who saw an error that did not come from a version: no answer, or one by the proxy.
    pub(crate) saw_no_version: u64,
    /// Stable, canary.
    pub(crate) versions: [VersionSeen; 2],
}

/// Sums over the answers of one version.
#[derive(Debug, Clone)]
pub(crate) struct VersionSeen {
    /// Answers.
    pub(crate) requests: u64,
    /// Visitors who saw an error; they left at once, so each is here only once.
    pub(crate) saw_error: u64,
    /// Visitors who bought.
    pub(crate) bought: u64,
    latency: [u64; BUCKETS],
}

impl Default for VersionSeen {
    fn default() -> Self {
        Self { requests: 0, saw_error: 0, bought: 0, latency: [0; BUCKETS] }
    }
}

impl Seen {
    /// A request started, so much after its visitor wanted.
    pub(crate) fn started(&mut self, late: Duration) {
        self.late += u64::from(late > LATE);
    }

    /// A request was answered, from start to end in `took`.
    pub(crate) fn answered(&mut self, answer: &Answer, was_buying: bool, took: Duration) {
        self.requests += 1;
        let Some(version) = answer.version.and_then(|version| self.versions.get_mut(version)) else {
            self.saw_no_version += u64::from(answer.is_error());
            return;
        };
        version.requests += 1;
        version.saw_error += u64::from(answer.is_error());
        version.bought += u64::from(was_buying && !answer.is_error());
        version.latency[bucket(took)] += 1;
    }

    /// Visitors who saw an error.
    pub(crate) fn saw_error(&self) -> u64 {
        self.saw_no_version + self.versions.iter().map(|version| version.saw_error).sum::<u64>()
    }

    /// Whether more visitors had to wait than a quiet machine explains.
    pub(crate) fn is_too_slow(&self) -> bool {
        self.turned_away > 0 || self.late * 20 > self.requests
    }
}

impl VersionSeen {
    /// The response time in seconds that a part of the answers stayed below; `None` without answers.
    pub(crate) fn quantile(&self, part: f64) -> Option<f64> {
        let real = |count: u64| u32::try_from(count).map_or(f64::INFINITY, f64::from);
        let wanted = real(self.latency.iter().sum()) * part;
        let mut below = 0.0;
        for (count, upper) in self.latency.iter().zip(EDGES_SECONDS.iter()) {
            let here = real(*count);
            if here > 0.0 && below + here >= wanted {
                // Within a bucket, as if its answers were spread evenly; the buckets' ratio is 2^(1/4).
                let inside = (wanted - below) / here;
                return Some(upper * ((inside - 1.0) / 4.0).exp2());
            }
            below += here;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_version() {
        let mut seen = Seen::default();
        let mut answer = |status, version, buying| {
            let answer = Answer { status, version, ..Answer::default() };
            seen.answered(&answer, buying, Duration::from_millis(20));
        };
        answer(200, Some(0), false);
        answer(500, Some(1), true);
        answer(201, Some(1), true);
        answer(503, None, false);
        assert_eq!((seen.requests, seen.saw_error(), seen.saw_no_version), (4, 2, 1));
        assert_eq!(seen.versions.clone().map(|version| version.requests), [1, 2]);
        assert_eq!(seen.versions.clone().map(|version| version.bought), [0, 1]);
    }

    #[test]
    fn quantiles_lie_within_a_bucket_of_the_truth() {
        let mut seen = Seen::default();
        assert_eq!(seen.versions[0].quantile(0.5), None);
        for millis in 1..=1_000 {
            let answer = Answer { status: 200, version: Some(0), ..Answer::default() };
            seen.answered(&answer, false, Duration::from_millis(millis));
        }
        for (part, truth) in [(0.5, 0.5), (0.99, 0.99)] {
            let found = seen.versions[0].quantile(part).unwrap();
            assert!((found / truth - 1.0).abs() < 0.06, "{found} for {truth}");
        }
    }

    #[test]
    fn a_machine_is_too_slow_when_one_request_in_twenty_is_late() {
        let mut seen = Seen { requests: 100, ..Seen::default() };
        for _ in 0..5 {
            seen.started(Duration::from_millis(51));
        }
        seen.started(Duration::from_millis(5));
        assert!(!seen.is_too_slow());
        seen.started(Duration::from_millis(51));
        assert!(seen.is_too_slow());
    }
}
