//! The whole state of a rollout: what is stored, and all that a successor needs to go on to the same bit.

use serde::{Deserialize, Serialize};
use tidegate_config::policy::{Policy, Step, Strategy};
use tidegate_config::{Name, RolloutId, Share, Span};

use super::cursor::Cursors;
use super::gates::Gates;
use super::hold::Held;
use super::log::EvidenceLog;
use super::plan::{History, Plan};
use super::record::Record;
use super::signals::{Signals, Weighed};
use super::time::{Timestamp, Watch};

/// Records kept with the status for the report; the store keeps more.
pub(crate) const RECENT_MAX: usize = 10;

/// Where a rollout is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Goes on by itself, or holds for a reason.
    Progressing,
    /// Somebody holds it. The canary stays guarded.
    Paused,
    /// The deadline passed without a decision. The canary stays guarded.
    Undecided,
    /// Blue/green: all visitors are on the new version, the old one is kept hot.
    Standby,
    /// Recreate: all visitors are the new version's, the old one goes, and the new one is awaited.
    Recreating,
    /// Over: the canary has all visitors.
    Promoted,
    /// Over: stable has all visitors.
    Aborted,
}

impl Phase {
    /// Whether nothing moves any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Promoted | Self::Aborted)
    }
}

/// What a rollout is started with.
#[derive(Debug, Clone)]
pub struct Start {
    /// Its identity.
    pub rollout: RolloutId,
    /// The service.
    pub service: Name,
    /// The version that has the visitors.
    pub stable: Name,
    /// The version that is tried.
    pub canary: Name,
    /// The other versions that the same rollout tries.
    pub rivals: Vec<Name>,
    /// What is deployed under the name of the version that is tried, if that is told.
    pub revision: Option<String>,
    /// How it is rolled out.
    pub policy: Policy,
    /// From the end of a request to the head of its response, at most.
    pub request_timeout: Span,
    /// How often one visitor may be counted at most: 1 where visitors carry a cookie or every request is a visitor,
    /// else the number of proxies.
    pub counts_per_visitor: u32,
    /// Stable's recent past, where it is known.
    pub history: Option<History>,
}

/// One rollout. Whoever stores it stores everything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Its identity.
    pub rollout: RolloutId,
    /// The service.
    pub service: Name,
    /// The version that had the visitors when it started.
    pub stable: Name,
    /// The version that is tried.
    pub canary: Name,
    /// The other versions that the same rollout tries, each with a status of its own. Only one of them all is promoted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rivals: Vec<Name>,
    /// What is deployed under the name of the version that is tried, if that is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// How it is rolled out.
    pub policy: Policy,
    /// What was fixed at the start.
    pub plan: Plan,
    /// When it was started.
    pub started: Timestamp,
    /// When the first step was in force.
    pub exposed_since: Option<Timestamp>,
    /// When it was over.
    pub finished: Option<Timestamp>,
    /// Where it is in its life.
    pub phase: Phase,
    /// Which step; `None` at 0%, before the first.
    pub step: Option<usize>,
    /// The canary's share wanted now.
    pub share: Share,
    /// The generation that carries this share; `None` until it is published.
    pub wants_generation: Option<u64>,
    /// When every proxy served that generation.
    pub in_force_since: Option<Timestamp>,
    /// Why it does not go on, while it is progressing.
    pub hold: Option<Held>,
    /// Since when and why the proxies cannot be read.
    pub outage: Option<Outage>,
    /// The work that must succeed first, as it stood at the last look.
    #[serde(default, skip_serializing_if = "Gates::is_nothing")]
    pub gates: Gates,
    /// The newest epoch known.
    pub epoch: Option<u64>,
    /// The number of the last record.
    pub seq: u64,
    /// The last records, oldest first.
    pub recent: Vec<Record>,
    pub(crate) watch: Watch,
    pub(crate) timers: Timers,
    pub(crate) first_epoch: Option<u64>,
    pub(crate) cursors: Cursors,
    /// The first epoch that is still read, where older ones had to be left.
    #[serde(default)]
    pub(crate) oldest_read: u64,
    pub(crate) signals: Signals,
    pub(crate) log: EvidenceLog,
    pub(crate) warm: bool,
}

/// The proxies could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outage {
    /// Since when.
    pub since: Timestamp,
    /// The last reason.
    pub reason: String,
}

/// Times under watch, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the postfix is the unit")]
pub(crate) struct Timers {
    /// At this share, in force, with readable proxies: the soak.
    pub(crate) step_ms: u64,
    /// Since the first step was in force, without pauses: the deadline.
    pub(crate) run_ms: u64,
    /// Since the first step was in force: the warm-up.
    pub(crate) exposed_ms: u64,
    /// Since the proxies were last read: the length of the next interval.
    pub(crate) scrape_ms: u64,
    /// What `exposed_ms` was when the rollout became undecided; that one goes on.
    #[serde(default)]
    pub(crate) undecided_ms: Option<u64>,
}

impl Status {
    /// A rollout that begins at `now` with its canary at 0%.
    pub fn start(start: Start, now: Timestamp) -> Self {
        let Start { rollout, service, stable, canary, rivals, revision, policy, .. } = start;
        let Start { request_timeout, counts_per_visitor, history, .. } = start;
        let plan = Plan::new(&policy, request_timeout, history.as_ref(), counts_per_visitor, canaries(&rivals));
        let signals = Signals::new(&policy, &plan, &rivals);
        Self {
            rollout,
            service,
            stable,
            canary,
            rivals,
            revision,
            started: now,
            exposed_since: None,
            finished: None,
            phase: Phase::Progressing,
            step: None,
            share: Share::ZERO,
            wants_generation: None,
            in_force_since: None,
            hold: None,
            outage: None,
            gates: Gates::default(),
            epoch: None,
            seq: 0,
            recent: Vec::new(),
            watch: Watch::start(now, plan.scrape_interval),
            timers: Timers::default(),
            first_epoch: None,
            cursors: Cursors::default(),
            oldest_read: 0,
            signals,
            log: EvidenceLog::default(),
            warm: false,
            policy,
            plan,
        }
    }

    /// Notes that `generation` carries the share wanted now. A later one that carries it too changes nothing.
    pub fn published(&mut self, generation: u64) {
        self.wants_generation.get_or_insert(generation);
    }

    /// How close it is to the goal: the logarithm of the evidence that it is reached; `None` without one.
    pub fn goal(&self) -> Option<f64> {
        self.signals.goal()
    }

    /// How many versions the rollout tries.
    pub(crate) fn canaries(&self) -> u32 {
        canaries(&self.rivals)
    }

    /// Whether every proxy serves the share wanted now.
    pub const fn in_force(&self) -> bool {
        self.in_force_since.is_some()
    }

    /// The step it is at; `None` at 0%.
    pub fn current_step(&self) -> Option<Step> {
        self.step.and_then(|step| self.policy.steps().get(step).copied())
    }

    /// The step it would go to next, by its index.
    pub fn next_step(&self) -> Option<(usize, Step)> {
        let next = self.step.map_or(0, |step| step + 1);
        self.policy.steps().get(next).map(|step| (next, *step))
    }

    /// Milliseconds the current share must still soak; 0 where nothing soaks.
    pub fn soak_left_ms(&self) -> u64 {
        let soak = match (self.policy.strategy, self.current_step()) {
            (Strategy::Canary, Some(step)) => self.plan.soak_ms(&self.policy, &step),
            _ => 0,
        };
        soak.saturating_sub(self.timers.step_ms)
    }

    /// Milliseconds that each step takes at least, from the first visitor to the promotion; the warm-up is counted to the
    /// first one. Of blue/green they are one.
    pub fn least_ms(&self) -> Vec<u64> {
        let policy = &self.policy;
        if policy.recreates() {
            return vec![0];
        }
        if policy.strategy == Strategy::BlueGreen {
            let preview = policy.switch_after.map_or(0, Span::millis);
            return vec![preview + policy.standby().millis()];
        }
        let steps = policy.steps();
        let before = steps.iter().take(steps.len().saturating_sub(1));
        let mut all: Vec<u64> = before.map(|step| self.plan.soak_ms(policy, step)).collect();
        if let Some(first) = all.first_mut() {
            *first += policy.warm_up.millis();
        }
        all
    }

    /// Milliseconds until the deadline; `None` before the first step is in force and where there is none.
    pub fn deadline_left_ms(&self) -> Option<u64> {
        let counts = self.exposed_since.is_some() && self.compares() && !self.phase.is_over();
        counts.then(|| self.policy.deadline.millis().saturating_sub(self.timers.run_ms))
    }

    /// Whether a step is the last one: 100%, the promotion.
    pub(crate) fn is_last(&self, step: usize) -> bool {
        step + 1 >= self.policy.steps().len()
    }

    /// All evidence now.
    pub(crate) fn weigh(&self) -> Weighed {
        self.signals.weigh(self.next_step().map(|(_, step)| step.share))
    }
}

fn canaries(rivals: &[Name]) -> u32 {
    u32::try_from(rivals.len()).unwrap_or(u32::MAX).saturating_add(1)
}
