//! Who sends a request, and what its own cookies say of it.

use std::net::IpAddr;

use http::HeaderMap;
use tidegate_config::Identity as By;

use crate::assign::Draw;
use crate::cookie::{Facts, Identity, Ours, SealedFacts};
use crate::headers::Accepted;
use crate::snapshot::{Service, Snapshot};

/// The visitor behind one request.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Visitor {
    /// Its draw in this service's split.
    pub(crate) draw: Draw,
    /// The id in its cookie: the one it brought or the one it is to get.
    pub(crate) id: Option<u64>,
    /// Whether that cookie has still to be set.
    pub(crate) is_new: bool,
    /// How it stands to the rollout.
    pub(crate) standing: Standing,
    /// What its cookie says of the rollout, unopened: most requests of a known visitor never need it.
    pub(crate) facts: Option<SealedFacts>,
    /// The arm that a tester chose, or that the proxy chose to protect the visitor. Such a request is no evidence.
    pub(crate) chosen: Option<usize>,
    /// Whether it was the proxy.
    pub(crate) protected: bool,
}

/// How a visitor stands to the rollout under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is not known to have come before the rollout began. An id from a header or an address has no age.
    #[default]
    New,
    /// Its cookie is older than the rollout.
    Old,
    /// It can never be met again: every request is a visitor of its own.
    Anonymous,
}

impl Visitor {
    /// Tells who sends a request: by the configured header, else by cookie, address or not at all. `random` gives the id
    /// of a visitor who is not known.
    pub(crate) fn of(
        snapshot: &Snapshot,
        service: &Service,
        fields: &HeaderMap,
        accepted: &Accepted,
        client: IpAddr,
        random: impl FnOnce() -> u64,
    ) -> Self {
        let ours = ours(service, accepted);
        let named = service.visitor.header.as_ref().and_then(|name| fields.get(name.as_str()));
        let mut visitor = Self::default();
        if let Some(name) = named {
            visitor.draw = Draw::of(&service.salt, name.as_bytes());
        } else {
            match service.visitor.by {
                By::Cookie => {
                    let known = ours.visitor.and_then(|value| Identity::open(&snapshot.cookie_key, value));
                    visitor.is_new = known.is_none();
                    if known.is_some_and(|known| known.minted < service.rollout_began) {
                        visitor.standing = Standing::Old;
                    }
                    let id = known.map_or_else(random, |known| known.id);
                    visitor.id = Some(id);
                    visitor.draw = Draw::of(&service.salt, &id.to_le_bytes());
                }
                By::Address => visitor.draw = of_address(service, client),
                By::Request => {
                    visitor.standing = Standing::Anonymous;
                    visitor.draw = Draw::of(&service.salt, &random().to_le_bytes());
                }
            }
        }
        visitor.facts = ours.facts.and_then(|value| value.try_into().ok());
        visitor.chosen = chosen(service, accepted, &ours);
        if visitor.chosen.is_none() && service.is_out(service.arm_at(visitor.draw.place())) {
            (visitor.chosen, visitor.protected) = (Some(service.fallback), true);
        }
        visitor
    }

    /// A tester who chose a version of a service that does not divide its visitors.
    pub(crate) fn choosing(service: &Service, accepted: &Accepted) -> Option<Self> {
        if service.arms.len() < 2 {
            return None;
        }
        let chosen = chosen(service, accepted, &ours(service, accepted))?;
        Some(Self { chosen: Some(chosen), ..Self::default() })
    }

    /// What its cookie says of the rollout, if the cookie is ours, this visitor's and of this rollout.
    pub(crate) fn open_facts(&self, snapshot: &Snapshot, service: &Service) -> Option<Facts> {
        Facts::open(&snapshot.cookie_key, self.id?, service.rollout?, &self.facts?)
    }

    /// The arm that this visitor sees.
    pub(crate) fn arm(&self, service: &Service) -> usize {
        self.chosen.unwrap_or_else(|| service.arm_at(self.draw.place()))
    }
}

/// The cookies of a request that concern us.
fn ours<'a>(service: &Service, accepted: &'a Accepted) -> Ours<'a> {
    let mut ours = Ours::default();
    if let Some(value) = &accepted.cookie {
        ours.read(value.as_bytes(), &service.facts_cookie);
    }
    ours
}

/// The arm that a tester chose, by the header `x-tidegate-version` or by the cookie.
fn chosen(service: &Service, accepted: &Accepted, ours: &Ours<'_>) -> Option<usize> {
    if !service.visitor.overridable {
        return None;
    }
    let header = accepted.version.as_ref().map(http::HeaderValue::as_bytes);
    header.or(ours.version).and_then(|name| service.arm_named(name))
}

fn of_address(service: &Service, client: IpAddr) -> Draw {
    match client.to_canonical() {
        IpAddr::V4(address) => Draw::of(&service.salt, &address.octets()),
        IpAddr::V6(address) => Draw::of(&service.salt, &address.octets()),
    }
}
