//! What visitors saw.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// Counts of one second, or of all of them.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Tally {
    /// Requests by version, failed ones included.
    pub(crate) requests: BTreeMap<String, u64>,
    /// Visitors by the version of their first answer.
    pub(crate) visitors: BTreeMap<String, u64>,
    /// Visitors whose version changed between two of their requests.
    pub(crate) moved: u64,
    /// Visitors who bought something, by version.
    pub(crate) bought: BTreeMap<String, u64>,
    /// Failures by version and what was wrong: those that the application was told to make are `500`.
    pub(crate) failed: BTreeMap<String, u64>,
    /// When the first and the last failure of a version came, in milliseconds since the Unix epoch.
    pub(crate) hurt: BTreeMap<String, (u64, u64)>,
    /// Milliseconds that the slowest request took.
    pub(crate) slowest_ms: u128,
}

impl Tally {
    /// Notes which version answered a visitor, and which one before it.
    pub(crate) fn note(&mut self, before: Option<&str>, version: &str) {
        match before {
            None => count(&mut self.visitors, version),
            Some(before) if before != version => self.moved += 1,
            Some(_) => {}
        }
    }

    /// Notes a failure of a version, or of nobody, that came now.
    #[expect(clippy::disallowed_methods, reason = "visitors have no other clock")]
    pub(crate) fn fail(&mut self, version: &str, why: &str) {
        count(&mut self.failed, &format!("{version}: {why}"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        self.hurt.entry(version.to_owned()).or_insert((now, now)).1 = now;
    }

    /// Adds another.
    pub(crate) fn add(&mut self, other: &Self) {
        let maps = [
            (&mut self.requests, &other.requests),
            (&mut self.visitors, &other.visitors),
            (&mut self.bought, &other.bought),
            (&mut self.failed, &other.failed),
        ];
        for (into, from) in maps {
            for (name, count) in from {
                *into.entry(name.clone()).or_default() += count;
            }
        }
        for (version, (first, last)) in &other.hurt {
            let known = self.hurt.entry(version.clone()).or_insert((*first, *last));
            *known = (known.0.min(*first), known.1.max(*last));
        }
        self.moved += other.moved;
        self.slowest_ms = self.slowest_ms.max(other.slowest_ms);
    }
}

/// Counts one more.
pub(crate) fn count(map: &mut BTreeMap<String, u64>, name: &str) {
    *map.entry(name.to_owned()).or_default() += 1;
}
