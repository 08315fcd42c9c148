//! PURE. How long a watch that has failed waits until it is tried again.

use std::time::Duration;

use kube::runtime::utils::Backoff;

/// Before the first try again.
const FIRST: Duration = Duration::from_millis(250);
/// Before each one in the end. Watches come back one by one, and until the last one is there kinds do not match each other: much
/// longer would be a world in which new pods have no owner. A few replicas do no harm to an API server by that.
const MOST: Duration = Duration::from_secs(4);

/// Twice as long each time, until something comes.
#[derive(Debug)]
pub(super) struct Retry(Duration);

impl Default for Retry {
    fn default() -> Self {
        Self(FIRST)
    }
}

impl Iterator for Retry {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let next = (self.0 * 2).min(MOST);
        Some(std::mem::replace(&mut self.0, next))
    }
}

impl Backoff for Retry {
    fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_tried_for_ever_within_seconds() {
        let mut retry = Retry::default();
        let waits = |retry: &mut Retry| retry.take(7).map(|wait| wait.as_millis()).collect::<Vec<_>>();
        assert_eq!(waits(&mut retry), [250, 500, 1_000, 2_000, 4_000, 4_000, 4_000]);
        retry.reset();
        assert_eq!(retry.next(), Some(FIRST));
    }
}
