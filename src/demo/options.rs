//! What `tidegate demo` is told.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use clap::Args;

use super::scenario::Scenario;

/// New visitors a second that can be asked for: below, nothing is decided in two minutes; above, the crowd's connections
/// do not suffice.
pub(crate) const VISITORS: RangeInclusive<u32> = 50..=1_500;

/// What is shown after the options.
pub const EXAMPLES: &str = "\
Examples:
  tidegate demo                        a better canary is promoted
  tidegate demo --scenario broken      a broken one is rolled back within seconds
  tidegate demo --print-config         the policy, as a file for `tidegate run`

Exit codes: 0 promoted, 3 rolled back, 4 undecided, 1 error, 2 usage";

/// Watch a rollout from end to end, on this machine alone
///
/// Two versions of a shop, a crowd of visitors, the proxy and the controller, all real and all on this machine. Ends by
/// itself in at most two minutes.
#[derive(Debug, Clone, Args)]
pub struct DemoOptions {
    /// What the two versions are like
    #[arg(long, value_enum, default_value_t = Scenario::Better)]
    pub scenario: Scenario,
    /// A number, or `random`. It fixes when visitors come, which of them get the canary at which share, how long they
    /// look at a page, how easily each of them buys, and when the shop is slow or fails. How many have come by the time of
    /// a decision depends on the machine, so two runs may still decide a few visitors apart
    #[arg(long, default_value_t = Seed::Number(1), value_name = "NUMBER|random")]
    pub seed: Seed,
    /// New visitors a second, with about three requests each
    #[arg(long, default_value_t = 650, value_parser = clap::value_parser!(u32).range(i64::from(*VISITORS.start())..=i64::from(*VISITORS.end())))]
    pub visitors: u32,
    /// Print lines, as where the output is not a terminal
    #[arg(long)]
    pub plain: bool,
    /// Print the configuration that the demo runs with, and end. It is an ordinary file for `tidegate run`; the demo
    /// replaces its addresses by free ones
    #[arg(long)]
    pub print_config: bool,
}

/// Where chance comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seed {
    /// This number.
    Number(u64),
    /// A number that is not known beforehand.
    Random,
}

impl Seed {
    /// The number.
    pub(crate) fn number(self) -> Result<u64, getrandom::Error> {
        match self {
            Self::Number(number) => Ok(number),
            // Short enough to be typed again.
            Self::Random => getrandom::u32().map(u64::from),
        }
    }
}

/// Why a text is no seed.
#[derive(Debug, thiserror::Error)]
#[error("a seed is a whole number, or the word random")]
pub struct NoSeed;

impl FromStr for Seed {
    type Err = NoSeed;

    fn from_str(text: &str) -> Result<Self, NoSeed> {
        match text {
            "random" => Ok(Self::Random),
            number => number.parse().map(Self::Number).map_err(|_| NoSeed),
        }
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Random => f.write_str("random"),
        }
    }
}
