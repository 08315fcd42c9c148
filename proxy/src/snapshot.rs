//! Everything a request needs to know, in one immutable value with one generation number.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use tidegate_config::policy::Conversion;
use tidegate_config::{Key, Limits, Name, Refuse, RolloutId, Share, Visitor};

use crate::assign;
use crate::cohort::Window;
use crate::endpoint::Endpoint;
use crate::route::RouteTable;
use crate::shard::Shards;
use crate::tls::TlsTable;
use crate::trip::Trip;

/// One generation of the routing state.
#[derive(Debug)]
pub struct Snapshot {
    /// Its number.
    pub generation: u64,
    /// Which service takes a request.
    pub routes: Arc<RouteTable>,
    /// How clients of HTTPS listeners are met.
    pub(crate) tls: Arc<TlsTable>,
    /// The services, in the order of the routes' indices.
    pub services: Vec<Service>,
    /// Signs visitors' cookies.
    pub cookie_key: Key,
    /// Every timeout.
    pub timeouts: Timeouts,
    /// The limits a user may set.
    pub limits: Limits,
    /// Whether requests are logged.
    pub access_log: bool,
}

/// The timeouts as the standard library measures time; named as in [`tidegate_config::Timeouts`].
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    pub header_read: Duration,
    pub client_idle: Duration,
    pub connect: Duration,
    pub body_idle: Duration,
    pub endpoint_idle: Duration,
    pub upgrade_idle: Duration,
    pub drain: Duration,
}

/// A service and how its visitors are divided.
#[derive(Debug)]
pub struct Service {
    /// Its name.
    pub name: Name,
    /// Where its counters are in the registry.
    pub slot: usize,
    /// The epoch of this split.
    pub epoch: u64,
    /// Keys the assignment.
    pub salt: Key,
    /// The versions in the order of their shares on the line.
    pub arms: Vec<Arm>,
    /// The line from 0 to 1: whose each part is.
    pub line: Vec<Part>,
    /// The rollout under way.
    pub rollout: Option<RolloutId>,
    /// Its first whole second, since the Unix epoch.
    pub rollout_began: u32,
    /// Who counts as one visitor.
    pub visitor: Visitor,
    /// Which request is a conversion.
    pub conversion: Option<Conversion>,
    /// How long it is awaited.
    pub(crate) window: Option<Window>,
    /// The cookie that holds a visitor's facts.
    pub facts_cookie: String,
    /// Each takes a canary out of service if it plainly fails.
    pub trips: Vec<Arc<Trip>>,
    /// The arm that takes a request whose own version cannot be reached: stable.
    pub fallback: usize,
    /// How long a request waits while nobody can be reached; `None`: not at all.
    pub(crate) park: Option<Duration>,
}

/// A part of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Whose it is, by the place among the arms.
    pub arm: usize,
    /// Where it ends, in parts per million from the start.
    pub upper: u32,
}

/// A version and its share.
#[derive(Debug)]
pub struct Arm {
    /// The version.
    pub version: Name,
    /// Whether it is what a tester means by `stable` or `canary`.
    pub role: Role,
    /// Its share of the visitors.
    pub share: Share,
    /// Where it runs.
    pub endpoints: Arc<[Arc<Endpoint>]>,
    /// Whether it is tried and has nobody at the moment, as whoever told us of it knows. Where a name leads to nobody, or
    /// nobody takes connections, that is a failure of its own.
    pub vacant: bool,
    /// Which of them is the application beside this proxy.
    pub beside: Option<usize>,
    /// What the proxy answers itself, where it is so configured.
    pub refusal: Option<Arc<Refusal>>,
    /// Counters of this version in this epoch.
    pub shards: Arc<Shards>,
    /// Counters of requests that a tester sent here.
    pub outside: Arc<Shards>,
}

/// The answer of a version that refuses.
#[derive(Debug)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// The reason for machines.
    pub reason: HeaderValue,
}

impl Refusal {
    /// The answer that is configured.
    pub(crate) fn of(refuse: &Refuse) -> Option<Arc<Self>> {
        let status = StatusCode::from_u16(refuse.status).ok()?;
        let reason = HeaderValue::from_str(refuse.reason.as_str()).ok()?;
        Some(Arc::new(Self { status, reason }))
    }
}

/// What a version is in its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The version that is compared with.
    Stable,
    /// The version that is tried.
    Canary,
    /// Neither.
    Other,
}

impl Service {
    /// Whether more than one version takes visitors, so that they must be told apart.
    pub fn splits(&self) -> bool {
        self.rollout.is_some() || self.arms.iter().any(|arm| arm.share != Share::ZERO && arm.share != Share::ALL)
    }

    /// The arm at a place on the line. This is the line that picks a version.
    pub fn arm_at(&self, place: u32) -> usize {
        let part = assign::pick(self.line.iter().map(|part| part.upper), place);
        self.line.get(part).map_or(0, |part| part.arm)
    }

    /// Whether the visitors of this arm see stable now, which is no evidence.
    pub(crate) fn is_out(&self, arm: usize) -> bool {
        self.is_tripped(arm) || self.arms.get(arm).is_some_and(|arm| arm.vacant)
    }

    /// Whether this proxy has taken the arm out of service.
    pub(crate) fn is_tripped(&self, arm: usize) -> bool {
        self.trips.iter().any(|trip| trip.is_tripped(arm))
    }

    /// The arm that a tester names: a version, `stable` or `canary`.
    pub fn arm_named(&self, name: &[u8]) -> Option<usize> {
        let by_role = |arm: &Arm| match name {
            b"stable" => arm.role == Role::Stable,
            b"canary" => arm.role == Role::Canary,
            _ => false,
        };
        self.arms.iter().position(|arm| by_role(arm) || arm.version.as_str().as_bytes() == name)
    }
}
