//! What to publish next, as it follows from the records and the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_config::{Config, Name, Publication};

use super::Controller;
use crate::publish::{Layout, salt};
use crate::service_record::ServiceRecord;

impl Controller {
    /// The next publication, if anything in it differs from the last. Issues epochs where shares have changed.
    pub(super) fn next(
        &self,
        config: &Arc<Config>,
        changed: &mut BTreeMap<Name, ServiceRecord>,
    ) -> Option<Publication> {
        let last = self.published.borrow().clone();
        let new_file = !Arc::ptr_eq(config, &last.config);
        let concerned: Vec<Name> =
            if new_file { config.services.keys().cloned().collect() } else { changed.keys().cloned().collect() };
        let mut splits = None;
        for name in concerned {
            let Some(service) = config.services.get(&name) else { continue };
            let known = changed.get(&name).or_else(|| self.records.get(&name));
            let Some(layout) = Layout::of(service, known.unwrap_or(&ServiceRecord::default())) else { continue };
            if last.splits.get(&name).is_some_and(|split| layout.is(split)) {
                continue;
            }
            let copy = || self.records.get(&name).cloned().unwrap_or_default();
            let record = changed.entry(name.clone()).or_insert_with(copy);
            let epoch = record.epochs.issue(&layout.arms, layout.rollout);
            let salt = salt(&self.keys.master, &name, layout.rollout);
            splits.get_or_insert_with(|| last.splits.clone()).insert(name, layout.in_epoch(epoch, salt));
        }
        if splits.is_none() && !new_file {
            return None;
        }
        let mut splits = splits.unwrap_or_else(|| last.splits.clone());
        splits.retain(|name, _| config.services.contains_key(name));
        let generation = last.generation + 1;
        Some(Publication { generation, cookie_key: self.keys.cookie, config: config.clone(), splits })
    }
}
