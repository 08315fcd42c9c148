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
    /// The shares in their order on the line from 0 to 1: others, those that are tried, stable. They add up to 100%.
    pub arms: Vec<Arm>,
    /// The version that a running rollout compares the others with.
    pub stable: Name,
    /// The version that a running rollout tries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Name>,
    /// The versions that it tries beside that one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rivals: Vec<Name>,
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
    /// The part of the line that is kept for it where several versions are tried: what its share leaves of it is stable's, so
    /// that no version's growth moves the visitors of another one. 0%: no more than its share.
    #[serde(default, skip_serializing_if = "Share::is_zero")]
    pub room: Share,
}

impl Arm {
    /// A version whose share has no more room than it takes.
    pub const fn new(version: Name, share: Share) -> Self {
        Self { version, share, room: Share::ZERO }
    }
}

impl Split {
    /// A split that no rollout moves.
    pub const fn fixed(epoch: u64, salt: Key, arms: Vec<Arm>, stable: Name) -> Self {
        Self { epoch, salt, arms, stable, canary: None, rivals: Vec::new(), rollout: None, rollout_began: 0 }
    }

    /// The versions that a running rollout tries, in their order on the line.
    pub fn tried(&self) -> impl Iterator<Item = &Name> {
        self.canary.iter().chain(&self.rivals)
    }

    /// Lays shares out so that moving one of those that are tried moves no visitor of another version but stable: others,
    /// the tried ones in their order, stable.
    ///
    /// `share` gives the share of every version but stable, which takes the rest; `room` is what each tried one may grow to
    /// where there are several.
    pub fn lay_out<'a>(
        versions: &[Name],
        stable: &Name,
        tried: impl IntoIterator<Item = &'a Name>,
        room: Share,
        share: impl Fn(&Name) -> Share,
    ) -> Vec<Arm> {
        let tried: Vec<&Name> = tried.into_iter().collect();
        let mut left = Share::ALL;
        let mut take = |version: &Name| {
            let share = share(version).min(left);
            left = left.minus(share);
            Arm::new(version.clone(), share)
        };
        let others = versions.iter().filter(|version| *version != stable && !tried.contains(version));
        let mut arms: Vec<Arm> = others.map(&mut take).collect();
        let several = tried.len() > 1;
        arms.extend(
            tried.iter().map(|version| Arm { room: if several { room } else { Share::ZERO }, ..take(version) }),
        );
        arms.push(Arm::new(stable.clone(), left));
        arms
    }

    /// The line from 0 to 1: which arm has it up to which place, in parts per million. What is kept for an arm and not its
    /// own is stable's.
    ///
    /// Where there is no room for all that is kept, nothing is: then one version has all visitors, or soon will.
    pub fn line(&self) -> Vec<(usize, u32)> {
        let stable = self.arms.iter().position(|arm| arm.version == self.stable).unwrap_or_default();
        let kept = |arm: &Arm| arm.room.minus(arm.share).ppm();
        let spare = self.arms.get(stable).map_or(0, |arm| arm.share.ppm());
        let keeps = self.arms.iter().map(kept).sum::<u32>() <= spare;
        let mut end = 0;
        let mut line = Vec::new();
        for (at, arm) in self.arms.iter().enumerate().filter(|(at, _)| *at != stable) {
            end += arm.share.ppm();
            line.push((at, end));
            if keeps && kept(arm) > 0 {
                end += kept(arm);
                line.push((stable, end));
            }
        }
        line.push((stable, Share::ALL.ppm()));
        line
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
        let arms = Split::lay_out(&versions, &name("c"), [&name("b")], Share::ZERO, share);
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
    fn each_of_several_grows_into_room_of_its_own() {
        let name = |n: &str| n.parse::<Name>().unwrap();
        let (versions, room) = (["a", "b", "c", "v"].map(name), Share::from_ppm(300_000).unwrap());
        let line = |of: [u32; 3], room| {
            let share = |n: &Name| Share::from_ppm(of[versions.iter().position(|it| it == n).unwrap()]).unwrap();
            let arms = Split::lay_out(&versions, &versions[3], &versions[1..3], room, share);
            let split = Split {
                epoch: 1,
                salt: Key([0; 16]),
                arms,
                stable: versions[3].clone(),
                canary: Some(versions[1].clone()),
                rivals: vec![versions[2].clone()],
                rollout: None,
                rollout_began: 0,
            };
            split
                .line()
                .into_iter()
                .map(|(arm, end)| (split.arms[arm].version.as_str().to_owned(), end / 1_000))
                .collect()
        };
        let check = |of, room, expected: &[(&str, u32)], why: &str| {
            let found: Vec<(String, u32)> = line(of, room);
            let expected: Vec<_> = expected.iter().map(|(version, end)| ((*version).to_owned(), *end)).collect();
            assert_eq!(found, expected, "{why}");
        };
        let begins = [("a", 100), ("b", 200), ("v", 400), ("c", 500), ("v", 700), ("v", 1_000)];
        check([100_000, 100_000, 100_000], room, &begins, "what they do not take yet is stable's");
        let grows = [("a", 100), ("b", 400), ("c", 500), ("v", 700), ("v", 1_000)];
        check([100_000, 300_000, 100_000], room, &grows, "c has the same visitors as before");
        let out = [("a", 100), ("b", 100), ("v", 400), ("c", 600), ("v", 700), ("v", 1_000)];
        check([100_000, 0, 200_000], room, &out, "one that is out leaves its room to stable");
        let won = [("a", 0), ("b", 1_000), ("c", 1_000), ("v", 1_000)];
        check([0, 1_000_000, 0], room, &won, "the one that has won");
        let close = [("a", 100), ("b", 200), ("c", 300), ("v", 1_000)];
        check([100_000, 100_000, 100_000], Share::ZERO, &close, "nothing is kept where nothing is asked for");
    }

    #[test]
    fn shares_never_exceed_the_whole() {
        let name = |n: &str| n.parse::<Name>().unwrap();
        let versions = [name("a"), name("b"), name("c")];
        let arms =
            Split::lay_out(&versions, &name("c"), [&name("b")], Share::ZERO, |_| Share::from_ppm(700_000).unwrap());
        assert_eq!(arms.iter().map(|arm| arm.share.ppm()).sum::<u32>(), 1_000_000);
    }
}
