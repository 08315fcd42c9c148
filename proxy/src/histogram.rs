//! Which latency bucket a request falls into.

use std::time::Duration;

pub use tidegate_config::latency::{BUCKETS, EDGES, EDGES_SECONDS};

/// The bucket that a latency falls into: the first whose upper edge it does not exceed.
pub fn bucket(latency: Duration) -> usize {
    let seconds = latency.as_secs_f64();
    EDGES_SECONDS.partition_point(|edge| *edge < seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_inclusive_and_cover_two_minutes() {
        assert_eq!(bucket(Duration::ZERO), 0);
        assert_eq!(bucket(Duration::from_millis(1)), 0);
        assert_eq!(bucket(Duration::from_micros(1_001)), 1);
        assert_eq!(bucket(Duration::from_millis(2)), 4);
        assert_eq!(bucket(Duration::from_mins(2)), EDGES - 1);
        assert_eq!(bucket(Duration::from_hours(1)), EDGES);
    }
}
