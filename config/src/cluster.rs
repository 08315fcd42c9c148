//! What may be said of a service in a cluster and nowhere else: in the annotations of a Service and in a `Rollout` object.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::name::Name;
use crate::policy::{Policy, Strategy};
use crate::problem::{Malformed, Problems};
use crate::text::serde_as_text;

/// Bytes of a label's value, and of each part of a DNS name: the API's limit.
const LABEL_BYTES_MAX: usize = 63;

/// The options of a service in a cluster. As annotations their names are in kebab case (`tidegate.dev/on-failure`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClusterOptions {
    /// The label of pods whose values are the versions, where several workloads are behind the Service. Default
    /// `version`. Of one workload that is updated in place the revisions are the versions.
    pub version_label: LabelKey,
    /// The stable version, where several workloads are behind the Service: a value of the version label. Absent: the
    /// version that was there first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable: Option<Label>,
    /// The versions that are tried at the same time, in place of the newest one, where several workloads are behind the
    /// Service: values of the version label. Nothing starts before all of them are there. Absent: the newest version.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::canaries"))]
    pub canaries: Vec<Label>,
    /// The name of the Service's port that is judged. Absent: every port that takes HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<Label>,
    /// Whether new pods behind the Service get a sidecar. Default false: its traffic passes a Gateway or an Ingress.
    pub inject: bool,
    /// What becomes of the workload when its canary is aborted. Default `hold`.
    pub on_failure: OnFailure,
    /// How the share and the number of ready pods go together. Default `wait`.
    pub capacity: Capacity,
    /// Whether the workload of the version that was replaced gets 0 replicas once the rollout is promoted, which blue/green
    /// is at the end of its standby. Default false: it stays, until somebody takes it away. Of one workload that is updated
    /// in place nothing is left.
    pub scale_down: bool,
}

impl ClusterOptions {
    /// Checks the fields against the policy. `path` is where both are.
    pub fn check(&self, policy: &Policy, path: &str, problems: &mut Problems) {
        if self.capacity == Capacity::Follow && policy.strategy != Strategy::Canary {
            let wrong = "does not belong to this strategy, which brings all visitors over at once";
            problems.add(format!("{path}.capacity"), wrong, "wait or ignore, or strategy: canary");
        }
        let at = format!("{path}.canaries");
        Policy::check_tried(Some(policy), self.canaries.len(), path, &at, problems);
        for (i, version) in self.canaries.iter().enumerate() {
            if self.canaries[..i].contains(version) {
                problems.add(&at, format!("\"{version}\" is named twice"), "each version once");
            } else if self.stable.as_ref() == Some(version) {
                problems.add(&at, format!("\"{version}\" is the stable version"), "others");
            }
        }
    }
}

/// What becomes of the workload after an abort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum OnFailure {
    /// The gates stay shut and every old pod stays, until somebody reverts the workload.
    #[default]
    Hold,
    /// The workload is set back to the stable revision.
    Undo,
}

/// How the share and the number of ready pods go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Capacity {
    /// No gate opens before promotion, and the share is never more than the canary's part of all usable pods.
    #[default]
    Wait,
    /// Gates open with the share, so that the canary grows as its visitors do. An abort then undoes.
    Follow,
    /// As `wait`, but the share may be more than the canary's part of all usable pods.
    Ignore,
}

/// The value of a label in Kubernetes, or a name that fits there: a [`Name`] of at most 63 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Name);

const LABEL_FORM: &str = "1 to 63 letters, digits, '-', '_' or '.', beginning and ending with a letter or digit";

impl Label {
    /// The label as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl From<Label> for Name {
    fn from(label: Label) -> Self {
        label.0
    }
}

impl FromStr for Label {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let name = text.parse().ok().filter(|_| text.len() <= LABEL_BYTES_MAX);
        name.map(Self).ok_or_else(|| Malformed::new(text, "is not a label", LABEL_FORM))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

serde_as_text!(Label);

/// The key of a label in Kubernetes: a name, perhaps behind a DNS name and a slash.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelKey(String);

const FORM: &str = "the key of a label such as version or app.kubernetes.io/version";

impl LabelKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for LabelKey {
    fn default() -> Self {
        Self("version".to_owned())
    }
}

impl FromStr for LabelKey {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (domain, name) = text.rsplit_once('/').map_or((None, text), |(domain, name)| (Some(domain), name));
        let edge = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let label = |label: &str| {
            let bytes = label.as_bytes();
            let ends = [bytes.first(), bytes.last()].iter().all(|b| b.is_some_and(|b| edge(*b)));
            ends && bytes.len() <= LABEL_BYTES_MAX && bytes.iter().all(|b| edge(*b) || *b == b'-')
        };
        let domain_fits = domain.is_none_or(|domain| domain.len() <= 253 && domain.split('.').all(label));
        if domain_fits && name.parse::<Label>().is_ok() {
            Ok(Self(text.to_owned()))
        } else {
            Err(Malformed::new(text, "is not the key of a label", FORM))
        }
    }
}

impl fmt::Display for LabelKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(LabelKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_kubernetes() {
        for good in ["version", "app.kubernetes.io/version", "a/B_c.d", "pod-template-hash"] {
            assert_eq!(good.parse::<LabelKey>().map(|key| key.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "/a", "a/", "a/b/c", "A.b/c", "a..b/c", "-a/b", "a b", &format!("a/{}", "x".repeat(64))] {
            assert!(bad.parse::<LabelKey>().is_err(), "{bad}");
        }
    }
}
