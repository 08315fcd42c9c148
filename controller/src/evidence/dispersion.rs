//! How far events come in clusters: the dispersion index.
//!
//! Stable's counts are also kept in shards by visitor hash. If units failed independently, the
//! shards would differ by chance alone and the index would be near 1; a client that fails all its
//! requests raises it. Windows should be as long as a rollout: shorter ones miss chronic failers.

/// Stable's counts in one shard during one window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shard {
    /// Units of the shard.
    pub units: f64,
    /// Events among them.
    pub events: f64,
}

/// Pearson's statistic of the shards per degree of freedom, over all windows; `None` without an
/// event to judge by. Values below 1 are chance: use at least 1.
pub fn index<'a>(windows: impl IntoIterator<Item = &'a [Shard]>) -> Option<f64> {
    let mut deviation = 0.0;
    let mut freedom = 0.0;
    for window in windows {
        let used = || window.iter().filter(|shard| shard.units > 0.0);
        let units: f64 = used().map(|shard| shard.units).sum();
        let events: f64 = used().map(|shard| shard.events).sum();
        if events <= 0.0 {
            continue;
        }
        for shard in used() {
            let expected = events * shard.units / units;
            deviation += (shard.events - expected).powi(2) / expected;
            freedom += 1.0;
        }
        freedom -= 1.0;
    }
    (freedom > 0.0).then(|| deviation / freedom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_raise_the_index() {
        let window = |events: [f64; 4]| {
            events.map(|events| Shard {
                units: 100.0,
                events,
            })
        };
        let check = |events: [f64; 4], expected: Option<f64>, why: &str| {
            assert_eq!(index([&window(events)[..]]), expected, "{why}");
        };
        check([0.0; 4], None, "no event");
        check([3.0; 4], Some(0.0), "perfectly even");
        check([12.0, 0.0, 0.0, 0.0], Some(12.0), "one client did it all");
        assert_eq!(index([]), None, "no window");
    }

    #[test]
    fn an_empty_shard_is_no_shard() {
        let shards = [(100.0, 2.0), (0.0, 0.0), (100.0, 4.0)];
        let shards = shards.map(|(units, events)| Shard { units, events });
        let value = index([&shards[..]]).expect("there are events");
        assert!((value - 2.0 / 3.0).abs() < 1e-12, "{value}");
    }
}
