//! PURE. From the file and what is remembered to what every proxy is told: the split of each service.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher13};
use tidegate_config::{Arm, Key, Name, RolloutId, Service, Share, Split};

use crate::service_record::ServiceRecord;

/// The secrets of an installation. They outlive restarts, or every visitor would be drawn anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    /// Signs what visitors bring back.
    pub cookie: Key,
    /// The salts are derived from it.
    pub master: Key,
}

/// How the visitors of a service are to be divided: a split before it has an epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The shares in their order on the line: others, those that are tried, stable.
    pub arms: Vec<Arm>,
    /// The stable version.
    pub stable: Name,
    /// The version being tried.
    pub canary: Option<Name>,
    /// The others that are tried at the same time.
    pub rivals: Vec<Name>,
    /// The rollout under way.
    pub rollout: Option<RolloutId>,
    /// The first whole second of that rollout, since the Unix epoch; 0 without one.
    pub rollout_began: u32,
}

impl Layout {
    /// What a service should have: while a rollout is under way its share wins over the file's; the file's canary gets
    /// visitors from a rollout only; every other version has its share in the file, and stable the rest.
    ///
    /// `None` where nothing is stable, which no file that was accepted says.
    pub fn of(service: &Service, record: &ServiceRecord) -> Option<Self> {
        let status = record.under_way();
        let stable = status.map(|status| &status.stable).or(record.stable(service))?.clone();
        let tried = || record.tried().filter(|_| status.is_some());
        let share = |version: &Name| match tried().find(|status| status.canary == *version) {
            Some(status) => status.share,
            None if service.tried().any(|tried| tried == version) => Share::ZERO,
            None => service.versions.get(version).map_or(Share::ZERO, |version| version.share),
        };
        let versions: Vec<Name> = service.versions.keys().cloned().collect();
        let room = status.map_or(Share::ZERO, |status| status.policy.most_at_test());
        let mut names: Vec<&Name> = tried().map(|status| &status.canary).collect();
        // Whoever is shown first: everybody keeps the same place on the line.
        names.sort();
        let arms = Split::lay_out(&versions, &stable, names, room, share);
        let canary = status.map(|status| status.canary.clone());
        let rivals = tried().skip(1).map(|status| status.canary.clone()).collect();
        let rollout = status.map(|status| status.rollout);
        // Stored with the rollout: a restart must not make known visitors new, nor new ones known.
        let rollout_began = status.map_or(0, |status| whole_seconds(status.started.millis()));
        Some(Self { arms, stable, canary, rivals, rollout, rollout_began })
    }

    /// The same with at most this share for each version that is tried; stable takes the rest.
    #[must_use]
    pub fn capped(mut self, most: impl Fn(&Name) -> Share) -> Self {
        let mut left = Share::ZERO;
        for arm in &mut self.arms {
            if self.canary.iter().chain(&self.rivals).any(|tried| *tried == arm.version) {
                let taken = arm.share.minus(most(&arm.version));
                arm.share = arm.share.minus(taken);
                left = left.plus(taken);
            }
        }
        if let Some(stable) = self.arms.iter_mut().find(|arm| arm.version == self.stable) {
            stable.share = stable.share.plus(left);
        }
        self
    }

    /// Whether a split says the same.
    pub fn is(&self, split: &Split) -> bool {
        let Split { epoch: _, salt: _, arms, stable, canary, rivals, rollout, rollout_began } = split;
        let began = (self.rollout, self.rollout_began) == (*rollout, *rollout_began);
        let tried = (&self.canary, &self.rivals) == (canary, rivals);
        self.arms == *arms && self.stable == *stable && tried && began
    }

    /// The split in its epoch.
    pub fn in_epoch(self, epoch: u64, salt: Key) -> Split {
        let Self { arms, stable, canary, rivals, rollout, rollout_began } = self;
        Split { epoch, salt, arms, stable, canary, rivals, rollout, rollout_began }
    }
}

/// The first whole second of a rollout. Rounds up: a cookie of that second was certainly not minted before.
pub fn whole_seconds(millis: u64) -> u32 {
    u32::try_from(millis.div_ceil(1_000)).unwrap_or(u32::MAX)
}

/// The salt that visitors are drawn with. Each rollout has its own, so that the same people are not always first. A fixed
/// share has its service's for ever, so that raising it only ever adds visitors.
pub fn salt(master: &Key, service: &Name, rollout: Option<RolloutId>) -> Key {
    let mut hasher = SipHasher13::new_with_key(&master.0);
    if let Some(rollout) = rollout {
        hasher.write(b"rollout ");
        hasher.write(&rollout.number().to_le_bytes());
    } else {
        hasher.write(b"service ");
        hasher.write(service.as_str().as_bytes());
    }
    Key(hasher.finish128().as_bytes())
}

#[cfg(test)]
mod tests {
    use tidegate_config::Config;

    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn other_versions_keep_their_visitors() {
        let file = "
            listeners: [{address: '127.0.0.1:8080'}]
            routes: [{service: shop}]
            services:
              shop:
                stable: v1
                canary: v2
                versions:
                  v1: {endpoints: ['127.0.0.1:1']}
                  v2: {endpoints: ['127.0.0.1:2'], share: 30%}
                  old: {endpoints: ['127.0.0.1:3'], share: 20%}
                rollout: {strategy: canary}
        ";
        let config = Config::parse(file).unwrap();
        let layout = Layout::of(&config.services[&name("shop")], &ServiceRecord::default()).unwrap();
        let laid: Vec<_> = layout.arms.iter().map(|arm| (arm.version.as_str(), arm.share.ppm())).collect();
        let expected = [("old", 200_000), ("v2", 0), ("v1", 800_000)];
        assert_eq!(laid, expected, "the canary gets visitors from a rollout only, whatever its share in the file");
    }

    #[test]
    fn a_cap_gives_the_rest_to_stable() {
        let ppm = |ppm| Share::from_ppm(ppm).unwrap();
        let arm = |version: &str, share| Arm::new(name(version), ppm(share));
        let arms = vec![arm("old", 200_000), arm("v2", 500_000), arm("v1", 300_000)];
        let (canary, rivals) = (Some(name("v2")), Vec::new());
        let layout = Layout { arms, stable: name("v1"), canary, rivals, rollout: None, rollout_began: 0 };
        let shares =
            |most| layout.clone().capped(|_| ppm(most)).arms.iter().map(|arm| arm.share.ppm()).collect::<Vec<_>>();
        assert_eq!(shares(200_000), [200_000, 200_000, 600_000]);
        assert_eq!(shares(500_000), [200_000, 500_000, 300_000], "as much as it wants");
        assert_eq!(shares(0), [200_000, 0, 800_000]);
    }

    #[test]
    fn a_salt_belongs_to_one_draw() {
        let (master, other) = (Key([1; 16]), Key([2; 16]));
        let one = "0000000000000001".parse().ok();
        let salts = [
            salt(&master, &name("shop"), None),
            salt(&master, &name("cart"), None),
            salt(&master, &name("shop"), one),
            salt(&other, &name("shop"), None),
        ];
        for (i, salt) in salts.iter().enumerate() {
            assert!(!salts[..i].contains(salt), "{i}");
        }
        assert_eq!(salt(&master, &name("shop"), one), salt(&master, &name("renamed"), one), "a rollout has its own");
    }
}
