//! The guardrails: one-sided comparisons of the canary with stable at the same time, each with a margin.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ppm;
use crate::problem::{Malformed, Problems};
use crate::share::Share;
use crate::text::serde_as_text;

/// Failures: 5xx answers, refused connections, resets and timeouts. A canary is worse where its rate exceeds
/// `stable * (1 + tolerance) + excess`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Errors {
    /// Whether it is judged. Default true.
    pub enabled: bool,
    /// Relative margin. Default 10%.
    pub tolerance: Share,
    /// Absolute margin, of the canary's visitors. Default 0.02%.
    pub excess: Share,
}

impl Default for Errors {
    fn default() -> Self {
        Self { enabled: true, tolerance: ppm(100_000), excess: ppm(200) }
    }
}

/// Time from the request's head to the response's, of each visitor's first request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = crate::schema::latency())))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Latency {
    /// Whether it is judged. Default true.
    pub enabled: bool,
    /// The quantiles compared. Default p50, p95, p99.
    #[cfg_attr(feature = "schema", schemars(length(max = 3)))]
    pub quantiles: Vec<Quantile>,
    /// How much slower is tolerated, in histogram buckets of 19% each (a factor of 2^(1/4)). Default 1.
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::margin_buckets"))]
    pub margin_buckets: u8,
}

impl Default for Latency {
    fn default() -> Self {
        Self { enabled: true, quantiles: vec![Quantile::P50, Quantile::P95, Quantile::P99], margin_buckets: 1 }
    }
}

impl Latency {
    pub(crate) fn check(&self, path: &str, problems: &mut Problems) {
        if self.enabled && self.quantiles.is_empty() {
            problems.add(format!("{path}.quantiles"), "none", "at least one of p50, p95, p99; or enabled: false");
        }
        if self.margin_buckets > 16 {
            let wrong = format!("{} buckets would tolerate 16 times the latency", self.margin_buckets);
            problems.add(format!("{path}.marginBuckets"), wrong, "0 to 16 (each is 19%)");
        }
    }
}

/// A quantile of the latency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Quantile {
    /// The median.
    P50,
    /// 95 of 100 are faster.
    P95,
    /// 99 of 100 are faster.
    P99,
}

impl Quantile {
    /// As a probability.
    pub const fn probability(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P95 => 0.95,
            Self::P99 => 0.99,
        }
    }
}

/// The harm budget: `auto`, or a part of all visitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MaxHarm {
    /// The smallest budget under which a healthy rollout of this traffic takes about 15 minutes, fixed before the start;
    /// 0.5% where there are less than 10 minutes of history.
    #[default]
    Auto,
    /// This one.
    Fixed(Share),
}

const FORM: &str = "auto, or a percentage from 0.01% to 50%";

impl FromStr for MaxHarm {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let share: Share = text.parse().map_err(|_| Malformed::new(text, "is not a harm budget", FORM))?;
        let fits = (ppm(100)..=ppm(500_000)).contains(&share);
        if fits { Ok(Self::Fixed(share)) } else { Err(Malformed::new(text, "is out of range", FORM)) }
    }
}

impl fmt::Display for MaxHarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Fixed(share) => share.fmt(f),
        }
    }
}

serde_as_text!(MaxHarm);
