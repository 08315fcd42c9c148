//! Latency buckets: geometric with ratio 2^(1/4) from 1 ms to beyond 120 s, fine enough for a p99 within 19%.

use std::sync::LazyLock;
use std::time::Duration;

/// Buckets with an upper edge; one more takes what is slower still.
pub const EDGES: usize = 69;
/// All buckets.
pub const BUCKETS: usize = EDGES + 1;

/// The upper edges in seconds, inclusive as Prometheus' `le` is.
pub static EDGES_SECONDS: LazyLock<[f64; EDGES]> = LazyLock::new(|| {
    std::array::from_fn(|k| {
        let quarter_octaves = u32::try_from(k).map_or(0.0, f64::from);
        1e-3 * (quarter_octaves / 4.0).exp2()
    })
});

/// The bucket that a latency falls into.
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
        assert!(EDGES_SECONDS[EDGES - 1] >= 120.0);
        assert_eq!(bucket(Duration::from_hours(1)), EDGES);
    }
}
