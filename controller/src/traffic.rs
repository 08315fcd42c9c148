//! PURE. The recent past of a service, minute by minute: what a rollout chooses its harm budget and its scrape interval
//! by.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use tidegate_config::Name;

use crate::counters::Total;
use crate::engine::{History, Timestamp};
use crate::limits::TRAFFIC_MINUTES_MAX;

const MINUTE_MS: u64 = 60_000;
/// Past this nothing is said about the time between two scrapes: the proxies were out of reach, or the clock jumped.
const GAP_MAX_MS: u64 = 10 * MINUTE_MS;

/// Requests and failures of the last hour.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Traffic {
    /// Oldest first.
    minutes: VecDeque<Minute>,
    /// The last scrape; not stored, since growth over a restart cannot be dated.
    #[serde(skip)]
    last: Option<Marks>,
    /// Whether it has grown since it was stored.
    #[serde(skip)]
    grown: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Minute {
    /// Whole minutes since the Unix epoch.
    number: u64,
    /// Milliseconds in which growth was seen.
    watched_ms: u64,
    /// Of all versions.
    requests: u64,
    stable_requests: u64,
    stable_failures: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Marks {
    at: Timestamp,
    /// By proxy: its start (as bits, for comparison) and what it had counted.
    instances: BTreeMap<String, (u64, Sums)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Sums {
    all: u64,
    stable: Total,
}

impl Traffic {
    /// Takes in one scrape of the service: of each proxy its name, its start and its counts by version.
    pub fn note<'a>(
        &mut self,
        proxies: impl Iterator<Item = (&'a str, f64, Option<&'a BTreeMap<Name, Total>>)>,
        stable: &Name,
        now: Timestamp,
    ) {
        let sums = |totals: Option<&BTreeMap<Name, Total>>| {
            let all = totals.into_iter().flat_map(BTreeMap::values).map(|total| total.requests);
            let stable = totals.and_then(|totals| totals.get(stable)).copied().unwrap_or_default();
            Sums { all: all.fold(0, u64::saturating_add), stable }
        };
        let instances: BTreeMap<_, _> =
            proxies.map(|(name, started, totals)| (name.to_owned(), (started.to_bits(), sums(totals)))).collect();
        let before = self.last.replace(Marks { at: now, instances: instances.clone() });
        let Some(before) = before.filter(|before| now > before.at && now.millis_since(before.at) <= GAP_MAX_MS) else {
            return;
        };
        let number = now.millis() / MINUTE_MS;
        if self.minutes.back().is_none_or(|minute| minute.number != number) {
            self.minutes.push_back(Minute { number, ..Minute::default() });
        }
        self.minutes.drain(..self.minutes.len().saturating_sub(TRAFFIC_MINUTES_MAX));
        let Some(minute) = self.minutes.back_mut() else { return };
        minute.watched_ms += now.millis_since(before.at);
        for (name, (started, now)) in &instances {
            // A proxy that is new or has started again only sets its mark.
            let Some((_, then)) = before.instances.get(name).filter(|(then, _)| then == started) else { continue };
            self.grown |= now.all > then.all;
            minute.requests += now.all.saturating_sub(then.all);
            minute.stable_requests += now.stable.requests.saturating_sub(then.stable.requests);
            minute.stable_failures += now.stable.failures.saturating_sub(then.stable.failures);
        }
    }

    /// Whether it has grown since this was last asked.
    pub fn take_grown(&mut self) -> bool {
        std::mem::take(&mut self.grown)
    }

    /// Whether another one has the same requests in it, whatever time passed without any.
    pub fn counts_the_same(&self, other: &Self) -> bool {
        let counted = |traffic: &Self| {
            let minutes = traffic.minutes.iter().filter(|minute| minute.requests > 0);
            minutes.map(|it| (it.number, it.requests, it.stable_requests, it.stable_failures)).collect::<Vec<_>>()
        };
        counted(self) == counted(other)
    }

    /// The last hour before `now`; `None` without a watched moment in it. Visitors are not told apart outside rollouts,
    /// so requests stand for them; the failures are those that all requests would have met on stable.
    pub fn history(&self, now: Timestamp) -> Option<History> {
        let oldest = (now.millis() / MINUTE_MS).saturating_sub(TRAFFIC_MINUTES_MAX as u64);
        let recent = self.minutes.iter().filter(|minute| minute.number > oldest);
        let sum = recent.fold(Minute::default(), |sum, minute| Minute {
            number: 0,
            watched_ms: sum.watched_ms + minute.watched_ms,
            requests: sum.requests + minute.requests,
            stable_requests: sum.stable_requests + minute.stable_requests,
            stable_failures: sum.stable_failures + minute.stable_failures,
        });
        let failed =
            u128::from(sum.stable_failures) * u128::from(sum.requests) / u128::from(sum.stable_requests.max(1));
        let failed = u64::try_from(failed).unwrap_or(u64::MAX).min(sum.requests);
        #[expect(clippy::cast_precision_loss, reason = "an hour in milliseconds")]
        let seconds = sum.watched_ms as f64 / 1_000.0;
        (seconds > 0.0).then_some(History { seconds, requests: sum.requests, visitors: sum.requests, failed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(traffic: &mut Traffic, second: u64, started: f64, v1: (u64, u64), v2: (u64, u64)) {
        let name = |text: &str| text.parse::<Name>().unwrap();
        let total = |(requests, failures)| Total { requests, failures };
        let totals = BTreeMap::from([(name("v1"), total(v1)), (name("v2"), total(v2))]);
        let proxies = [("a", started, Some(&totals))].into_iter();
        traffic.note(proxies, &name("v1"), Timestamp::from_millis(second * 1_000));
    }

    #[test]
    fn sums_growth_and_nothing_else() {
        let mut traffic = Traffic::default();
        let at = |second: u64| Timestamp::from_millis(second * 1_000);
        note(&mut traffic, 1_000, 1.0, (500, 5), (0, 0));
        assert_eq!(traffic.history(at(1_000)), None, "the first scrape sets the mark");
        note(&mut traffic, 1_005, 1.0, (590, 6), (10, 9));
        let expected = History { seconds: 5.0, requests: 100, visitors: 100, failed: 1 };
        assert_eq!(traffic.history(at(1_005)), Some(expected), "the canary's failures are not stable's");
        let before = traffic.clone();
        note(&mut traffic, 1_009, 1.0, (590, 6), (10, 9));
        assert!(traffic != before && traffic.counts_the_same(&before), "time passed, nobody came");
        note(&mut traffic, 1_010, 1.0, (591, 6), (10, 9));
        assert!(!traffic.counts_the_same(&before));
        traffic = before;
        note(&mut traffic, 1_010, 2.0, (7, 7), (0, 0));
        assert_eq!(traffic.history(at(1_010)).map(|h| h.requests), Some(100), "a restart only sets the mark");
        note(&mut traffic, 5_000, 2.0, (1_000, 7), (0, 0));
        assert_eq!(traffic.history(at(1_010)).map(|h| h.requests), Some(100), "a gap only sets the mark");
        assert_eq!(traffic.history(at(8_000)), None, "after an hour it is forgotten");
    }

    #[test]
    fn keeps_an_hour_and_survives_storage() {
        let mut traffic = Traffic::default();
        for minute in 0..200 {
            note(&mut traffic, 60 * minute, 1.0, (600 * minute, 0), (0, 0));
        }
        assert_eq!(traffic.minutes.len(), TRAFFIC_MINUTES_MAX);
        let text = serde_json::to_string(&traffic).unwrap();
        let back: Traffic = serde_json::from_str(&text).unwrap();
        let now = Timestamp::from_millis(60_000 * 199);
        assert_eq!(back.history(now), traffic.history(now));
        assert_eq!(back.history(now).map(|h| (h.requests, h.seconds.round())), Some((36_000, 3_600.0)));
    }
}
