//! The goal: which request means that a visitor converted, and what the canary must show.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ppm;
use crate::problem::{Malformed, Problems};
use crate::route::PathMatch;
use crate::share::Share;
use crate::span::Span;
use crate::text::serde_as_text;

/// A conversion is a request that matches and is answered with a matching status; each visitor converts at most once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = crate::schema::conversion())))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Conversion {
    /// The path of the request.
    pub path: PathMatch,
    /// Its method; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// The status of the response. Default `2xx`.
    #[serde(default)]
    pub status: StatusMatch,
    /// How long after a visitor was first seen it may convert. Absent: as long as the rollout lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::window"))]
    pub window: Option<Span>,
    /// What must be shown before promotion. Default `superiority`.
    #[serde(default)]
    pub goal: Goal,
    /// `nonInferiority` only: how much lower the canary may convert. Default 10%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::optional_chance"))]
    pub margin: Option<Share>,
    /// Chance of a goal reached by luck. Default 5%.
    #[serde(default = "false_goal")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::chance"))]
    pub false_goal: Share,
}

const fn false_goal() -> Share {
    ppm(50_000)
}

/// What the canary's conversion must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Goal {
    /// Higher than stable's.
    #[default]
    Superiority,
    /// Not lower than stable's by more than the margin.
    NonInferiority,
    /// Nothing: it only must not be lower.
    Guardrail,
}

/// The longest window: as long as a browser keeps what is known of a visitor.
const WINDOW_MAX: Span = Span::from_secs(14 * 86_400);

impl Conversion {
    /// The factor of stable's rate that a non-inferior canary must exceed.
    pub fn non_inferiority_ratio(&self) -> f64 {
        1.0 - self.margin.unwrap_or(ppm(100_000)).fraction()
    }

    pub(crate) fn check(&self, path: &str, problems: &mut Problems) {
        if self.margin.is_some() && self.goal != Goal::NonInferiority {
            problems.add(format!("{path}.margin"), "does not belong to this goal", "only with goal: nonInferiority");
        }
        if self.margin.is_some_and(|margin| margin == Share::ZERO || margin > ppm(500_000)) {
            problems.add(format!("{path}.margin"), "out of range", "more than 0%, at most 50%");
        }
        if self.window.is_some_and(|window| window < Span::from_secs(1) || window > WINDOW_MAX) {
            problems.add(format!("{path}.window"), "out of range", "1s to 14d");
        }
        if self.false_goal == Share::ZERO || self.false_goal > ppm(500_000) {
            problems.add(format!("{path}.falseGoal"), "out of range", "more than 0%, at most 50%");
        }
    }
}

/// A request method: a token of capital letters (RFC 9110 §9.1; methods are case-sensitive).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method(String);

impl Method {
    /// The method as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Method {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let token = (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
        token
            .then(|| Self(text.to_owned()))
            .ok_or_else(|| Malformed::new(text, "is not a method", "a method in capital letters such as GET or POST"))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(Method);

/// A status, or a class of them: `201`, `2xx`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusMatch {
    /// This status.
    Code(u16),
    /// All statuses of the class 1 to 5.
    Class(u16),
}

impl Default for StatusMatch {
    fn default() -> Self {
        Self::Class(2)
    }
}

impl StatusMatch {
    /// Whether a response status matches.
    pub const fn takes(self, status: u16) -> bool {
        match self {
            Self::Code(code) => status == code,
            Self::Class(class) => status / 100 == class,
        }
    }
}

const FORM: &str = "a status such as 201, or a class such as 2xx";

impl FromStr for StatusMatch {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let class =
            text.strip_suffix("xx").and_then(|class| class.parse().ok()).filter(|class| (1..=5).contains(class));
        let code = text.parse().ok().filter(|code| (100..=599).contains(code));
        let found = class.map(Self::Class).or_else(|| code.map(Self::Code));
        found.ok_or_else(|| Malformed::new(text, "is not a status", FORM))
    }
}

impl fmt::Display for StatusMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "{code}"),
            Self::Class(class) => write!(f, "{class}xx"),
        }
    }
}

serde_as_text!(StatusMatch);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_match_by_code_or_class() {
        for (text, status, takes) in [("2xx", 204, true), ("2xx", 302, false), ("201", 201, true), ("201", 200, false)]
        {
            assert_eq!(text.parse::<StatusMatch>().unwrap().takes(status), takes, "{text} {status}");
        }
        for bad in ["", "xx", "6xx", "99", "600", "2x"] {
            assert!(bad.parse::<StatusMatch>().is_err(), "{bad}");
        }
    }
}
