//! What one turn of the controller is about to change. Nothing of it counts before it is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_config::{Config, Name};

use crate::engine::Record;
use crate::service_record::{Logged, ServiceRecord};

/// Changed copies of records, and the decisions that changed them.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    before: &'a BTreeMap<Name, ServiceRecord>,
    pub(super) config: Arc<Config>,
    pub(super) records: BTreeMap<Name, ServiceRecord>,
    pub(super) logged: Vec<(Name, Logged)>,
}

impl<'a> Draft<'a> {
    /// A draft that changes nothing yet.
    pub(super) fn new(before: &'a BTreeMap<Name, ServiceRecord>, config: Arc<Config>) -> Self {
        Self { before, config, records: BTreeMap::new(), logged: Vec::new() }
    }

    /// The record of a service as it will be; `None` for one that has none yet.
    pub(super) fn record(&self, name: &Name) -> Option<&ServiceRecord> {
        self.records.get(name).or_else(|| self.before.get(name))
    }

    /// The record of a service, to be changed.
    pub(super) fn record_mut(&mut self, name: &Name) -> &mut ServiceRecord {
        let before = self.before;
        let copy = || before.get(name).cloned().unwrap_or_default();
        self.records.entry(name.clone()).or_insert_with(copy)
    }

    /// Adds decisions to the log of a service.
    pub(super) fn log(&mut self, name: &Name, decided: Vec<Record>) {
        let record = self.record_mut(name);
        let Some(rollout) = record.rollout.as_ref().map(|status| status.rollout) else { return };
        let mut logged = Vec::new();
        for decision in decided {
            record.decisions += 1;
            logged.push((name.clone(), Logged { number: record.decisions, rollout, record: decision }));
        }
        self.logged.append(&mut logged);
    }
}
