//! Time in tests: how long something took, and waiting for a condition.

use std::thread;
use std::time::{Duration, Instant};

/// After this long a test has failed: nothing here takes a tenth of it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// Now, to measure how long something takes.
#[expect(clippy::disallowed_methods, reason = "the edge of the tests that reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Returns as soon as `condition` holds; fails where it does not within the deadline.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "waited in vain: {what}");
        thread::park_timeout(Duration::from_millis(1));
    }
}
