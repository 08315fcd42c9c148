//! What one request means for the counters: its version's, its visitor's, and the cookies that remember it.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::clock;
use crate::cookie::{self, Facts};
use crate::headers::is_publicly_cacheable;
use crate::ledger::Event;
use crate::shard::Cause;
use crate::snapshot::{Service, Snapshot};
use crate::visitor::{self, Visitor};
use crate::worker::Worker;

/// A request that has been assigned to a version.
pub(crate) struct Assigned<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) service: &'a Service,
    pub(crate) arm: usize,
    /// `None` where the service does not tell visitors apart.
    pub(crate) visitor: Option<Visitor>,
    /// Whether the request itself could be a conversion.
    pub(crate) may_convert: bool,
}

/// How it went.
pub(crate) struct Outcome {
    /// From the head of the request to the head of the response, or to the failure.
    pub(crate) latency: Duration,
    /// The status that the client sees; `None` where the client went away first.
    pub(crate) status: Option<StatusCode>,
    /// Why the version failed, if it did.
    pub(crate) failure: Option<Cause>,
}

/// Whether a request's method and path are those of a conversion.
pub(crate) fn may_convert(service: &Service, method: &Method, path: &str) -> bool {
    service.conversion.as_ref().is_some_and(|conversion| {
        conversion.method.as_ref().is_none_or(|wanted| wanted.as_str() == method.as_str())
            && conversion.path.takes(path)
    })
}

impl Assigned<'_> {
    /// Counts the request, and adds the cookies it earned to the response's fields.
    pub(crate) fn record(&self, outcome: &Outcome, fields: &mut HeaderMap) {
        let arm = &self.service.arms[self.arm];
        let chosen = self.visitor.is_some_and(|visitor| visitor.chosen.is_some());
        let shards = if chosen { &arm.outside } else { &arm.shards };
        shards.count(self.worker.index, outcome.latency, outcome.failure);
        let Some(visitor) = self.visitor.filter(|visitor| visitor.chosen.is_none()) else { return };
        if visitor.is_new && outcome.status.is_some() && is_publicly_cacheable(fields) {
            // A cookie here would name one visitor to many, and without it the visitor cannot be met again.
            return;
        }
        let converted = self.may_convert && self.is_conversion(outcome);
        let facts = self.facts(&visitor, outcome.failure.is_some(), converted);
        if let Some(facts) = facts {
            self.report(&visitor, outcome, converted, facts);
        }
        if outcome.status.is_some() {
            self.set_cookies(&visitor, facts, fields);
        }
    }

    fn is_conversion(&self, outcome: &Outcome) -> bool {
        let wanted = self.service.conversion.as_ref().map(|conversion| conversion.status);
        wanted.zip(outcome.status).is_some_and(|(wanted, status)| wanted.takes(status.as_u16()))
    }

    /// What is known of the visitor after this request; `None` without a rollout.
    fn facts(&self, visitor: &Visitor, failed: bool, converted: bool) -> Option<Facts> {
        let rollout = self.service.rollout?.number();
        let arm = u8::try_from(self.arm).ok()?;
        let new =
            Facts { rollout, first_epoch: self.service.epoch, first_arm: arm, met: 0, failed: false, converted: false };
        let mut facts = visitor.facts.unwrap_or(new);
        facts.met |= 1 << arm;
        facts.failed |= failed;
        facts.converted |= converted;
        Some(facts)
    }

    /// Tells the ledger, unless nothing about this request can be a first.
    fn report(&self, visitor: &Visitor, outcome: &Outcome, converted: bool, after: Facts) {
        let known = visitor.facts == Some(after);
        if known || !visitor.anonymous && self.worker.recall(visitor.draw, &after) {
            return;
        }
        self.worker.reporter.report(Event {
            service: self.service.slot,
            rollout: after.rollout,
            epoch: self.service.epoch,
            arm: u8::try_from(self.arm).unwrap_or(u8::MAX),
            visitor: visitor.draw,
            anonymous: visitor.anonymous,
            latency: outcome.status.map(|_| outcome.latency),
            failed: outcome.failure.is_some(),
            converted,
            facts: visitor.facts,
        });
    }

    fn set_cookies(&self, visitor: &Visitor, facts: Option<Facts>, fields: &mut HeaderMap) {
        let Some(id) = visitor.id else { return };
        let mut set = |value: String| {
            // Base64 and our own names are always valid in a field.
            if let Ok(value) = HeaderValue::try_from(value) {
                fields.append(header::SET_COOKIE, value);
            }
        };
        if visitor.is_new {
            set(visitor::identify(self.snapshot, id, clock::unix_seconds()));
        }
        if let Some(facts) = facts.filter(|facts| visitor.facts != Some(*facts)) {
            let value = facts.seal(&self.snapshot.cookie_key, id);
            set(visitor::set_cookie(&self.service.facts_cookie, &value, cookie::FACTS_MAX_AGE));
        }
    }
}
