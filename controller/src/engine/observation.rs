//! Everything a decision sees: what the proxies counted, which generation they serve, what somebody commanded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidegate_config::{Name, Share};

use super::command::Command;
use super::gates::Gates;
use crate::evidence::exposure::Exposure;

/// What is known at one look.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// The counters of the proxies, if they were read for this look.
    pub scrapes: Scrapes,
    /// The least generation in force over all proxies; `None` while one of them has not told.
    pub in_force: Option<u64>,
    /// What somebody asks for; at most one command a look.
    pub command: Option<Command>,
    /// The epochs of this service whose shares are known, in the order they were issued.
    pub epochs: Vec<EpochShares>,
    /// The endpoints of the two versions.
    pub endpoints: Endpoints,
    /// Whether a proxy has taken the canary out of service by itself.
    #[serde(default)]
    pub tripped: bool,
    /// How the work stands that must succeed first.
    #[serde(default, skip_serializing_if = "Gates::is_nothing")]
    pub gates: Gates,
    /// How the versions stand that the same rollout tries.
    #[serde(default, skip_serializing_if = "Rivals::is_nothing")]
    pub rivals: Rivals,
}

/// Whether the counters were read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scrapes {
    /// By every proxy that answered. A proxy that is missing is caught up with at its next scrape.
    Seen(Vec<InstanceScrape>),
    /// They should have been, but no proxy answered: the reason.
    Outage(String),
    /// Not for this look, which has another cause (a command, an acknowledgement).
    #[default]
    Skipped,
}

/// The counters of one proxy process, read in one snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceScrape {
    /// Which proxy, for example its address.
    pub instance: String,
    /// When its process started, in seconds since the Unix epoch. Another value means other counters.
    pub started: f64,
    /// The rows of this service.
    pub counters: ServiceCounters,
}

/// The counters of one service in one process: a row per version and epoch. What is missing has counted nothing yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ServiceCounters {
    /// In any order; at most one row for a version and epoch.
    pub rows: Vec<ArmRow>,
}

/// One version in one epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ArmRow {
    /// The version.
    pub version: Name,
    /// The epoch the events are labelled with.
    pub epoch: u64,
    /// What was counted since the process started.
    pub counters: ArmCounters,
}

/// What one process counted for one version in one epoch. Values only grow while the process lives.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArmCounters {
    /// Requests.
    pub requests: u64,
    /// Requests that failed, of any cause.
    pub failures: u64,
    /// Visitors first seen by this rollout.
    pub visitors: u64,
    /// Those of them who were not known before it: the ones whose conversion counts.
    pub newcomers: u64,
    /// Visitors who met this version for the first time.
    pub exposed: u64,
    /// Visitors whose first failure in this rollout this was.
    pub failed: u64,
    /// First conversions of visitors first seen in this epoch, by the epoch they converted in.
    pub converted: Vec<(u64, u64)>,
    /// New visitors first seen in this epoch whose window closed after a conversion.
    pub closed_converted: u64,
    /// Those whose window closed without one.
    pub closed_unconverted: u64,
    /// First requests of visitors by latency bucket, not cumulative; the last bucket has no upper edge.
    pub first_latency: Vec<u64>,
}

/// The shares of the versions in one epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EpochShares {
    /// The epoch.
    pub epoch: u64,
    /// The canary's own share.
    pub canary: Share,
    /// Stable's own share; with further versions in the split the two do not add up to 100%.
    pub stable: Share,
    /// The shares of the other versions that the same rollout tries.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rivals: BTreeMap<Name, Share>,
}

impl EpochShares {
    /// The shares of one that is tried and of stable.
    pub const fn of_two(epoch: u64, canary: Share, stable: Share) -> Self {
        Self { epoch, canary, stable, rivals: BTreeMap::new() }
    }

    /// The shares as fractions.
    pub(crate) fn exposure(&self) -> Exposure {
        Exposure { canary: self.canary.fraction(), stable: self.stable.fraction() }
    }

    /// The same with a rival in the place of stable.
    pub(crate) fn against(&self, rival: &Name) -> Self {
        let stable = self.rivals.get(rival).copied().unwrap_or_default();
        Self::of_two(self.epoch, self.canary, stable)
    }

    /// Exposure of the visitors first seen in the first of these epochs who never changed version since; `None` without an
    /// epoch.
    ///
    /// Of several versions that are tried each grows and shrinks at one end of room of its own, and what it leaves of that is
    /// stable's. So stable kept what none of them ever had, which is less than its own smallest share as soon as one grows
    /// while another one shrinks.
    pub(crate) fn unmoved(epochs: &[&Self]) -> Option<Exposure> {
        let exposures: Vec<Exposure> = epochs.iter().map(|epoch| epoch.exposure()).collect();
        let least = Exposure::unmoved(&exposures)?;
        let first = epochs.first().filter(|first| !first.rivals.is_empty());
        let Some(first) = first else { return Some(least) };
        let most = |share: &dyn Fn(&Self) -> Share| epochs.iter().map(|epoch| share(epoch)).max().unwrap_or_default();
        let rivals = || first.rivals.keys();
        let divided = rivals().fold(first.stable.plus(first.canary), |sum, rival| sum.plus(first.share_of(rival)));
        let tried =
            rivals().fold(most(&|epoch| epoch.canary), |sum, rival| sum.plus(most(&|epoch| epoch.share_of(rival))));
        Some(Exposure { stable: least.stable.min(divided.minus(tried).fraction()), ..least })
    }

    fn share_of(&self, rival: &Name) -> Share {
        self.rivals.get(rival).copied().unwrap_or_default()
    }
}

/// How the other versions stand that the same rollout tries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rivals {
    /// How many of them have not ended.
    pub under_way: u32,
    /// Whether none of those is closer to the goal.
    pub leads: bool,
    /// The one that was promoted.
    pub promoted: Option<Name>,
}

impl Rivals {
    /// Whether there is nobody else.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Endpoints by version, summed over nothing: every proxy sees the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoints {
    /// The canary's endpoints that can be connected to.
    pub canary_reachable: u32,
    /// All of the canary's; 0 where nothing is known.
    pub canary_total: u32,
    /// Stable's endpoints that can be connected to.
    pub stable_reachable: u32,
    /// All of stable's; 0 where nothing is known.
    pub stable_total: u32,
    /// The canary has nobody at the moment, and somebody is on the way.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub canary_awaited: bool,
}

impl Endpoints {
    /// The canary has endpoints, and none of them can be connected to.
    pub fn canary_down(self) -> bool {
        self.canary_total > 0 && self.canary_reachable == 0
    }

    /// The canary is down while stable is not: its own fault, whatever the counters say.
    pub fn only_canary_down(self) -> bool {
        self.canary_down() && !self.canary_awaited && self.stable_reachable > 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidegate_config::{Key, Split};

    use super::*;

    const NAMES: [&str; 4] = ["a", "b", "c", "v"];

    /// The shares of three that are tried and of stable, by the hundredth, with room for 30 of them each.
    fn splits() -> impl Strategy<Value = Vec<Split>> {
        let names = NAMES.map(|name| name.parse::<Name>().unwrap());
        let split = move |shares: [u32; 3]| {
            let share = |version: &Name| {
                let at = names.iter().position(|name| name == version).unwrap();
                Share::from_ppm(shares[at] * 10_000).unwrap()
            };
            let room = Share::from_ppm(300_000).unwrap();
            let arms = Split::lay_out(&names, &names[3], &names[..3], room, share);
            Split::fixed(1, Key([0; 16]), arms, names[3].clone())
        };
        proptest::collection::vec(proptest::array::uniform3(0..=30_u32).prop_map(split), 1..5)
    }

    fn shares(split: &Split, canary: &str) -> EpochShares {
        let share = |name: &str| split.share_of(&name.parse().unwrap());
        let rivals = ["a", "b", "c"].into_iter().filter(|rival| *rival != canary);
        let rivals = rivals.map(|rival| (rival.parse().unwrap(), share(rival))).collect();
        EpochShares { rivals, ..EpochShares::of_two(1, share(canary), share("v")) }
    }

    proptest! {
        #[test]
        fn whoever_never_changed_version_is_counted_exactly(splits in splits()) {
            let at = |split: &Split, place: u32| {
                let arm = split.line().into_iter().find(|(_, upper)| place < *upper).unwrap().0;
                split.arms[arm].version.clone()
            };
            let stays = |version: &str| {
                let always = |place: &u32| splits.iter().all(|split| at(split, *place * 10_000).as_str() == version);
                f64::from(u32::try_from((0..100).filter(always).count()).unwrap()) / 100.0
            };
            for canary in ["a", "b", "c"] {
                let epochs: Vec<EpochShares> = splits.iter().map(|split| shares(split, canary)).collect();
                let kept = EpochShares::unmoved(&epochs.iter().collect::<Vec<_>>()).unwrap();
                prop_assert!((kept.canary - stays(canary)).abs() < 1e-9, "{canary}: {kept:?}");
                prop_assert!((kept.stable - stays("v")).abs() < 1e-9, "stable: {kept:?} {}", stays("v"));
                let rival = if canary == "a" { "b" } else { "a" };
                let epochs: Vec<EpochShares> = epochs.iter().map(|it| it.against(&rival.parse().unwrap())).collect();
                let kept = EpochShares::unmoved(&epochs.iter().collect::<Vec<_>>()).unwrap();
                prop_assert!((kept.stable - stays(rival)).abs() < 1e-9, "{rival}: {kept:?}");
            }
        }
    }
}
