//! From counters that only grow to what happened since the last look.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use tidegate_config::Name;
use tidegate_config::limits::{MARKS_MAX, PROXIES_MAX};

use super::observation::{ArmCounters, ArmRow, EpochShares, InstanceScrape};

/// What each proxy had counted when it was last read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Cursors(BTreeMap<String, Cursor>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cursor {
    /// The start time's bits: they are compared, never computed with.
    started: u64,
    rows: Vec<ArmRow>,
}

/// What one epoch brought in each version since the last look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Growth {
    pub(crate) canary: ArmCounters,
    pub(crate) stable: ArmCounters,
    /// Conversions only: nothing else is compared between those that are tried.
    pub(crate) rivals: BTreeMap<Name, ArmCounters>,
}

/// The versions that are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Read<'a> {
    pub(crate) canary: &'a Name,
    pub(crate) stable: &'a Name,
    pub(crate) rivals: &'a [Name],
}

/// Growth by epoch.
pub(crate) type Interval = BTreeMap<u64, Growth>;

/// Events in one interval of one process that are still believed: an hour at 300 million a second. Sums of such numbers
/// never overflow.
const GROWTH_MAX: u64 = 1 << 40;

impl Cursors {
    /// Whether no proxy was ever read.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets everything of epochs that are not these.
    pub(crate) fn forget(&mut self, epochs: &[EpochShares]) {
        for cursor in self.0.values_mut() {
            cursor.rows.retain(|row| is_of(epochs, row));
        }
    }

    /// Takes in one scrape of every proxy that answered and returns what grew in these epochs, oldest first, summed over the
    /// proxies.
    ///
    /// A proxy that was not read before, or that has started again, only sets its mark: what it counted meanwhile cannot
    /// be dated, so it is left out for all counters at once. A proxy that was missed brings one longer interval.
    pub(crate) fn advance(&mut self, scrapes: &[InstanceScrape], read: Read<'_>, epochs: &[EpochShares]) -> Interval {
        let mut interval = Interval::new();
        let proxies_max = read.proxies_max(epochs.len());
        self.make_room(scrapes, proxies_max);
        for scrape in scrapes {
            let concerns = |row: &&ArmRow| is_of(epochs, row);
            let rows: Vec<ArmRow> =
                scrape.counters.rows.iter().filter(concerns).filter_map(|row| read.part(row)).collect();
            let started = scrape.started.to_bits();
            let before = self.0.remove(&scrape.instance).filter(|before| before.started == started);
            let before = before.map(|before| before.rows);
            let grown = before.as_ref().and_then(|before| grown(before, &rows));
            for (row, counters) in rows.iter().zip(grown.unwrap_or_default()) {
                let growth = interval.entry(row.epoch).or_default();
                let arm = if row.version == *read.canary {
                    &mut growth.canary
                } else if row.version == *read.stable {
                    &mut growth.stable
                } else {
                    growth.rivals.entry(row.version.clone()).or_default()
                };
                add(arm, &counters);
            }
            if self.0.len() < proxies_max {
                let rows = remember(rows, before.unwrap_or_default(), epochs);
                self.0.insert(scrape.instance.clone(), Cursor { started, rows });
            }
        }
        interval
    }

    /// Where there would be too many, those that do not answer now are forgotten: most of them are gone, and names that
    /// change with every restart must not keep new ones out.
    fn make_room(&mut self, scrapes: &[InstanceScrape], proxies_max: usize) {
        let new = scrapes.iter().filter(|scrape| !self.0.contains_key(&scrape.instance)).count();
        if self.0.len() + new > proxies_max {
            let there: BTreeSet<&str> = scrapes.iter().map(|scrape| scrape.instance.as_str()).collect();
            self.0.retain(|instance, _| there.contains(instance.as_str()));
        }
    }
}

impl Read<'_> {
    /// The first of these epochs, oldest first, that is read: as many of the newest as there may be marks for, one at least.
    /// What comes late in an older one, conversions above all, is left out for all versions alike.
    pub(crate) fn oldest(self, epochs: &[EpochShares], proxies: usize) -> u64 {
        let each = self.marks_of_epoch().saturating_mul(proxies).max(1);
        let kept = (MARKS_MAX / each).max(1);
        epochs.get(epochs.len().saturating_sub(kept)).map_or(0, |oldest| oldest.epoch)
    }

    /// How many proxies are remembered at most: such that so many epochs of each fit.
    fn proxies_max(self, epochs: usize) -> usize {
        PROXIES_MAX.min(MARKS_MAX / self.marks_of_epoch() / epochs.max(1))
    }

    /// Marks of a proxy for each epoch, in the statuses of all versions that are tried together.
    const fn marks_of_epoch(self) -> usize {
        (self.rivals.len() + 2) * (self.rivals.len() + 1)
    }

    /// What is read of a row; `None`: nothing.
    fn part(&self, row: &ArmRow) -> Option<ArmRow> {
        if row.version == *self.canary || row.version == *self.stable {
            return Some(row.clone());
        }
        self.rivals.contains(&row.version).then(|| {
            let ArmCounters { converted, closed_converted, closed_unconverted, .. } = row.counters.clone();
            let counters = ArmCounters { converted, closed_converted, closed_unconverted, ..ArmCounters::default() };
            ArmRow { version: row.version.clone(), epoch: row.epoch, counters }
        })
    }
}

/// Whether a row is of one of these epochs, oldest first.
fn is_of(epochs: &[EpochShares], row: &ArmRow) -> bool {
    epochs.binary_search_by_key(&row.epoch, |known| known.epoch).is_ok()
}

/// The marks after a scrape: its rows, and for what it left out the earlier ones, or else a row that comes back would
/// count as new.
fn remember(mut rows: Vec<ArmRow>, before: Vec<ArmRow>, epochs: &[EpochShares]) -> Vec<ArmRow> {
    for old in before.into_iter().filter(|old| is_of(epochs, old)) {
        if !rows.iter().any(|row| row.epoch == old.epoch && row.version == old.version) {
            rows.push(old);
        }
    }
    rows
}

/// The growth of every row of `after`, in its order; `None` where one of them has fallen.
fn grown(before: &[ArmRow], after: &[ArmRow]) -> Option<Vec<ArmCounters>> {
    let nothing = ArmCounters::default();
    let earlier = |row: &ArmRow| {
        let same = |old: &&ArmRow| old.epoch == row.epoch && old.version == row.version;
        before.iter().find(same).map_or(&nothing, |old| &old.counters)
    };
    after.iter().map(|row| difference(earlier(row), &row.counters)).collect()
}

fn difference(before: &ArmCounters, after: &ArmCounters) -> Option<ArmCounters> {
    let ArmCounters {
        requests,
        failures,
        visitors,
        newcomers,
        exposed,
        failed,
        converted,
        closed_converted,
        closed_unconverted,
        first_latency,
    } = after;
    let earlier = |at: u64| before.converted.iter().find(|(epoch, _)| *epoch == at).map_or(0, |(_, count)| *count);
    let conversions = converted.iter().map(|(at, count)| Some((*at, rise(earlier(*at), *count)?)));
    let buckets = first_latency.iter().zip(before.first_latency.iter().chain(std::iter::repeat(&0)));
    Some(ArmCounters {
        requests: rise(before.requests, *requests)?,
        failures: rise(before.failures, *failures)?,
        visitors: rise(before.visitors, *visitors)?,
        newcomers: rise(before.newcomers, *newcomers)?,
        exposed: rise(before.exposed, *exposed)?,
        failed: rise(before.failed, *failed)?,
        converted: conversions.collect::<Option<_>>()?,
        closed_converted: rise(before.closed_converted, *closed_converted)?,
        closed_unconverted: rise(before.closed_unconverted, *closed_unconverted)?,
        first_latency: buckets.map(|(now, then)| rise(*then, *now)).collect::<Option<_>>()?,
    })
}

/// Growth of one counter; `None` where it has fallen, or where no service could have counted so much.
fn rise(before: u64, after: u64) -> Option<u64> {
    after.checked_sub(before).filter(|growth| *growth <= GROWTH_MAX)
}

fn add(sum: &mut ArmCounters, more: &ArmCounters) {
    let ArmCounters {
        requests,
        failures,
        visitors,
        newcomers,
        exposed,
        failed,
        converted,
        closed_converted,
        closed_unconverted,
        first_latency,
    } = more;
    for (total, part) in [
        (&mut sum.requests, requests),
        (&mut sum.failures, failures),
        (&mut sum.visitors, visitors),
        (&mut sum.newcomers, newcomers),
        (&mut sum.exposed, exposed),
        (&mut sum.failed, failed),
        (&mut sum.closed_converted, closed_converted),
        (&mut sum.closed_unconverted, closed_unconverted),
    ] {
        *total = total.saturating_add(*part);
    }
    for (at, count) in converted {
        match sum.converted.iter_mut().find(|(epoch, _)| epoch == at) {
            Some((_, total)) => *total = total.saturating_add(*count),
            None => sum.converted.push((*at, *count)),
        }
    }
    add_buckets(&mut sum.first_latency, first_latency);
}

/// Adds a histogram to another; the longer one gives the length.
pub(crate) fn add_buckets(sum: &mut Vec<u64>, more: &[u64]) {
    if sum.len() < more.len() {
        sum.resize(more.len(), 0);
    }
    for (total, part) in sum.iter_mut().zip(more) {
        *total = total.saturating_add(*part);
    }
}

#[cfg(test)]
mod tests {
    use tidegate_config::Share;

    use super::*;

    fn scrape(instance: &str, started: f64, rows: &[(&str, u64, u64, u64)]) -> InstanceScrape {
        let row = |(version, epoch, exposed, failed): &(&str, u64, u64, u64)| ArmRow {
            version: version.parse().expect("a name"),
            epoch: *epoch,
            counters: ArmCounters { exposed: *exposed, failed: *failed, ..ArmCounters::default() },
        };
        let rows = rows.iter().map(row).collect();
        InstanceScrape {
            instance: instance.to_owned(),
            started,
            counters: super::super::observation::ServiceCounters { rows },
        }
    }

    fn epoch(number: u64) -> EpochShares {
        EpochShares::of_two(number, Share::ZERO, Share::ALL)
    }

    #[test]
    fn counters_become_growth_by_epoch() {
        let (canary, stable): (Name, Name) = ("v2".parse().expect("a name"), "v1".parse().expect("a name"));
        let epochs: Vec<_> = (7..=8).map(epoch).collect();
        let mut cursors = Cursors::default();
        let mut check = |scrapes: &[InstanceScrape], expected: &[(u64, u64, u64)], why: &str| {
            let interval = cursors.advance(scrapes, Read { canary: &canary, stable: &stable, rivals: &[] }, &epochs);
            let found: Vec<_> = interval.iter().map(|(e, g)| (*e, g.canary.exposed, g.stable.failed)).collect();
            assert_eq!(found, expected, "{why}");
        };
        let a = |exposed, failed| scrape("a", 1.0, &[("v2", 7, exposed, 0), ("v1", 7, 90, failed)]);
        check(&[a(5, 1)], &[], "the first scrape sets the mark");
        check(&[a(9, 2)], &[(7, 4, 1)], "growth");
        check(&[a(9, 1)], &[], "a fallen counter drops the interval, numerator and denominator");
        check(&[a(20, 1)], &[(7, 11, 0)], "and the next one counts again");
        check(&[scrape("b", 1.0, &[("v2", 7, 50, 0)])], &[], "another proxy sets its own mark");
        check(&[a(21, 1), scrape("b", 1.0, &[("v2", 7, 52, 0)])], &[(7, 3, 0)], "proxies add up");
        check(&[scrape("b", 2.0, &[("v2", 7, 99, 0)])], &[], "another start time, other counters");
        check(&[scrape("b", 2.0, &[("v2", 8, 3, 0)])], &[(8, 3, 0)], "an epoch that appears began at 0");
        check(&[scrape("b", 2.0, &[("v2", 8, 1 << 41, 0)])], &[], "more than anything can have counted");
        check(&[scrape("b", 2.0, &[("v2", 8, 3, 0)])], &[], "and back again");
        check(&[scrape("b", 2.0, &[])], &[], "nothing told");
        check(
            &[scrape("b", 2.0, &[("v2", 6, 9, 0), ("v3", 8, 9, 0)])],
            &[],
            "unknown epochs and versions do not count",
        );
        check(
            &[scrape("b", 2.0, &[("v2", 8, 4, 0)])],
            &[(8, 1, 0)],
            "a row that was left out once is not counted anew",
        );
    }

    #[test]
    fn marks_are_kept_for_as_many_epochs_and_proxies_as_there_is_room_for() {
        let names: Vec<Name> = ["v2", "v1", "v3", "v4", "v5"].map(|text| text.parse().expect("a name")).to_vec();
        let two = Read { canary: &names[0], stable: &names[1], rivals: &[] };
        let five = Read { rivals: &names[2..], ..two };
        let epochs: Vec<_> = (1..=10).map(epoch).collect();
        for (read, proxies, oldest) in
            [(two, 0, 1), (two, 2, 1), (two, 409, 1), (two, 1_000, 7), (two, 4_096, 10), (five, 20, 1), (five, 409, 10)]
        {
            assert_eq!(read.oldest(&epochs, proxies), oldest, "{proxies} proxies");
        }
        assert_eq!((two.oldest(&[], 3), two.proxies_max(1), five.proxies_max(1)), (0, 4_096, 409));

        let count = |range: std::ops::Range<usize>| {
            range.map(|proxy| scrape(&proxy.to_string(), 1.0, &[("v2", 7, 1, 0), ("v2", 8, 1, 0)])).collect::<Vec<_>>()
        };
        let mut cursors = Cursors::default();
        cursors.advance(&count(0..300), five, &epochs[6..7]);
        cursors.advance(&count(200..400), five, &epochs[6..7]);
        assert_eq!(cursors.0.len(), 400, "one that does not answer once is remembered");
        cursors.advance(&count(250..500), five, &epochs[6..7]);
        assert_eq!(cursors.0.len(), 250, "unless there is no room");
        cursors.advance(&count(0..500), five, &epochs[6..7]);
        assert_eq!(cursors.0.len(), 409, "and past that nobody is read");
        cursors.advance(&count(0..10), five, &epochs);
        assert_eq!(cursors.0.len(), 10, "there is less room for proxies where there are more epochs");
        for number in 0..1_000 {
            cursors.advance(&count(number..number + 10), five, &epochs);
        }
        assert_eq!(five.proxies_max(epochs.len()), 40);
        assert!(cursors.0.len() <= 40, "names that change with every restart: {}", cursors.0.len());
        assert!(cursors.0.values().any(|cursor| cursor.rows.len() == 2));
        cursors.forget(&epochs[7..]);
        assert!(cursors.0.values().all(|cursor| cursor.rows.len() == 1 && cursor.rows[0].epoch == 8));
    }
}
