//! The one place where time enters the controller.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::engine::Timestamp;

/// Where the controller reads the wall clock.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's.
    #[default]
    System,
    /// One that somebody sets by hand: milliseconds since the Unix epoch.
    Hand(Arc<AtomicU64>),
}

impl Clock {
    /// The time now. A machine whose clock stands before 1970 is taken to be in 1970.
    #[expect(clippy::disallowed_methods, reason = "the edge that reads the wall clock")]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(match self {
            Self::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
            }
            Self::Hand(millis) => millis.load(Ordering::Relaxed),
        })
    }
}
