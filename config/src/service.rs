//! A service: its versions, which of them is stable, which is being tried, and whom it counts as one visitor.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::limits;
use crate::name::Name;
use crate::policy::Policy;
use crate::problem::Problems;
use crate::share::Share;
use crate::span::Span;
use crate::visitor::Visitor;

/// One service with one or more versions.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// The version that takes whatever no other version's share takes. May be left out with a single version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<Name>,
    /// The version that `rollout` tries against stable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Name>,
    /// The versions that `rollout` tries against stable at the same time, in place of one `canary`: the one that converts best
    /// is promoted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub canaries: Vec<Name>,
    /// The versions by name.
    pub versions: BTreeMap<Name, Version>,
    /// How the canary is rolled out; absent: shares stay as the file says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Policy>,
    /// Who counts as one visitor.
    #[serde(default)]
    pub visitor: Visitor,
    /// How long a request waits, at most, while nobody can be reached who would answer it. Default: not at all; 60s where
    /// `rollout` has the strategy `recreate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub park: Option<Span>,
}

/// One version of a service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Version {
    /// Where it runs. At least one, unless `refuse` answers: then none.
    pub endpoints: Vec<Address>,
    /// Its share of the visitors while no rollout moves it. Default 0%.
    #[serde(default)]
    pub share: Share,
    /// What is deployed, for example an image digest. A new revision under the same name is a new rollout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Answers every request of this version without an endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuse: Option<Refuse>,
}

/// An answer that the proxy gives itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "{status: 503, reason: NAME}")]
pub struct Refuse {
    /// The status code, 400 to 599.
    pub status: u16,
    /// The reason for machines, in the field `x-tidegate-reason`.
    pub reason: Name,
}

/// Checks how long requests are to wait. `path` is where that is said.
pub fn check_park(park: Option<Span>, path: &str, problems: &mut Problems) {
    let most = Span::from_secs(limits::PARK_SECONDS_MAX);
    if let Some(park) = park.filter(|park| *park > most) {
        problems.add(path, format!("{park} is longer than anybody waits"), format!("at most {most}; 0s: not at all"));
    }
}

impl Service {
    /// The name of the stable version: the one named so, or the only one.
    pub fn stable_name(&self) -> Option<&Name> {
        self.stable.as_ref().or_else(|| self.versions.keys().next().filter(|_| self.versions.len() == 1))
    }

    /// How long a request waits while nobody can be reached; `None`: not at all.
    pub fn parks(&self) -> Option<Span> {
        self.park.or_else(|| self.rollout.as_ref()?.parks()).filter(|park| *park > Span::ZERO)
    }

    /// The versions that are tried, in the order of the file.
    pub fn tried(&self) -> impl Iterator<Item = &Name> {
        self.canary.iter().chain(&self.canaries)
    }

    /// The known version names, for messages.
    fn known(&self) -> String {
        self.versions.keys().map(Name::as_str).collect::<Vec<_>>().join(", ")
    }

    /// Checks the names and shares of the service against each other.
    pub(crate) fn check(&self, path: &str, problems: &mut Problems) {
        let count = self.versions.len();
        if !(1..=limits::VERSIONS_MAX).contains(&count) {
            let allowed = format!("1 to {} versions", limits::VERSIONS_MAX);
            problems.add(format!("{path}.versions"), format!("{count} versions"), allowed);
            return;
        }
        if self.stable.is_none() && count > 1 {
            problems.add(format!("{path}.stable"), "missing, with more than one version", self.known());
        }
        if let Some(name) = self.stable.as_ref().filter(|name| !self.versions.contains_key(name)) {
            let wrong = format!("\"{name}\" is not a version of this service");
            problems.add(format!("{path}.stable"), wrong, self.known());
        }
        self.check_tried(path, problems);
        self.check_versions(path, problems);
        if let Some(rollout) = &self.rollout {
            rollout.check(&format!("{path}.rollout"), problems);
        }
        check_park(self.park, &format!("{path}.park"), problems);
    }

    /// Checks what is tried: each a version, none of them twice, and something that rolls it out.
    fn check_tried(&self, path: &str, problems: &mut Problems) {
        let listed = self.canaries.iter().enumerate().map(|(i, name)| (format!("{path}.canaries[{i}]"), name));
        let one = self.canary.iter().map(|name| (format!("{path}.canary"), name));
        let mut seen = BTreeSet::new();
        for (at, name) in one.chain(listed) {
            if !self.versions.contains_key(name) {
                problems.add(at, format!("\"{name}\" is not a version of this service"), self.known());
            } else if Some(name) == self.stable.as_ref() {
                problems.add(at, "the same version as stable", "another version, or no canary");
            } else if !seen.insert(name) {
                problems.add(at, format!("\"{name}\" is tried already"), "each version once, in canary or in canaries");
            } else if self.rollout.is_none() {
                let allowed =
                    "a rollout beside it (rollout: {strategy: canary}), or a fixed versions.NAME.share instead";
                problems.add(at, "named, but nothing rolls it out", allowed);
            }
        }
        let (policy, list) = (format!("{path}.rollout"), format!("{path}.canaries"));
        Policy::check_tried(self.rollout.as_ref(), self.tried().count(), &policy, &list, problems);
    }

    fn check_versions(&self, path: &str, problems: &mut Problems) {
        let stable = self.stable_name();
        let mut others = 0u32;
        for (name, version) in &self.versions {
            let at = format!("{path}.versions.{name}");
            let endpoints = version.endpoints.len();
            if let Some(Refuse { status, reason: _ }) = &version.refuse {
                if !(400..=599).contains(status) {
                    let wrong = format!("{status} is no status of an error");
                    problems.add(format!("{at}.refuse.status"), wrong, "400 to 599");
                }
                if endpoints > 0 {
                    let allowed = "[]";
                    problems.add(format!("{at}.endpoints"), "a version that refuses needs none", allowed);
                }
            } else if !(1..=limits::ENDPOINTS_PER_VERSION_MAX).contains(&endpoints) {
                let allowed = format!("1 to {} addresses", limits::ENDPOINTS_PER_VERSION_MAX);
                problems.add(format!("{at}.endpoints"), format!("{endpoints} addresses"), allowed);
            }
            for (role, holder) in [("stable", stable), ("canary", self.tried().next())] {
                // The override header names a version or a role; one word must not mean two versions.
                if name.as_str() == role && holder != Some(name) {
                    problems.add(
                        at.clone(),
                        format!("a version called \"{role}\" that is not the {role}"),
                        "another name",
                    );
                }
            }
            if Some(name) == stable && version.share != Share::ZERO {
                problems.add(
                    format!("{at}.share"),
                    "a share for the stable version",
                    "none: stable takes what is left",
                );
            } else {
                others += version.share.ppm();
            }
        }
        if Share::from_ppm(others).is_none() {
            let wrong = "the shares of this service add up to more than 100%";
            problems.add(format!("{path}.versions"), wrong, "at most 100% together");
        }
    }
}
