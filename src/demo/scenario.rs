//! PURE. What the two versions of the shop are like, and what should come of it.

use std::time::Duration;

use clap::ValueEnum;

use crate::Exit;

/// The versions: stable, canary.
pub(crate) const VERSIONS: [&str; 2] = ["v1", "v2"];

/// A story to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// 30% of the canary's visitors buy, 25% of stable's: it is promoted
    Better,
    /// Both versions are alike: nothing is shown, and it is held at the deadline
    Same,
    /// 22% buy instead of 25%: it is rolled back
    Worse,
    /// Half of the canary's responses are errors: it is rolled back
    Broken,
    /// The canary takes 1.6 times as long: it is rolled back, although more visitors buy
    Slow,
    /// Both versions fail for a while: the canary is not blamed, and promoted afterwards
    Outage,
}

/// The two versions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct World {
    /// Stable, canary.
    pub(crate) versions: [Version; 2],
    /// When both fail.
    pub(crate) outage: Option<Outage>,
}

/// What visitors meet in a version.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Version {
    /// Part of the visitors that it persuades to buy.
    pub(crate) appeal: f64,
    /// Part of its responses that are errors.
    pub(crate) failures: f64,
    /// The median of its response time.
    pub(crate) median: Duration,
}

/// A stretch of time in which both versions fail.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Outage {
    /// Since the shop opened.
    pub(crate) from: Duration,
    /// Since the shop opened.
    pub(crate) until: Duration,
    /// Part of the responses that are errors.
    pub(crate) failures: f64,
}

/// With about three pages each, 0.15% of the visitors meet an error.
const USUAL: Version = Version { appeal: 0.25, failures: 0.000_5, median: Duration::from_millis(20) };
const PERSUASIVE: Version = Version { appeal: 0.30, ..USUAL };

impl Scenario {
    /// What the versions are like.
    pub(crate) fn world(self) -> World {
        let canary = match self {
            Self::Better | Self::Outage => PERSUASIVE,
            Self::Same => USUAL,
            Self::Worse => Version { appeal: 0.22, ..USUAL },
            Self::Broken => Version { failures: 0.5, ..PERSUASIVE },
            Self::Slow => Version { median: Duration::from_millis(32), ..PERSUASIVE },
        };
        let (from, until) = (Duration::from_secs(10), Duration::from_secs(18));
        let outage = (self == Self::Outage).then_some(Outage { from, until, failures: 0.6 });
        World { versions: [USUAL, canary], outage }
    }

    /// What comes of it, but for a few seeds in a hundred.
    pub(crate) fn expected(self) -> Exit {
        match self {
            Self::Better | Self::Outage => Exit::Done,
            Self::Same => Exit::Undecided,
            Self::Worse | Self::Broken | Self::Slow => Exit::RolledBack,
        }
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

impl World {
    /// How often a version fails, so long after the shop opened.
    pub(crate) fn failures(&self, version: usize, open_for: Duration) -> f64 {
        let outage = self.outage.filter(|outage| (outage.from..outage.until).contains(&open_for));
        outage.map_or(self.versions[version].failures, |outage| outage.failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_strikes_both_versions_for_a_while() {
        let world = Scenario::Outage.world();
        for (seconds, fails) in [(0, false), (9, false), (10, true), (17, true), (18, false)] {
            for version in 0..2 {
                let failures = world.failures(version, Duration::from_secs(seconds));
                assert_eq!(failures > 0.5, fails, "version {version} after {seconds} s");
            }
        }
    }

    #[test]
    fn healthy_versions_fail_a_fifth_of_a_percent_of_their_visitors_at_most() {
        for scenario in Scenario::value_variants() {
            let stable = scenario.world().versions[0];
            assert!(1.0 - (1.0 - stable.failures).powi(4) <= 0.002, "{}", scenario.name());
        }
    }
}
