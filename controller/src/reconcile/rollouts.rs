//! Which rollouts run: those that the file asks for. And one look of the engine at one of them.

use tidegate_config::{Config, Name};

use super::Controller;
use super::draft::Draft;
use crate::engine::{Command, Status, Timestamp};
use crate::lifecycle::{Looked, Turn};
use crate::service_record::ServiceRecord;

/// Why a rollout is looked at.
#[derive(Debug)]
pub(super) enum Cause {
    /// The proxies were scraped for it.
    Scrape,
    /// Somebody commands something.
    Command(Command),
}

impl Controller {
    /// Aborts what the file of the draft does not ask for (any more) and starts what it does.
    pub(super) fn follow_file(&self, draft: &mut Draft<'_>, now: Timestamp) {
        let config = draft.config.clone();
        let gone = |name: &&Name| !config.services.contains_key(*name);
        let none = ServiceRecord::default();
        for name in self.records.keys().filter(gone).chain(config.services.keys()) {
            let turn = self.turn(&config, name, now);
            if !turn.is_followed(draft.record(name).unwrap_or(&none)) {
                let decided = turn.follow(draft.record_mut(name));
                draft.log(name, decided);
            }
        }
    }

    /// One look at the rollout of a service; `None` where none is under way.
    pub(super) fn decide(&self, draft: &mut Draft<'_>, name: &Name, cause: Cause, now: Timestamp) -> Option<Looked> {
        draft.record(name)?.under_way()?;
        let scraped = matches!(cause, Cause::Scrape);
        let command = match cause {
            Cause::Scrape => None,
            Cause::Command(command) => Some(command),
        };
        let config = draft.config.clone();
        let observe = |status: &Status, record: &ServiceRecord| self.proxies.observe(name, status, record, scraped);
        let mut looked = self.turn(&config, name, now).look(draft.record_mut(name), command.as_ref(), observe)?;
        draft.log(name, std::mem::take(&mut looked.decided));
        Some(looked)
    }

    fn turn<'a>(&self, config: &'a Config, name: &'a Name, now: Timestamp) -> Turn<'a> {
        Turn {
            name,
            service: config.services.get(name),
            request_timeout: config.request_timeout(name),
            proxies: u32::try_from(self.proxies.targets().len()).unwrap_or(u32::MAX),
            now,
        }
    }
}
