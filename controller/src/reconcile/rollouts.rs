//! Which rollouts run: those that the file asks for. And one look of the engine at one of them.

use tidegate_config::{Identity, Name, Service};

use super::Controller;
use super::draft::Draft;
use crate::engine::{self, Command, Decision, Effect, Observation, Refusal, Scrapes, Start, Status, Timestamp, Verb};
use crate::service_record::Wanted;

/// Who aborts a rollout that the file no longer asks for.
pub const CONFIGURATION: &str = "configuration";

/// What a look at a rollout came to, beside what is in the draft.
#[derive(Debug)]
pub(super) struct Looked {
    /// Look again after so many milliseconds.
    pub(super) again_ms: u64,
    pub(super) refusal: Option<Refusal>,
}

/// Why a rollout is looked at.
#[derive(Debug)]
pub(super) enum Cause {
    /// The proxies were scraped for it.
    Scrape,
    /// It has just been started.
    Start,
    /// Somebody commands something.
    Command(Command),
}

impl Controller {
    /// Aborts what the file of the draft does not ask for (any more) and starts what it does.
    pub(super) fn follow_file(&self, draft: &mut Draft<'_>, now: Timestamp) {
        let config = draft.config.clone();
        let gone = |name: &&Name| !config.services.contains_key(*name);
        for name in self.records.keys().filter(gone) {
            self.give_up(draft, name, now);
        }
        for (name, service) in &config.services {
            let stale = draft.record(name).is_some_and(|it| it.stable_now.is_some() && it.promoted(service).is_none());
            if stale {
                draft.record_mut(name).stable_now = None;
            }
            let wanted = wanted(draft, name, service);
            let running = draft.record(name).and_then(|it| it.under_way()).map(|status| status.rollout);
            if running == wanted.as_ref().map(|wanted| wanted.id) {
                continue;
            }
            self.give_up(draft, name, now);
            if let Some(wanted) = wanted {
                self.start(draft, name, service, wanted, now);
            }
        }
    }

    /// One look at the rollout of a service; `None` where none is under way.
    pub(super) fn decide(&self, draft: &mut Draft<'_>, name: &Name, cause: Cause, now: Timestamp) -> Option<Looked> {
        let record = draft.record(name)?;
        let status = record.under_way()?;
        let (scrapes, command) = match cause {
            Cause::Scrape => (self.proxies.scrapes(name), None),
            Cause::Start => (Scrapes::Skipped, None),
            Cause::Command(command) => (Scrapes::Skipped, Some(command)),
        };
        let epochs = record.epochs_of(status);
        let observation = Observation {
            scrapes,
            in_force: self.proxies.in_force(),
            command,
            tripped: self.proxies.has_tripped(name, &status.canary, &epochs),
            epochs,
            endpoints: self.proxies.endpoints(name, &status.canary, &status.stable),
        };
        let Decision { status, records, effects, refusal, check_again } = engine::decide(status, &observation, now);
        for effect in effects {
            match effect {
                // What is published follows from the stored status alone; see `carry_out`.
                Effect::Publish => {}
            }
        }
        let service = draft.config.services.get(name).cloned();
        let record = draft.record_mut(name);
        record.rollout = Some(status);
        record.finish(service.as_ref());
        draft.log(name, records);
        Some(Looked { again_ms: check_again.millis(), refusal })
    }

    fn give_up(&self, draft: &mut Draft<'_>, name: &Name, now: Timestamp) {
        let abort = Command { verb: Verb::Abort, actor: CONFIGURATION.to_owned() };
        self.decide(draft, name, Cause::Command(abort), now);
    }

    fn start(&self, draft: &mut Draft<'_>, name: &Name, service: &Service, wanted: Wanted, now: Timestamp) {
        let Some(policy) = service.rollout.clone() else { return };
        let Wanted { id, stable, canary } = wanted;
        // A cookie carries what was counted to every proxy; without one each proxy may count a visitor once.
        let carried = service.visitor.header.is_none() && service.visitor.by != Identity::Address;
        let proxies = u32::try_from(self.proxies.targets().len()).unwrap_or(u32::MAX).max(1);
        let request_timeout = draft.config.request_timeout(name);
        let record = draft.record_mut(name);
        let start = Start {
            rollout: id,
            service: name.clone(),
            stable,
            canary,
            policy,
            request_timeout,
            counts_per_visitor: if carried { 1 } else { proxies },
            history: record.traffic.history(now),
        };
        record.rollout = Some(Status::start(start, now));
        record.epochs_before = record.epochs.current();
        self.decide(draft, name, Cause::Start, now);
    }
}

fn wanted(draft: &Draft<'_>, name: &Name, service: &Service) -> Option<Wanted> {
    match draft.record(name) {
        Some(record) => record.wanted(name, service),
        None => crate::service_record::ServiceRecord::default().wanted(name, service),
    }
}
