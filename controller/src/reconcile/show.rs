//! What the controller tells people.

use tidegate_config::Name;

use super::{Controller, Denied, ReconcileError};
use crate::engine::{self, Status};
use crate::service_record::{Logged, ServiceRecord};
use crate::view::{ExplainedDecision, Explanation, Overview, ServiceView};

impl Controller {
    /// The whole instance.
    pub fn overview(&self) -> Overview {
        Overview {
            at: self.clock.now(),
            generation: self.generation(),
            in_force: self.proxies.in_force(),
            config: self.file.clone(),
            proxies: self.proxies.views(),
            store_error: self.trouble.clone(),
            services: self.config.services.keys().filter_map(|name| self.view(name)).collect(),
        }
    }

    /// One service.
    pub fn report(&self, name: &Name) -> Result<ServiceView, Denied> {
        self.view(name).ok_or_else(|| self.unknown(name))
    }

    /// Why a service is where it is.
    pub fn explain(&self, name: &Name) -> Result<Explanation, Denied> {
        self.known(name)?;
        let all = || self.records.get(name).into_iter().flat_map(ServiceRecord::tried);
        let explained = |logged: Logged| {
            let meant = |status: &&Status| logged.record.canary.as_ref().is_none_or(|canary| status.canary == *canary);
            let own = all().filter(|status| status.rollout == logged.rollout).find(meant);
            let words = own.map(|status| engine::explain_record(&logged.record, status));
            ExplainedDecision { words: words.unwrap_or_else(|| logged.record.text.clone()), logged }
        };
        let decisions = self.store.decisions(name).map_err(ReconcileError::from)?;
        Ok(Explanation {
            service: name.clone(),
            words: engine::explain_all(all(), self.clock.now()),
            decisions: decisions.into_iter().map(explained).collect(),
        })
    }

    pub(super) fn known(&self, name: &Name) -> Result<(), Denied> {
        if self.config.services.contains_key(name) { Ok(()) } else { Err(self.unknown(name)) }
    }

    fn unknown(&self, name: &Name) -> Denied {
        Denied::UnknownService { service: name.to_string(), known: self.config.services.keys().cloned().collect() }
    }

    fn view(&self, name: &Name) -> Option<ServiceView> {
        let service = self.config.services.get(name)?;
        let record = self.records.get(name)?;
        let published = self.published.borrow();
        let split = published.splits.get(name)?;
        Some(ServiceView {
            service: name.clone(),
            stable: split.stable.clone(),
            canary: split.canary.clone(),
            epoch: split.epoch,
            arms: split.arms.clone(),
            rollout: record.rollout.as_ref().map(|status| engine::report(status, self.clock.now())),
            rivals: record.rivals.iter().map(|status| engine::report(status, self.clock.now())).collect(),
            finished: record.finished,
            notes: record.notes(service),
        })
    }
}
