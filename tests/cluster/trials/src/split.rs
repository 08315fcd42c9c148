//! PURE. Whether the visitors of each step were divided as its share says.

use std::collections::BTreeMap;

use tidegate_config::Share;
use tidegate_controller::engine::Timestamp;

use crate::chronicle::Step;
use crate::crowd::Seen;

/// Standard deviations that a count may be away from what is expected: over some hundreds of steps, one in a thousand trials
/// that are as they should be has a greater one.
const DEVIATIONS: f64 = 4.8;
/// Milliseconds after a decision is written down until its share is in force everywhere, on a machine that has time for it.
const IN_FORCE_MS: u64 = 2_500;

/// What the shares of a rollout came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Split {
    /// How many steps were compared with their shares.
    pub(crate) compared: usize,
    /// Those that were off.
    pub(crate) faults: Vec<String>,
    /// Milliseconds from a decision that was written down until all proxies did it, of each that was seen to be in force.
    pub(crate) in_force: Vec<u64>,
}

/// How steps of a rollout divided the visitors: from the time on at which all proxies are said to do what they were asked for.
/// What they are asked for may be less than the step's share while there are few pods. `most` is the most that the version's
/// pods may take, where nobody changes their number. From `undone` on, in milliseconds, nobody asks for the version any more:
/// its pods leave, whoever leads then, and its visitors with them.
pub(crate) fn split(steps: &[Step], version: u32, most: Option<Share>, undone: Option<u64>, seen: &Seen) -> Split {
    let Split { mut compared, mut faults, mut in_force } = Split::default();
    for pair in steps.windows(2) {
        let written = pair[0].seen.millis();
        let since = pair[0].in_force.map_or(written, Timestamp::millis);
        if pair[0].in_force.is_some() && pair[0].to != Share::ZERO {
            in_force.push(since.saturating_sub(written));
        }
        let began = since.max(written + IN_FORCE_MS);
        // Of a share that changes within the step nobody could say what its visitors should be.
        let [share] = *pair[0].asked else { continue };
        if share > pair[0].to || most.is_some_and(|most| share != pair[0].to.min(most)) {
            faults.push(format!("{share} was asked for at {}", pair[0].to));
        }
        // A line is about the second before it.
        let end = pair[1].decided.millis().min(undone.unwrap_or(u64::MAX));
        let within = |at: &u64| *at >= began + 1_000 && *at <= end;
        let name = version.to_string();
        let mut came: BTreeMap<&str, u64> = BTreeMap::new();
        let mut seconds: Vec<String> = Vec::new();
        for visitors in seen.seconds.iter().filter(|(at, _)| within(at)).map(|(_, visitors)| visitors) {
            for (name, count) in visitors {
                *came.entry(name).or_default() += count;
            }
            let taken = visitors.get(&name).copied().unwrap_or_default();
            seconds.push(format!("{taken}/{}", visitors.values().sum::<u64>()));
        }
        let taken = came.get(name.as_str()).copied().unwrap_or_default();
        let all = came.values().sum();
        if all == 0 {
            continue;
        }
        compared += 1;
        let part = f64::from(share.ppm()) / 1e6;
        let (taken, all) = (real(taken), real(all));
        if (taken - all * part).abs() > DEVIATIONS * (all * part * (1.0 - part)).sqrt() + 1e-9 {
            let seconds = seconds.join(" ");
            faults.push(format!("{taken} of {all} visitors at {share}, from {began} to {end}: {came:?}: {seconds}"));
        }
    }
    Split { compared, faults, in_force }
}

fn real(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(second: u64, to: &str) -> Step {
        let decided = Timestamp::from_millis(second * 1_000);
        let to = to.parse().unwrap();
        Step { decided, seen: decided, to, asked: vec![to], in_force: Some(decided) }
    }

    /// So many visitors of version 2 among 100, each second.
    fn seen(taken: u64) -> Seen {
        let visitors = BTreeMap::from([("1".to_owned(), 100 - taken), ("2".to_owned(), taken)]);
        Seen { seconds: (1..60).map(|second| (second * 1_000, visitors.clone())).collect(), ..Seen::default() }
    }

    #[test]
    fn a_split_that_is_off_is_found() {
        let steps = [step(10, "20%"), step(20, "50%")];
        for (taken, wrong) in [(20, 0), (19, 0), (10, 1), (30, 1)] {
            let found = split(&steps, 2, None, None, &seen(taken));
            assert_eq!((found.compared, found.faults.len(), found.in_force), (1, wrong, vec![0]), "{taken}");
        }
        for (undone, wrong) in [(20_000, 1), (14_000, 1), (13_000, 0), (5_000, 0)] {
            assert_eq!(split(&steps, 2, None, Some(undone), &seen(0)).faults.len(), wrong, "{undone}");
        }
        // While the API server is away nothing is in force that is decided, nor while a proxy has not heard of it.
        let at = |second: u64| Timestamp::from_millis(second * 1_000);
        for first in [Step { seen: at(18), ..step(10, "20%") }, Step { in_force: Some(at(20)), ..step(10, "20%") }] {
            let found = split(&[first, step(20, "50%")], 2, None, None, &seen(0));
            assert_eq!((found.compared, found.faults), (0, Vec::new()));
        }
        // At 0% nobody may come.
        let steps = [step(10, "0%"), step(20, "50%")];
        assert_eq!(split(&steps, 2, None, None, &seen(0)).faults, Vec::<String>::new());
        assert_eq!(split(&steps, 2, None, None, &seen(1)).faults.len(), 1);
    }

    #[test]
    fn what_the_proxies_are_asked_for_counts() {
        let capped = |asked: &[&str]| {
            let asked = asked.iter().map(|share| share.parse().unwrap()).collect();
            [Step { asked, ..step(10, "20%") }, step(20, "50%")]
        };
        let found = |asked: &[&str], most: Option<&str>| {
            let most = most.map(|most| most.parse().unwrap());
            let Split { compared, faults, .. } = split(&capped(asked), 2, most, None, &seen(10));
            (compared, faults.len())
        };
        assert_eq!(found(&["10%"], None), (1, 0), "few pods");
        assert_eq!(found(&["10%"], Some("10%")), (1, 0));
        assert_eq!(found(&["10%"], Some("50%")), (1, 1), "there are enough pods");
        assert_eq!(found(&["30%"], None), (1, 2), "more than the step's");
        assert_eq!(found(&["10%", "20%"], None), (0, 0), "it changes");
    }
}
