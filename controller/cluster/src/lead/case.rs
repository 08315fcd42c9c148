//! PURE. One rollout object as the leader works on it: what is asked for, what is remembered, and what must be written.

use std::net::SocketAddr;

use tidegate_config::policy::Policy;
use tidegate_config::{Name, Service, Share, Span, Visitor};
use tidegate_controller::engine::{Command, Observation, Phase, Refusal, Timestamp};
use tidegate_controller::ledger;
use tidegate_controller::lifecycle::Turn;
use tidegate_controller::proxies::Proxies;
use tidegate_controller::publish::Layout;
use tidegate_controller::service_record::{Logged, ServiceRecord};

use crate::site::{Ask, Site, Unreleasable, site};
use crate::world::{Key, World};

/// The same for a Service without a rollout, of which only the recent traffic changes.
const IDLE_WRITTEN_EVERY_MS: u64 = 60_000;
/// Versions that were stable before, as many as are remembered: more than a Deployment keeps revisions of.
const TRUSTED_MAX: usize = 16;
/// Milliseconds between two looks at a Service without a rollout: enough to know its traffic.
const IDLE_MS: u64 = 5_000;
/// Milliseconds after which evidence is written even where nothing was decided: what a successor may have to read anew.
const WRITTEN_EVERY_MS: u64 = 10_000;

/// What a rollout object asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The Service.
    pub service: Key,
    /// The name that proxies know it by.
    pub name: Name,
    /// How its versions are rolled out.
    pub policy: Policy,
    /// Who counts as one visitor.
    pub visitor: Visitor,
    /// The pod label that tells versions of several workloads apart.
    pub label: String,
    /// The port that is judged.
    pub port: Option<String>,
    /// The version that is stable at first sight.
    pub stable: Option<Name>,
    /// Whether the canary may get more visitors than its part of the pods.
    pub ignores_capacity: bool,
}

impl Asked {
    /// The same, to look at the world with.
    pub fn ask(&self) -> Ask<'_> {
        Ask {
            service: &self.service,
            policy: &self.policy,
            visitor: &self.visitor,
            label: &self.label,
            port: self.port.as_deref(),
            stable: self.stable.as_ref(),
            ignores_capacity: self.ignores_capacity,
        }
    }
}

/// What is remembered between two looks, by whoever leads.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Memory {
    /// The stable version.
    pub stable: Option<Name>,
    /// Versions that were stable before, the newest last.
    pub trusted: Vec<Name>,
    /// The rollouts and their evidence.
    pub record: ServiceRecord,
    /// The last command that was carried out, by its id.
    pub command: Option<String>,
}

impl Memory {
    /// A memory of nothing, whose epochs come after all that a forgotten one may have issued.
    pub fn new(now: Timestamp) -> Self {
        let record = ServiceRecord { epochs: ledger::Ledger::after(now.millis()), ..ServiceRecord::default() };
        Self { record, ..Self::default() }
    }
}

/// A wish of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Tells it from others, so that it is carried out once.
    pub id: String,
    /// What is wished, and by whom.
    pub command: Command,
}

/// One rollout object in work.
#[derive(Debug, Clone)]
pub struct Case {
    /// What is asked for.
    pub asked: Asked,
    /// What is remembered.
    pub memory: Memory,
    /// How much of it is written.
    written: Written,
}

/// What of the memory the API server has.
#[derive(Debug, Clone, PartialEq)]
struct Written {
    memory: Memory,
    at: Timestamp,
}

/// What one look came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// New decisions.
    pub decided: Vec<Logged>,
    /// When to look again.
    pub again_ms: u64,
    /// Why the wish was refused, if it was.
    pub refusal: Option<Refusal>,
    /// The Service as it was seen, or why it cannot be released.
    pub site: Option<Result<Site, Unreleasable>>,
}

impl Case {
    /// A case as it is written.
    pub fn new(asked: Asked, memory: Memory, now: Timestamp) -> Self {
        Self { asked, written: Written { memory: memory.clone(), at: now }, memory }
    }

    /// One look: what is asked for is followed, what is under way is judged by what the proxies told, a wish is obeyed.
    ///
    /// While the versions cannot be told or no proxy serves them, nothing is decided but what somebody wishes.
    pub fn look(
        &mut self,
        world: &World,
        proxies: &Proxies,
        request_timeout: Span,
        wish: Option<Wish>,
        now: Timestamp,
    ) -> Outcome {
        let seen = site(world, &self.asked.ask(), self.memory.stable.as_ref(), &self.memory.trusted);
        let looked = self.turn(seen.as_ref().ok(), proxies, request_timeout, wish, now);
        // A promotion has changed who is stable.
        let seen = site(world, &self.asked.ask(), self.memory.stable.as_ref(), &self.memory.trusted);
        match &seen {
            Ok(site) => lay_out(site, &mut self.memory.record),
            Err(_) => retreat(&mut self.memory.record),
        }
        Outcome { site: Some(seen), ..looked }
    }

    fn turn(
        &mut self,
        site: Option<&Site>,
        proxies: &Proxies,
        request_timeout: Span,
        wish: Option<Wish>,
        now: Timestamp,
    ) -> Outcome {
        let Memory { stable, trusted, record, command } = &mut self.memory;
        let mut outcome = Outcome { again_ms: IDLE_MS, ..Outcome::default() };
        let served_by = u32::try_from(proxies.targets().len()).unwrap_or(u32::MAX);
        let (name, service) = (&self.asked.name, site.map(|site| &site.service));
        let turn = Turn { name, service, request_timeout, proxies: served_by, now };
        let mut decided = Vec::new();
        if let Some(in_force) = service.and_then(Service::stable_name) {
            remember(stable, trusted, Some(in_force));
            proxies.note_traffic(name, record, in_force, now);
            if !turn.is_followed(record) {
                decided.append(&mut turn.follow(record));
            }
        }
        let judged = site.is_some() && !proxies.targets().is_empty();
        if let Some(status) = record.under_way().filter(|_| judged || wish.is_some()) {
            let seen = proxies.observe(name, status, record, judged);
            let wished = wish.as_ref().map(|wish| wish.command.clone());
            let observation = Observation { in_force: proxies.epoch_in_force(name), command: wished, ..seen };
            if let Some(mut looked) = turn.look(record, observation) {
                decided.append(&mut looked.decided);
                outcome.again_ms = looked.again_ms;
                outcome.refusal = looked.refusal;
            }
        }
        if let Some(wish) = wish {
            *command = Some(wish.id);
        }
        if let Some(promoted) = record.stable_now.take() {
            remember(stable, trusted, Some(&promoted.version));
        }
        outcome.decided = log(record, decided);
        outcome
    }

    /// Whether the memory must be written now: anything that somebody could have noticed is written at once, evidence alone
    /// now and then.
    pub fn must_write(&self, now: Timestamp) -> bool {
        let Written { memory, at } = &self.written;
        let noticed = |memory: &Memory| {
            let status = memory.record.rollout.as_ref();
            let told = status.map(|it| (it.rollout, it.phase, it.step, it.share, it.in_force_since, it.seq));
            (
                memory.stable.clone(),
                memory.command.clone(),
                memory.record.epochs.current(),
                told,
                memory.record.decisions,
            )
        };
        let every = if self.memory.record.under_way().is_some() { WRITTEN_EVERY_MS } else { IDLE_WRITTEN_EVERY_MS };
        noticed(memory) != noticed(&self.memory) || now.millis_since(*at) >= every && !self.is_written(&self.memory)
    }

    /// Whether this is what we have written, as far as it is written at all.
    pub fn is_written(&self, memory: &Memory) -> bool {
        let written = &self.written.memory;
        let text = |memory: &Memory| serde_json::to_string(&memory.record).ok();
        (&written.stable, &written.trusted, &written.command) == (&memory.stable, &memory.trusted, &memory.command)
            && text(written) == text(memory)
    }

    /// Notes that this memory is written.
    pub fn wrote(&mut self, memory: Memory, at: Timestamp) {
        self.written = Written { memory, at };
    }
}

/// Takes a version for stable from now on.
fn remember(stable: &mut Option<Name>, trusted: &mut Vec<Name>, now: Option<&Name>) {
    if now.is_none() || stable.as_ref() == now {
        return;
    }
    if let Some(before) = std::mem::replace(stable, now.cloned()) {
        trusted.retain(|name| *name != before);
        trusted.push(before);
        trusted.drain(..trusted.len().saturating_sub(TRUSTED_MAX));
    }
}

/// Numbers decisions over all rollouts of the object.
fn log(record: &mut ServiceRecord, decided: Vec<tidegate_controller::engine::Record>) -> Vec<Logged> {
    let Some(rollout) = record.rollout.as_ref().map(|status| status.rollout) else { return Vec::new() };
    let number = |decision| {
        record.decisions += 1;
        Logged { number: record.decisions, rollout, record: decision }
    };
    decided.into_iter().map(number).collect()
}

/// Issues an epoch where shares have changed, and says to the rollout which one carries its share.
fn lay_out(site: &Site, record: &mut ServiceRecord) {
    let Some(layout) = Layout::of(&site.service, record) else { return };
    let layout = layout.capped(site.capacity);
    let epoch = record.epochs.issue(&layout.arms, layout.rollout);
    if let Some(status) = record.rollout.as_mut().filter(|status| !status.phase.is_over()) {
        status.published(epoch);
    }
}

/// Where the versions cannot be told, what is over must still not keep visitors: the canary's go back to stable.
fn retreat(record: &mut ServiceRecord) {
    let Some(status) = record.rollout.as_ref().filter(|status| status.phase == Phase::Aborted) else { return };
    let Some(newest) = record.epochs.newest().filter(|epoch| epoch.share_of(&status.canary) > Share::ZERO) else {
        return;
    };
    let layout = Layout {
        arms: newest.arms.clone(),
        stable: status.stable.clone(),
        canary: Some(status.canary.clone()),
        rollout: None,
        rollout_began: 0,
    };
    let arms = layout.capped(Share::ZERO).arms;
    record.epochs.issue(&arms, None);
}

/// The addresses at which the proxies that serve a Service are read.
pub type Targets = Vec<SocketAddr>;
