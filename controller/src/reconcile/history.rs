//! Keeps the last hour of every service, rollout or not.

use std::collections::BTreeMap;

use tidegate_config::Name;

use super::Controller;
use crate::engine::Timestamp;
use crate::service_record::ServiceRecord;

/// Traffic is stored this often: losing it costs a default, not a decision.
const TRAFFIC_SAVED_MS: u64 = 10_000;

impl Controller {
    /// Counts a scrape for the services that are due.
    pub(super) fn note_traffic(&mut self, due: &[Name], now: Timestamp) {
        for name in due {
            let Some(service) = self.config.services.get(name) else { continue };
            let record = self.records.entry(name.clone()).or_default();
            let Some(stable) = record.stable(service).cloned() else { continue };
            self.proxies.note_traffic(name, record, &stable, now);
        }
    }

    /// Adds the records whose traffic has grown, now and then.
    pub(super) fn save_traffic(&mut self, changed: &mut BTreeMap<Name, ServiceRecord>, now: Timestamp) {
        if now.millis().abs_diff(self.traffic_saved.millis()) < TRAFFIC_SAVED_MS {
            return;
        }
        self.traffic_saved = now;
        for (name, record) in &mut self.records {
            if record.traffic.take_grown() && !changed.contains_key(name) {
                changed.insert(name.clone(), record.clone());
            }
        }
    }
}
