//! Time in tests: the two clocks, and waiting for a condition. Nothing here sleeps to be in time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// After this long a test has failed: nothing that is waited for takes a quarter of it on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Now, to measure how long something takes.
#[expect(clippy::disallowed_methods, reason = "the edge of the tests that reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Now as decisions are dated, in milliseconds since the Unix epoch.
#[expect(clippy::disallowed_methods, reason = "the edge of the tests that reads the wall clock")]
pub(crate) fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Returns what `look` finds as soon as it finds something; fails where it does not within the deadline.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}
