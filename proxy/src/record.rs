//! What one request means for the counters: its version's, its visitor's, and the cookies that remember it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tidegate_config::RolloutId;

use crate::access_log::Line;
use crate::clock;
use crate::cookie::{self, Facts, Identity};
use crate::firsts::Firsts;
use crate::headers::is_publicly_cacheable;
use crate::ledger::Event;
use crate::shard::Cause;
use crate::snapshot::{Service, Snapshot};
use crate::visitor::{Standing, Visitor};
use crate::worker::Worker;

/// A request that has been assigned to a version.
pub(crate) struct Assigned<'a> {
    pub(crate) worker: &'a Worker,
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) line: &'a Line<'a>,
    /// Whether the client speaks TLS.
    pub(crate) secure: bool,
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
        let failed = outcome.failure.is_some();
        let converted = self.may_convert && self.is_conversion(outcome);
        let new = self.service.rollout.and_then(|_| Firsts::of(self.arm, failed, converted));
        match new {
            // The usual case: a visitor who is known, with nothing new to tell.
            Some(new) if visitor.facts.is_some() && self.worker.recalls(visitor.draw, self.rollout(), new) => {}
            // A cookie here would name one visitor to many, and without it the visitor cannot be met again.
            _ if visitor.id.is_some() && (visitor.is_new || new.is_some()) && is_publicly_cacheable(fields) => {}
            Some(new) => self.record_firsts(&visitor, outcome, new, fields),
            None => self.set_cookies(&visitor, outcome, None, fields),
        }
    }

    fn rollout(&self) -> u64 {
        self.service.rollout.map_or(0, RolloutId::number)
    }

    /// Tells the ledger what may be a first, and the visitor's browser what is known of it now.
    fn record_firsts(&self, visitor: &Visitor, outcome: &Outcome, new: Firsts, fields: &mut HeaderMap) {
        let before = visitor.open_facts(self.snapshot, self.service);
        let now = clock::unix_seconds();
        let first = Facts {
            rollout: self.rollout(),
            first_epoch: self.service.epoch,
            first_seen: now,
            first_arm: new.arm(),
            met: 0,
            failed: false,
            converted: false,
        };
        let after = new.added_to(before.unwrap_or(first));
        let met_again = visitor.standing != Standing::Anonymous;
        let told = met_again && self.worker.remember(visitor.draw, self.rollout(), Firsts::in_facts(&after));
        if before == Some(after) {
            return;
        }
        if !told {
            self.report(visitor, outcome, new, (before, now));
        }
        self.set_cookies(visitor, outcome, Some(after), fields);
    }

    fn is_conversion(&self, outcome: &Outcome) -> bool {
        let wanted = self.service.conversion.as_ref().map(|conversion| conversion.status);
        wanted.zip(outcome.status).is_some_and(|(wanted, status)| wanted.takes(status.as_u16()))
    }

    fn report(&self, visitor: &Visitor, outcome: &Outcome, new: Firsts, (facts, at): (Option<Facts>, u32)) {
        self.worker.reporter.report(Event {
            service: self.service.slot,
            rollout: self.rollout(),
            epoch: self.service.epoch,
            at,
            window: self.service.window,
            arm: new.arm(),
            visitor: visitor.draw,
            standing: visitor.standing,
            latency: outcome.status.map(|_| outcome.latency),
            failed: new.failed(),
            converted: new.converted(),
            facts,
        });
    }

    fn set_cookies(&self, visitor: &Visitor, outcome: &Outcome, facts: Option<Facts>, fields: &mut HeaderMap) {
        let Some(id) = visitor.id.filter(|_| outcome.status.is_some()) else { return };
        let key = &self.snapshot.cookie_key;
        let mut set = |name: &str, value: cookie::Value, max_age: &str| {
            // Base64 and our own names are always valid in a field.
            if let Ok(value) =
                HeaderValue::from_maybe_shared(Bytes::from(cookie::set(name, &value, max_age, self.secure)))
            {
                fields.append(header::SET_COOKIE, value);
            }
        };
        if visitor.is_new {
            let identity = Identity { id, minted: clock::unix_seconds() };
            set(cookie::VISITOR, identity.seal(key), cookie::VISITOR_MAX_AGE);
        }
        if let Some(facts) = facts {
            set(&self.service.facts_cookie, facts.seal(key, id), cookie::FACTS_MAX_AGE);
        }
    }
}
