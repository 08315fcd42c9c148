//! PURE. How long a version that is tried may be without a pod that can take a visitor: when its only pod is evicted, another
//! one comes. Its visitors see stable meanwhile, and its share stays. That is not stored: a successor waits as long again.

use std::collections::BTreeMap;

use tidegate_config::{Name, Service, limits};
use tidegate_controller::engine::{Endpoints, Status, Timestamp};
use tidegate_controller::service_record::ServiceRecord;

/// The versions that are tried and have nobody, since when.
#[derive(Debug, Clone, Default)]
pub(super) struct Absence(BTreeMap<Name, Timestamp>);

impl Absence {
    /// Notes who has nobody now.
    pub(super) fn note(&mut self, service: Option<&Service>, record: &ServiceRecord, now: Timestamp) {
        // While the versions cannot be told, nothing is known of them.
        let Some(service) = service else { return };
        let has_nobody = |version: &Name| service.versions.get(version).is_none_or(|it| it.endpoints.is_empty());
        let absent = record.tried().filter(|status| !status.phase.is_over() && has_nobody(&status.canary));
        let since = absent.map(|status| (status.canary.clone(), self.0.get(&status.canary).copied().unwrap_or(now)));
        self.0 = since.collect();
    }

    /// What is known of the endpoints, given who has nobody: somebody is awaited, or there is a fact.
    pub(super) fn endpoints(&self, status: &Status, seen: Endpoints, now: Timestamp) -> Endpoints {
        // Of a recreate nobody is there before the old version is gone.
        let Some(since) = self.0.get(&status.canary).filter(|_| !status.policy.recreates()) else { return seen };
        let patience = limits::CANARY_AWAITED_SECONDS_MAX * 1_000;
        // Before its first visitor nobody is hurt, however long it takes, unless others wait for it.
        let is_alone = status.rivals.is_empty();
        let canary_awaited = status.step.is_none() && is_alone || now.millis_since(*since) < patience;
        Endpoints { canary_reachable: 0, canary_total: 1, canary_awaited, ..seen }
    }
}
