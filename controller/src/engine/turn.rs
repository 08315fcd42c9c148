//! One look at a rollout: what changes in its status, and the record of it.

use tidegate_config::Share;
use tidegate_config::policy::Strategy;

use super::command::{Command, Refusal, Verb};
use super::cursor::Read;
use super::hold::{Held, Hold};
use super::judge::{Judgement, bounds};
use super::narrative;
use super::observation::{EpochShares, InstanceScrape, Observation, Scrapes};
use super::record::{Action, OWN_ACTOR, Record, Rule};
use super::sight::Sight;
use super::signals::Look;
use super::status::{Outage, Phase, RECENT_MAX, Status, Timers};
use super::time::Timestamp;
use super::{Decision, Effect};
use crate::evidence::rule::Bounds;

/// Visitors who met a failure in one scrape, both versions together, that end the warm-up at once: whatever the caches,
/// somebody is being hurt.
const WARM_UP_FAILURES_MAX: u64 = 3;

/// A look under way.
pub(crate) struct Turn<'a> {
    status: Status,
    observation: &'a Observation,
    now: Timestamp,
    records: Vec<Record>,
}

impl<'a> Turn<'a> {
    /// Begins a look: time passes, acknowledgements and outages are noted.
    pub(crate) fn begin(status: &Status, observation: &'a Observation, now: Timestamp) -> Self {
        let mut turn = Self { status: status.clone(), observation, now, records: Vec::new() };
        let newest = observation.epochs.iter().map(|known| known.epoch).max();
        turn.status.epoch = turn.status.epoch.max(newest);
        if !turn.status.phase.is_over() {
            turn.status.first_epoch = turn.status.first_epoch.or(newest);
            turn.status.gates.clone_from(&observation.gates);
            turn.note_outage();
            turn.pass_time();
        }
        turn.acknowledge();
        if turn.status.seq == 0 {
            let sight = Sight::of(&turn.status);
            turn.record(Rule::Start, Action::Start, Share::ZERO, OWN_ACTOR, sight);
        }
        turn
    }

    pub(crate) fn status(&self) -> &Status {
        &self.status
    }

    fn note_outage(&mut self) {
        let reason = match &self.observation.scrapes {
            Scrapes::Skipped => return,
            Scrapes::Seen(scrapes) if !scrapes.is_empty() => {
                self.status.outage = None;
                return;
            }
            Scrapes::Seen(_) => "there is no proxy to read",
            Scrapes::Outage(reason) => reason,
        };
        let since = self.status.outage.as_ref().map_or(self.now, |outage| outage.since);
        self.status.outage = Some(Outage { since, reason: reason.to_owned() });
    }

    /// Time unseen is no soak: what could not be read for or against the canary does not count.
    fn pass_time(&mut self) {
        let status = &mut self.status;
        let passed = status.watch.look(self.now);
        let Timers { step_ms, run_ms, exposed_ms, scrape_ms, undecided_ms: _ } = &mut status.timers;
        *scrape_ms += passed;
        let unseen = status.outage.is_some() || self.observation.endpoints.canary_down();
        let blind = unseen && status.policy.strategy == Strategy::Canary;
        if status.in_force_since.is_some() && !blind {
            *step_ms += passed;
        }
        if status.exposed_since.is_some() {
            *exposed_ms += passed;
            *run_ms += if status.phase == Phase::Progressing { passed } else { 0 };
        }
    }

    fn acknowledge(&mut self) {
        let status = &mut self.status;
        let served = status.wants_generation.zip(self.observation.in_force).is_some_and(|(wants, has)| has >= wants);
        if served && status.in_force_since.is_none() {
            status.in_force_since = Some(self.now);
            if status.step.is_some() && !status.phase.is_over() {
                status.exposed_since.get_or_insert(self.now);
            }
        }
    }

    /// Obeys the command, or says why not.
    pub(crate) fn obey(&mut self) -> Option<Refusal> {
        let Command { verb, actor, version: _ } = self.observation.command.as_ref()?;
        if let Err(refusal) = self.status.admits(*verb) {
            return Some(refusal);
        }
        match verb {
            Verb::Promote { full: false } => self.advance(Rule::Command, actor),
            Verb::Promote { full: true } => self.promote(Rule::Command, actor),
            Verb::Abort => self.abort(Rule::Command, actor),
            Verb::Pause => self.rest(Phase::Paused, Action::Pause, Rule::Command, actor),
            Verb::Resume => self.rest(Phase::Progressing, Action::Resume, Rule::Command, actor),
        }
        None
    }

    /// Turns counters into evidence.
    pub(crate) fn ingest(&mut self) {
        let (Scrapes::Seen(scrapes), false) = (&self.observation.scrapes, self.status.phase.is_over()) else { return };
        let epochs = self.known_epochs();
        self.ingest_scrapes(scrapes, &epochs);
    }

    /// The epochs of this rollout, in the order they were issued.
    fn known_epochs(&self) -> Vec<EpochShares> {
        let first = self.status.first_epoch;
        let known = self.observation.epochs.iter().filter(|known| first.is_some_and(|first| known.epoch >= first));
        let mut epochs: Vec<EpochShares> = known.cloned().collect();
        epochs.sort_by_key(|known| known.epoch);
        epochs
    }

    fn ingest_scrapes(&mut self, scrapes: &[InstanceScrape], epochs: &[EpochShares]) {
        if scrapes.is_empty() {
            return;
        }
        let status = &mut self.status;
        let read = Read { canary: &status.canary, stable: &status.stable, rivals: &status.rivals };
        // For good: what is read again would count anew.
        let oldest = read.oldest(epochs, scrapes.len()).max(status.oldest_read);
        let (_, still_read) = epochs.split_at(epochs.partition_point(|known| known.epoch < oldest));
        if oldest > status.oldest_read {
            status.oldest_read = oldest;
            status.cursors.forget(still_read);
        }
        let interval = status.cursors.advance(scrapes, read, still_read);
        let failed = interval
            .values()
            .fold(0_u64, |sum, growth| sum.saturating_add(growth.canary.failed).saturating_add(growth.stable.failed));
        let warmed = status.exposed_since.is_some() && status.timers.exposed_ms >= status.policy.warm_up.millis();
        status.warm |= status.step.is_some() && (warmed || failed >= WARM_UP_FAILURES_MAX);
        let judged = status.warm;
        let intervals = status.plan.intervals_in(status.timers.scrape_ms);
        status.timers.scrape_ms = 0;
        let look = Look { interval: &interval, epochs, intervals, judged };
        for labels in status.signals.ingest(&look) {
            status.log.convert(&labels, judged);
        }
        for (epoch, growth) in &interval {
            if let Some(shares) = look.shares(*epoch) {
                status.log.count(shares.exposure(), &growth.canary, &growth.stable, judged);
            }
        }
    }

    /// Does what the rules ask for.
    pub(crate) fn carry_out(&mut self, judgement: Judgement) {
        match judgement {
            Judgement::Stay => {}
            Judgement::Hold(reason) => self.hold(reason),
            Judgement::Advance(rule) => self.advance(rule, OWN_ACTOR),
            Judgement::Promote(rule) => self.promote(rule, OWN_ACTOR),
            Judgement::Abort(rule) => self.abort(rule, OWN_ACTOR),
            Judgement::Undecided => self.rest(Phase::Undecided, Action::Undecided, Rule::Deadline, OWN_ACTOR),
        }
    }

    fn hold(&mut self, reason: Hold) {
        if self.status.hold.map(|held| held.reason) != Some(reason) {
            self.status.hold = Some(Held { reason, since: self.now });
            self.record(Rule::Hold, Action::Hold(reason), self.status.share, OWN_ACTOR, Sight::of(&self.status));
        }
    }

    /// On to the next step; past the last one there is only the end.
    fn advance(&mut self, rule: Rule, actor: &str) {
        let sight = Sight::of(&self.status);
        match self.status.next_step() {
            Some((next, step)) if !self.status.is_last(next) => {
                let from = self.move_to(step.share, Some(next));
                // Somebody who moves a paused rollout on wants it to go on; past its deadline it still waits for them.
                if self.status.phase == Phase::Paused {
                    self.status.phase = Phase::Progressing;
                }
                self.record(rule, Action::Advance, from, actor, sight);
            }
            _ => self.promote(rule, actor),
        }
    }

    fn promote(&mut self, rule: Rule, actor: &str) {
        let sight = Sight::of(&self.status);
        let last = self.status.policy.steps().len() - 1;
        let has_all = matches!(self.status.phase, Phase::Standby | Phase::Recreating);
        let switches = !self.status.compares() && !has_all;
        let from = if self.status.share == Share::ALL { Share::ALL } else { self.move_to(Share::ALL, Some(last)) };
        if switches {
            self.status.phase = if self.status.policy.recreates() { Phase::Recreating } else { Phase::Standby };
            self.record(rule, Action::Switch, from, actor, sight);
        } else {
            self.finish(Phase::Promoted);
            self.record(rule, Action::Promote, from, actor, sight);
        }
    }

    fn abort(&mut self, rule: Rule, actor: &str) {
        let sight = Sight::of(&self.status);
        let from = self.move_to(Share::ZERO, self.status.step);
        self.finish(Phase::Aborted);
        self.record(rule, Action::Abort, from, actor, sight);
    }

    fn rest(&mut self, phase: Phase, action: Action, rule: Rule, actor: &str) {
        self.status.phase = phase;
        // The last reason stays in a rollout that became undecided: it says what was missing.
        if phase == Phase::Undecided {
            self.status.timers.undecided_ms = Some(self.status.timers.exposed_ms);
        } else {
            self.status.hold = None;
        }
        self.record(rule, action, self.status.share, actor, Sight::of(&self.status));
    }

    fn finish(&mut self, phase: Phase) {
        self.status.phase = phase;
        self.status.finished = Some(self.now);
        self.status.outage = None;
    }

    /// Wants another share from now on; nothing soaks until it is in force. Returns the share before.
    fn move_to(&mut self, share: Share, step: Option<usize>) -> Share {
        let status = &mut self.status;
        let from = status.share;
        status.share = share;
        status.step = step;
        status.hold = None;
        status.timers.step_ms = 0;
        if share != from {
            status.wants_generation = None;
            status.in_force_since = None;
        }
        from
    }

    fn record(&mut self, rule: Rule, action: Action, from: Share, actor: &str, sight: Sight) {
        self.status.seq += 1;
        let status = &self.status;
        let mut record = Record {
            seq: status.seq,
            at: self.now,
            actor: actor.to_owned(),
            rule,
            action,
            from,
            to: status.share,
            epoch: status.epoch,
            canary: (!status.rivals.is_empty()).then(|| status.canary.clone()),
            phase: status.phase,
            inputs: sight.readings,
            statistic: sight.statistic,
            bound: bound(&bounds(status), rule, action),
            grids_version: status.plan.grids_version,
            text: String::new(),
        };
        record.text = narrative::sentence(&record, status);
        if self.status.recent.len() >= RECENT_MAX {
            self.status.recent.remove(0);
        }
        self.status.recent.push(record.clone());
        self.records.push(record);
    }

    /// Ends the look.
    pub(crate) fn end(self, refusal: Option<Refusal>) -> Decision {
        let Self { status, records, .. } = self;
        let effects = if status.wants_generation.is_none() { vec![Effect::Publish] } else { Vec::new() };
        let check_again = status.plan.scrape_interval;
        Decision { status, records, effects, refusal, check_again }
    }
}

/// What a rule compares with, where it compares.
fn bound(bounds: &Bounds, rule: Rule, action: Action) -> Option<f64> {
    match (rule, action) {
        (Rule::Regression, _) => Some(1.0 / bounds.alpha),
        (Rule::Beaten, _) => Some(1.0 / bounds.rival_alpha),
        (Rule::Assurance, _) | (_, Action::Hold(Hold::Evidence)) => Some(1.0 / bounds.beta),
        (_, Action::Hold(Hold::Suspicion)) => Some(bounds.suspicion),
        (_, Action::Hold(Hold::Harm)) => Some(bounds.harm),
        (_, Action::Hold(Hold::Goal)) => Some(1.0 / bounds.goal_alpha),
        _ => None,
    }
}
