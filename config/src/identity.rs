//! What makes a rollout the same rollout: its service, the versions and what defines them, and the policy.

use std::fmt;
use std::hash::Hasher;
use std::str::FromStr;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::name::Name;
use crate::policy::Policy;
use crate::problem::Malformed;
use crate::service::Service;
use crate::text::serde_as_text;
use crate::visitor::Visitor;

/// The identity of a rollout. Endpoints are no part of it: a pod that moves is the same release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RolloutId(u64);

impl RolloutId {
    /// The identity of the rollout that a service asks for; `None` where it asks for none.
    pub fn of(name: &Name, service: &Service) -> Option<Self> {
        let mut tried: Vec<&Name> = service.tried().collect();
        // Several are the same in any order.
        tried.sort();
        let (stable, (canary, rivals)) = (service.stable_name()?, tried.split_first()?);
        let policy = service.rollout.as_ref()?;
        let revision = |version: &Name| service.versions.get(version).and_then(|v| v.revision.as_deref());
        let parts: (&Name, &Name, Option<&str>, &Name, Option<&str>, &Policy, &Visitor) =
            (name, stable, revision(stable), canary, revision(canary), policy, &service.visitor);
        // Struct fields serialise in their order and maps are sorted, so equal parts give equal text.
        let mut text = serde_json::to_vec(&parts).ok()?;
        let rivals: Vec<_> = rivals.iter().map(|rival| (rival, revision(rival))).collect();
        if !rivals.is_empty() {
            text.append(&mut serde_json::to_vec(&rivals).ok()?);
        }
        let mut hasher = SipHasher13::new();
        hasher.write(&text);
        Some(Self(hasher.finish128().h1))
    }

    /// The identity as a number.
    pub const fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for RolloutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for RolloutId {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let id = u64::from_str_radix(text, 16).ok().filter(|_| text.len() == 16);
        id.map(Self).ok_or_else(|| Malformed::new(text, "is not a rollout id", "16 hexadecimal digits"))
    }
}

serde_as_text!(RolloutId);
