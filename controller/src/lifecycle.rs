//! PURE. The rollouts of one service, a turn at a time: what is no longer asked for is aborted, what is asked for anew is
//! started, and what is under way is looked at. The same for a service in a file and for one in a cluster.

use tidegate_config::{Identity, Name, Service, Span};

use crate::engine::{
    self, Command, Decision, Effect, Observation, Record, Refusal, Scrapes, Start, Status, Timestamp, Verb,
};
use crate::proxies::Proxies;
use crate::rivals;
use crate::service_record::{ServiceRecord, Wanted};

/// Who aborts a rollout that is no longer asked for.
pub const CONFIGURATION: &str = "configuration";

/// One service at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// Its name.
    pub name: &'a Name,
    /// What is asked for; `None` where it is gone.
    pub service: Option<&'a Service>,
    /// The longest request timeout of the routes to it.
    pub request_timeout: Span,
    /// How many proxies serve it.
    pub proxies: u32,
    /// The time.
    pub now: Timestamp,
}

/// What a look at a rollout came to, beside what is in the record.
#[derive(Debug)]
pub struct Looked {
    /// What was decided, for the log.
    pub decided: Vec<Record>,
    /// Look again after so many milliseconds.
    pub again_ms: u64,
    /// Why the command was refused, if it was.
    pub refusal: Option<Refusal>,
}

impl Turn<'_> {
    /// Whether the record already says what is asked for, so that [`follow`](Self::follow) would change nothing.
    pub fn is_followed(&self, record: &ServiceRecord) -> bool {
        let stale = self.service.is_some_and(|it| record.stable_now.is_some() && record.promoted(it).is_none());
        let running = record.under_way().map(|status| status.rollout);
        !stale && running == self.wanted(record).map(|wanted| wanted.id)
    }

    /// Aborts what is not asked for (any more) and starts what is. Returns what was decided.
    pub fn follow(&self, record: &mut ServiceRecord) -> Vec<Record> {
        if self.service.is_some_and(|it| record.promoted(it).is_none()) {
            record.stable_now = None;
        }
        let wanted = self.wanted(record);
        let running = record.under_way().map(|status| status.rollout);
        if running == wanted.as_ref().map(|wanted| wanted.id) {
            return Vec::new();
        }
        let abort = Command::new(Verb::Abort, CONFIGURATION.to_owned());
        let looked = self.look(record, Some(&abort), |_, _| Observation::default());
        let mut decided = looked.map(|looked| looked.decided).unwrap_or_default();
        if let Some(wanted) = wanted {
            decided.append(&mut self.start(record, wanted));
        }
        decided
    }

    /// One look of the engine at the rollout under way, at each version that it tries; `None` where none is. `observe` tells
    /// what is seen of one of them.
    pub fn look(
        &self,
        record: &mut ServiceRecord,
        command: Option<&Command>,
        observe: impl Fn(&Status, &ServiceRecord) -> Observation,
    ) -> Option<Looked> {
        record.under_way()?;
        let mut all = record.take_tried();
        let mut looked = Looked { decided: Vec::new(), again_ms: u64::MAX, refusal: None };
        let meant = command.map(|command| rivals::meant(&all, command)).transpose();
        let meant = meant.map_err(|refusal| looked.refusal = Some(refusal)).ok().flatten().unwrap_or_default();
        let mut refusals = Vec::new();
        for at in 0..all.len() {
            let command = command.filter(|_| meant.contains(&at)).cloned();
            if all[at].phase.is_over() && command.is_none() {
                continue;
            }
            let epochs = record.epochs_of(&all[at]);
            let observation =
                Observation { epochs, command, rivals: rivals::of(&all, at), ..observe(&all[at], record) };
            refusals.extend(self.decide(&mut all[at], &observation, &mut looked));
        }
        // Those that came before the one that has just been promoted.
        for at in 0..all.len() {
            let rivals = rivals::of(&all, at);
            if rivals.promoted.is_some() && !all[at].phase.is_over() {
                let observation = Observation { rivals, ..Observation::default() };
                self.decide(&mut all[at], &observation, &mut looked);
            }
        }
        // A wish for several is refused where none of them can follow it.
        if refusals.len() == meant.len() {
            looked.refusal = looked.refusal.or(refusals.into_iter().next());
        }
        record.note_tried(all);
        record.finish(self.service);
        Some(looked)
    }

    /// One look at one of them.
    fn decide(&self, status: &mut Status, observation: &Observation, looked: &mut Looked) -> Option<Refusal> {
        let Decision { status: next, mut records, effects, refusal, check_again } =
            engine::decide(status, observation, self.now);
        for effect in effects {
            match effect {
                // What is published follows from the stored status alone.
                Effect::Publish => {}
            }
        }
        *status = next;
        looked.decided.append(&mut records);
        looked.again_ms = looked.again_ms.min(check_again.millis());
        refusal
    }

    fn wanted(&self, record: &ServiceRecord) -> Option<Wanted> {
        record.wanted(self.name, self.service?)
    }

    fn start(&self, record: &mut ServiceRecord, wanted: Wanted) -> Vec<Record> {
        let Some(service) = self.service else { return Vec::new() };
        let Some(policy) = service.rollout.clone() else { return Vec::new() };
        let Wanted { id, stable, tried } = wanted;
        // A cookie carries what was counted to every proxy; without one each proxy may count a visitor once.
        let carried = service.visitor.header.is_none() && service.visitor.by != Identity::Address;
        let history = record.traffic.history(self.now);
        let start = |canary: &Name| Start {
            rollout: id,
            service: self.name.clone(),
            stable: stable.clone(),
            canary: canary.clone(),
            rivals: tried.iter().filter(|rival| *rival != canary).cloned().collect(),
            revision: service.versions.get(canary).and_then(|version| version.revision.clone()),
            policy: policy.clone(),
            request_timeout: self.request_timeout,
            counts_per_visitor: if carried { 1 } else { self.proxies.max(1) },
            history,
        };
        record.note_tried(tried.iter().map(|canary| Status::start(start(canary), self.now)).collect());
        record.epochs_before = record.epochs.current();
        self.look(record, None, |_, _| Observation::default()).map(|looked| looked.decided).unwrap_or_default()
    }
}

impl Proxies {
    /// What the last scrape says of the rollout under way; `scraped` is whether it was read for this look.
    pub fn observe(&self, name: &Name, status: &Status, record: &ServiceRecord, scraped: bool) -> Observation {
        Observation {
            scrapes: if scraped { self.scrapes(name) } else { Scrapes::Skipped },
            in_force: self.in_force(),
            tripped: self.has_tripped(name, &status.canary, &record.epochs_of(status)),
            endpoints: self.endpoints(name, &status.canary, &status.stable),
            ..Observation::default()
        }
    }

    /// Takes the last scrape into the recent past of a service.
    pub fn note_traffic(&self, name: &Name, record: &mut ServiceRecord, stable: &Name, now: Timestamp) {
        let told: Vec<_> = self.told(name).collect();
        let totals = told
            .iter()
            .map(|(proxy, reading, service)| (proxy.as_str(), reading.started, service.map(|service| &service.totals)));
        record.traffic.note(totals, stable, now);
    }
}
