//! The one place of the proxy that reads a clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Now, for intervals.
#[expect(clippy::disallowed_methods, reason = "the edge that reads the monotonic clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since the Unix epoch, for people.
#[expect(clippy::disallowed_methods, reason = "the edge that reads the wall clock")]
pub(crate) fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds since the Unix epoch, for what outlives the process.
#[expect(clippy::disallowed_methods, reason = "the edge that reads the wall clock")]
pub(crate) fn unix_seconds() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}
