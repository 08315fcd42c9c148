//! Differences of counters that may start again.

/// The counters of one process at one scrape, all read in one snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading<const N: usize> {
    /// Start of the process in milliseconds of Unix time; `None` if it does not say.
    pub started_at_ms: Option<u64>,
    /// Values that only grow while the process lives: units and events together.
    pub values: [u64; N],
}

/// What each counter grew by between two readings of one process; `None` if the process was
/// restarted in between.
///
/// After a restart the interval is dropped for *all* counters: what the old process counted last
/// is lost, and using the new value for events but not for units would bend the rate. A restart
/// shows as a counter that fell or as another start time (the new process may have overtaken the
/// old value). Differences of several processes are summed, never their rates.
pub fn delta<const N: usize>(before: &Reading<N>, after: &Reading<N>) -> Option<[u64; N]> {
    if before.started_at_ms != after.started_at_ms {
        return None;
    }
    let mut grown = after.values;
    for (value, &previous) in grown.iter_mut().zip(&before.values) {
        *value = value.checked_sub(previous)?;
    }
    Some(grown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restarts_drop_the_whole_interval() {
        let reading = |(started_at_ms, values)| Reading {
            started_at_ms,
            values,
        };
        let check = |before, after, expected: Option<[u64; 2]>, why: &str| {
            assert_eq!(delta(&reading(before), &reading(after)), expected, "{why}");
        };
        let t = Some(7);
        check((t, [5, 1]), (t, [9, 1]), Some([4, 0]), "plain growth");
        check((t, [5, 1]), (t, [5, 1]), Some([0, 0]), "silence");
        check((t, [5, 1]), (t, [3, 1]), None, "units fell");
        check((t, [5, 1]), (t, [9, 0]), None, "events fell");
        check((t, [5, 1]), (Some(8), [9, 2]), None, "overtaken by the new");
        check((t, [5, 1]), (None, [9, 2]), None, "start time lost");
        check((None, [5, 1]), (None, [9, 2]), Some([4, 1]), "never told");
        check(
            (t, [0, 0]),
            (t, [u64::MAX, 0]),
            Some([u64::MAX, 0]),
            "no overflow",
        );
    }
}
