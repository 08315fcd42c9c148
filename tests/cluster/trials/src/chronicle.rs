//! PURE. What the statuses of one Rollout say one after the other, and what must not be in that: a decision twice, a step
//! twice or backwards, an epoch that falls, evidence that becomes less.

use std::collections::BTreeMap;

use tidegate_cluster::rollout_object::{Memory, RolloutStatus};
use tidegate_config::{Name, RolloutId, Share};
use tidegate_controller::engine::{Action, Phase, Record, Signal, Timestamp};

/// The history of one Rollout.
#[derive(Debug, Default)]
pub(crate) struct Chronicle {
    /// Its rollouts in their order.
    pub(crate) rollouts: Vec<Run>,
    /// What must not be.
    pub(crate) faults: Vec<String>,
    /// How many statuses were seen.
    pub(crate) statuses: u64,
    /// Who wrote them.
    pub(crate) leaders: Vec<String>,
    epoch: u64,
    decisions: u64,
}

/// One rollout from its start.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    id: RolloutId,
    /// What is tried.
    pub(crate) canary: Name,
    /// Where it is in its life.
    pub(crate) phase: Phase,
    /// Its decisions by their numbers.
    records: BTreeMap<u64, Record>,
    /// When a status was first seen that has the decision of this number: it is in force no earlier.
    seen: BTreeMap<u64, Timestamp>,
    /// What each status asks the proxies to give the version, and since when they all do.
    asked: Vec<Asked>,
}

/// What a status asks the proxies for.
#[derive(Debug, Clone)]
struct Asked {
    at: Timestamp,
    share: Share,
    in_force: Option<Timestamp>,
}

/// One decision of a rollout.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// When it was made.
    pub(crate) decided: Timestamp,
    /// When it was seen, and so written down.
    pub(crate) seen: Timestamp,
    /// The share from then on.
    pub(crate) to: Share,
    /// What the proxies were asked for until the next decision was seen: less where there are too few pods for more.
    pub(crate) asked: Vec<Share>,
    /// Since when all of them did it; `None` where that was not seen before the next decision.
    pub(crate) in_force: Option<Timestamp>,
}

impl Run {
    /// What was decided, in its order.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut until: Vec<Timestamp> = self.seen.values().skip(1).copied().collect();
        until.push(Timestamp::from_millis(u64::MAX));
        let all = self.records.values().zip(self.seen.values()).zip(until);
        let step = |((record, seen), until): ((&Record, &Timestamp), Timestamp)| {
            let meanwhile = || self.asked.iter().filter(|asked| asked.at >= *seen && asked.at < until);
            let mut asked: Vec<Share> = meanwhile().map(|asked| asked.share).collect();
            asked.dedup();
            let in_force = meanwhile().find_map(|asked| asked.in_force);
            Step { decided: record.at, seen: *seen, to: record.to, asked, in_force }
        };
        all.map(step).collect()
    }

    /// When it was aborted.
    pub(crate) fn aborted(&self) -> Option<Timestamp> {
        self.records.values().find(|record| record.action == Action::Abort).map(|record| record.at)
    }

    /// The shares that it was brought to, in their order.
    pub(crate) fn shares(&self) -> Vec<Share> {
        let moves = |record: &&Record| matches!(record.action, Action::Advance | Action::Switch | Action::Promote);
        self.records.values().filter(moves).map(|record| record.to).collect()
    }

    /// Visitors of the canary whose failures were judged, at the last decision.
    pub(crate) fn judged(&self) -> u64 {
        let last = self.records.values().next_back();
        last.map_or(0, |record| judged(record).unwrap_or_default())
    }
}

impl Chronicle {
    /// Takes in the next status, that was seen at a time.
    pub(crate) fn note(&mut self, status: &RolloutStatus, at: Timestamp) {
        self.statuses += 1;
        let memory = match status.remembered() {
            Ok(Some(memory)) => memory,
            Ok(None) if self.statuses == 1 => return,
            Ok(None) => return self.faults.push("what was remembered is gone".to_owned()),
            Err(error) => return self.faults.push(format!("cannot be read: {error}")),
        };
        if let Some(leader) = status.leader.as_ref().filter(|leader| self.leaders.last() != Some(leader)) {
            self.leaders.push(leader.clone());
        }
        self.note_numbers(&memory);
        self.note_run(&memory, at);
    }

    fn note_numbers(&mut self, memory: &Memory) {
        let (epoch, decisions) = (memory.record.epochs.current(), memory.record.decisions);
        if epoch < self.epoch {
            self.faults.push(format!("epoch {epoch} after {}", self.epoch));
        }
        if decisions < self.decisions {
            self.faults.push(format!("{decisions} decisions after {}", self.decisions));
        }
        (self.epoch, self.decisions) = (epoch, decisions);
    }

    fn note_run(&mut self, memory: &Memory, at: Timestamp) {
        let Some(status) = &memory.record.rollout else { return };
        if self.rollouts.last().is_none_or(|run| run.id != status.rollout) {
            if self.rollouts.iter().any(|run| run.id == status.rollout) {
                self.faults.push(format!("rollout {} began twice", status.rollout));
            }
            let (canary, phase) = (status.canary.clone(), status.phase);
            let (records, seen) = Default::default();
            self.rollouts.push(Run { id: status.rollout, canary, phase, records, seen, asked: Vec::new() });
        }
        let Some(run) = self.rollouts.last_mut() else { return };
        if run.phase.is_over() && run.phase != status.phase {
            self.faults.push(format!("rollout {} is {:?} after {:?}", run.id, status.phase, run.phase));
        }
        run.phase = status.phase;
        let share = memory.record.epochs.newest().map_or(Share::ZERO, |epoch| epoch.share_of(&status.canary));
        run.asked.push(Asked { at, share, in_force: status.in_force_since });
        for record in &status.recent {
            run.seen.entry(record.seq).or_insert(at);
            let known = run.records.insert(record.seq, record.clone());
            if known.is_some_and(|known| known != *record) {
                self.faults.push(format!("decision {} of rollout {} was made twice", record.seq, run.id));
            }
        }
        self.faults.extend(wrong(run));
    }
}

/// What must not be in the decisions of one rollout.
fn wrong(run: &Run) -> Option<String> {
    let mut before: Option<&Record> = None;
    for record in run.records.values() {
        let Some(last) = before.replace(record) else { continue };
        if record.seq != last.seq + 1 {
            return Some(format!("rollout {}: decision {} after {}", run.id, record.seq, last.seq));
        }
        if record.from != last.to {
            return Some(format!(
                "rollout {}: decision {} begins at {}, not {}",
                run.id, record.seq, record.from, last.to
            ));
        }
        if record.action == Action::Advance && record.to <= record.from {
            return Some(format!("rollout {}: decision {} advances to {}", run.id, record.seq, record.to));
        }
        if judged(record) < judged(last) {
            return Some(format!("rollout {}: decision {} has less evidence than the one before", run.id, record.seq));
        }
    }
    None
}

fn judged(record: &Record) -> Option<u64> {
    record.inputs.iter().find(|reading| reading.signal == Signal::Errors).map(|reading| reading.canary.units)
}

#[cfg(test)]
mod tests;
