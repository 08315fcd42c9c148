//! How long a watch that has failed waits until it is tried again.

use std::time::Duration;

use kube::runtime::utils::Backoff;
use tokio::time::Instant;

/// Before the first try again.
const FIRST: Duration = Duration::from_millis(500);
/// Before each one in the end. Watches come back one by one, and until the last one is there kinds do not match each other: much
/// longer would be a world in which new pods have no owner. A few replicas do no harm to an API server by that.
const MOST: Duration = Duration::from_secs(4);
/// So long without a failure, and the next one is the first again.
const QUIET: Duration = Duration::from_secs(15);

/// Twice as long each time.
#[derive(Debug, Default)]
pub(super) struct Retry {
    next: Duration,
    last: Option<Instant>,
}

impl Retry {
    fn wait(&mut self, now: Instant) -> Duration {
        if self.last.is_none_or(|last| now.duration_since(last) > QUIET) {
            self.next = FIRST;
        }
        self.last = Some(now);
        let next = (self.next * 2).min(MOST);
        std::mem::replace(&mut self.next, next)
    }
}

impl Iterator for Retry {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.wait(Instant::now()))
    }
}

impl Backoff for Retry {
    /// What comes is no proof that it works: each list says that it begins before it fails.
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_tried_for_ever_within_seconds() {
        let (mut retry, mut now) = (Retry::default(), Instant::now());
        let mut wait = |pause: Duration| {
            now += pause;
            let wait = retry.wait(now);
            retry.reset();
            now += wait;
            wait.as_millis()
        };
        let waits: Vec<_> = (0..6).map(|_| wait(Duration::from_secs(1))).collect();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 4_000, 4_000]);
        assert_eq!([wait(QUIET), wait(Duration::ZERO)], [500, 1_000]);
    }
}
