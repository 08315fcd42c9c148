//! PURE. Whether the visitors of each step were divided as its share says.

use std::collections::BTreeMap;

use tidegate_config::Share;

use crate::chronicle::Step;
use crate::crowd::Seen;

/// Standard deviations that a count may be away from what is expected: over some hundreds of steps, one in a thousand trials
/// that are as they should be has a greater one.
const DEVIATIONS: f64 = 4.8;
/// Milliseconds after a decision is written down until its share is in force everywhere.
const IN_FORCE_MS: u64 = 2_500;

/// Where steps of a rollout did not divide the visitors as they should have, and how many were compared. `most` is the most
/// that the version's pods may take. From `undone` on, in milliseconds, nobody asks for the version any more: its pods leave,
/// whoever leads then, and its visitors with them.
pub(crate) fn faults(
    steps: &[Step],
    version: u32,
    most: Share,
    undone: Option<u64>,
    seen: &Seen,
) -> (usize, Vec<String>) {
    let mut compared = 0;
    let mut faults = Vec::new();
    for pair in steps.windows(2) {
        let (began, share) = (pair[0].seen.millis() + IN_FORCE_MS, pair[0].to.min(most));
        // A line is about the second before it.
        let end = pair[1].decided.millis().min(undone.unwrap_or(u64::MAX));
        let within = |at: &u64| *at >= began + 1_000 && *at <= end;
        let mut came: BTreeMap<&str, u64> = BTreeMap::new();
        for (name, count) in seen.seconds.iter().filter(|(at, _)| within(at)).flat_map(|(_, visitors)| visitors) {
            *came.entry(name).or_default() += count;
        }
        let taken = came.get(version.to_string().as_str()).copied().unwrap_or_default();
        let all = came.values().sum();
        if all == 0 {
            continue;
        }
        compared += 1;
        let part = f64::from(share.ppm()) / 1e6;
        let (taken, all) = (real(taken), real(all));
        if (taken - all * part).abs() > DEVIATIONS * (all * part * (1.0 - part)).sqrt() + 1e-9 {
            faults.push(format!("{taken} of {all} visitors at {share}, from {began} to {end}: {came:?}"));
        }
    }
    (compared, faults)
}

fn real(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use tidegate_controller::engine::Timestamp;

    use super::*;

    fn step(second: u64, to: &str) -> Step {
        let decided = Timestamp::from_millis(second * 1_000);
        Step { decided, seen: decided, to: to.parse().unwrap() }
    }

    /// So many visitors of version 2 among 100, each second.
    fn seen(taken: u64) -> Seen {
        let visitors = BTreeMap::from([("1".to_owned(), 100 - taken), ("2".to_owned(), taken)]);
        Seen { seconds: (1..60).map(|second| (second * 1_000, visitors.clone())).collect(), ..Seen::default() }
    }

    #[test]
    fn a_split_that_is_off_is_found() {
        let steps = [step(10, "20%"), step(20, "50%")];
        for (taken, most, wrong) in [(20, "100%", 0), (19, "100%", 0), (10, "100%", 1), (30, "100%", 1), (10, "10%", 0)]
        {
            let (compared, faults) = faults(&steps, 2, most.parse().unwrap(), None, &seen(taken));
            assert_eq!((compared, faults.len()), (1, wrong), "{taken} {most} {faults:?}");
        }
        for (undone, wrong) in [(20_000, 1), (14_000, 1), (13_000, 0), (5_000, 0)] {
            assert_eq!(faults(&steps, 2, Share::ALL, Some(undone), &seen(0)).1.len(), wrong, "{undone}");
        }
        // While the API server is away nothing is in force that is decided.
        let steps = [Step { seen: Timestamp::from_millis(18_000), ..step(10, "20%") }, step(20, "50%")];
        assert_eq!(faults(&steps, 2, Share::ALL, None, &seen(0)), (0, Vec::new()));
        // At 0% nobody may come.
        let steps = [step(10, "0%"), step(20, "50%")];
        assert_eq!(faults(&steps, 2, Share::ALL, None, &seen(0)).1, Vec::<String>::new());
        assert_eq!(faults(&steps, 2, Share::ALL, None, &seen(1)).1.len(), 1);
    }
}
