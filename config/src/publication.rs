//! What a proxy is told: the configuration, and for each service the split in force. The same value whether it comes
//! from a file, from the controller in the same process, or over a stream.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::identity::RolloutId;
use crate::limits;
use crate::name::Name;
use crate::problem::Problems;
use crate::share::Share;

/// One generation of everything a proxy needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Publication {
    /// Rises with every publication; never reused, also over restarts.
    pub generation: u64,
    /// Signs what visitors bring back in cookies.
    pub cookie_key: Key,
    /// The configuration.
    pub config: Arc<Config>,
    /// The split of each service.
    pub splits: BTreeMap<Name, Split>,
}

impl Publication {
    /// Whether a proxy can serve it: what a configuration file is checked for, the controller has seen to; this is what a
    /// proxy's own tables rest on.
    pub fn check(&self) -> Result<(), Problems> {
        let mut problems = Problems::default();
        for (name, split) in &self.splits {
            if !self.config.services.contains_key(name) {
                let known = "the name of a service of the configuration";
                problems.add(format!("splits.{name}"), "there is no such service", known);
            }
            split.check(&format!("splits.{name}"), &mut problems);
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

/// How the visitors of one service are divided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Split {
    /// The stretch of constant shares this belongs to: issued by the publisher, per service, never reused. 0 where the
    /// publisher keeps no shares for the service.
    pub epoch: u64,
    /// Keys the assignment, so that each rollout draws its visitors anew.
    pub salt: Key,
    /// The shares in their order on the line from 0 to 1: others, canary, stable. They add up to 100%.
    pub arms: Vec<Arm>,
    /// The version that a running rollout compares the others with.
    pub stable: Name,
    /// The version that a running rollout tries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Name>,
    /// The rollout under way, for which evidence is counted per visitor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutId>,
    /// The first whole second of that rollout, since the Unix epoch. Visitors whose cookies are older knew the service
    /// before. 0 without a rollout.
    #[serde(default)]
    pub rollout_began: u32,
}

/// A version and its share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Arm {
    /// The version.
    pub version: Name,
    /// Its share of the visitors.
    pub share: Share,
}

impl Split {
    /// Lays shares out so that moving the canary's moves no visitor of another version: others, canary, stable.
    ///
    /// `share` gives the share of every version but stable, which takes the rest.
    pub fn lay_out(
        versions: &[Name],
        stable: &Name,
        canary: Option<&Name>,
        share: impl Fn(&Name) -> Share,
    ) -> Vec<Arm> {
        let mut left = Share::ALL;
        let mut take = |version: &Name| {
            let share = share(version).min(left);
            left = left.minus(share);
            Arm { version: version.clone(), share }
        };
        let others = versions.iter().filter(|v| *v != stable && Some(*v) != canary);
        let mut arms: Vec<Arm> = others.chain(canary).map(&mut take).collect();
        arms.push(Arm { version: stable.clone(), share: left });
        arms
    }

    fn check(&self, path: &str, problems: &mut Problems) {
        let arms = self.arms.len();
        if !(1..=limits::VERSIONS_MAX).contains(&arms) {
            problems.add(format!("{path}.arms"), format!("{arms} arms"), format!("1 to {}", limits::VERSIONS_MAX));
        }
        let whole: u64 = self.arms.iter().map(|arm| u64::from(arm.share.ppm())).sum();
        if whole != u64::from(Share::ALL.ppm()) {
            problems.add(format!("{path}.arms"), format!("shares of {whole} parts per million"), "100% together");
        }
        for (i, arm) in self.arms.iter().enumerate() {
            if self.arms[..i].iter().any(|other| other.version == arm.version) {
                problems.add(format!("{path}.arms[{i}].version"), "named twice", "each version once");
            }
        }
        if !self.arms.iter().any(|arm| arm.version == self.stable) {
            problems.add(format!("{path}.stable"), format!("\"{}\" is no arm", self.stable), "the version of an arm");
        }
    }

    /// The share of one version.
    pub fn share_of(&self, version: &Name) -> Share {
        self.arms.iter().find(|arm| arm.version == *version).map_or(Share::ZERO, |arm| arm.share)
    }
}

/// A secret of 128 bits. Never shown in logs.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub [u8; 16]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canary_lies_between_the_others_and_stable() {
        let name = |n: &str| n.parse::<Name>().unwrap();
        let versions = [name("a"), name("b"), name("c")];
        let share = |n: &Name| Share::from_ppm(if n.as_str() == "a" { 200_000 } else { 100_000 }).unwrap();
        let arms = Split::lay_out(&versions, &name("c"), Some(&name("b")), share);
        let laid: Vec<_> = arms.iter().map(|arm| (arm.version.as_str(), arm.share.ppm())).collect();
        assert_eq!(laid, [("a", 200_000), ("b", 100_000), ("c", 700_000)]);
    }

    #[test]
    fn what_a_proxy_cannot_serve_is_told() {
        let whole = "{version: v, share: 100%}";
        for (service, arms, stable, expected) in [
            ("s", whole, "v", &[][..]),
            ("t", whole, "v", &["splits.t"]),
            ("s", "", "v", &["splits.s.arms", "splits.s.arms", "splits.s.stable"]),
            ("s", whole, "w", &["splits.s.stable"]),
            ("s", "{version: v, share: 99%}", "v", &["splits.s.arms"]),
            (
                "s",
                "{version: v, share: 60%}, {version: v, share: 60%}",
                "v",
                &["splits.s.arms", "splits.s.arms[1].version"],
            ),
        ] {
            let config = "{listeners: [{address: '127.0.0.1:1'}], routes: [{service: s}], \
                          services: {s: {versions: {v: {endpoints: ['127.0.0.1:2']}}}}}";
            let salt = vec!["0"; 16].join(",");
            let split = format!("{{epoch: 1, salt: [{salt}], stable: {stable}, arms: [{arms}]}}");
            let publication = Publication {
                generation: 1,
                cookie_key: Key([0; 16]),
                config: Arc::new(Config::parse(config).unwrap()),
                splits: BTreeMap::from([(service.parse().unwrap(), serde_saphyr::from_str(&split).unwrap())]),
            };
            let problems = publication.check().err().unwrap_or_default();
            assert_eq!(problems.iter().map(|it| &it.path).collect::<Vec<_>>(), expected, "{service} {arms} {stable}");
        }
    }

    #[test]
    fn shares_never_exceed_the_whole() {
        let name = |n: &str| n.parse::<Name>().unwrap();
        let versions = [name("a"), name("b"), name("c")];
        let arms = Split::lay_out(&versions, &name("c"), Some(&name("b")), |_| Share::from_ppm(700_000).unwrap());
        assert_eq!(arms.iter().map(|arm| arm.share.ppm()).sum::<u32>(), 1_000_000);
    }
}
