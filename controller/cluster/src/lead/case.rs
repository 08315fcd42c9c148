//! PURE. One rollout object as the leader works on it: what is asked for, what is remembered, and what must be written.

use std::collections::BTreeMap;
use std::hash::Hasher;

use siphasher::sip::SipHasher13;
use tidegate_config::limits::OBJECT_DECISIONS_MAX;
use tidegate_config::{Name, Service, Share};
use tidegate_controller::engine::{Gates, Observation, Phase, Status, Timestamp};
use tidegate_controller::ledger::Epoch;
use tidegate_controller::lifecycle::Turn;
use tidegate_controller::proxies::Proxies;
use tidegate_controller::publish::Layout;
use tidegate_controller::service_record::{Logged, ServiceRecord};

use super::absence::Absence;
use super::fault::Fault;
use super::job::{Owner, Tried};
use super::object::Asked;
use super::ordinary;
use super::patience;
use super::recreate;
use super::scale_down;
use super::served::Served;
use super::standing::standing;
use super::undo;
use super::wish::Wish;
use super::work::Work;
use crate::rollout_object::conditions::Known;
use crate::rollout_object::{Answered, Decision, GateStatus, Memory};
use crate::site::{Site, Unreleasable, site};
use crate::world::World;

/// The same where nobody has come, or nothing is judged: only time passes then, or the recent traffic changes.
const IDLE_WRITTEN_EVERY_MS: u64 = 60_000;
/// Versions that were stable before, as many as are remembered: more than a Deployment keeps revisions of.
const TRUSTED_MAX: usize = 16;
/// Milliseconds between two looks at a Service without a rollout: enough to know its traffic.
const IDLE_MS: u64 = 5_000;
/// Milliseconds in which evidence is written once even where nothing was decided: what a successor may have to read anew.
const WRITTEN_EVERY_MS: u64 = 10_000;

/// The moment at which a case is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The cluster.
    pub world: &'a World,
    /// The object itself.
    pub owner: Owner<'a>,
    /// The Jobs that the API server has not taken, by name, and why.
    pub refused: &'a BTreeMap<String, String>,
    /// What the proxies that serve the Service told.
    pub proxies: &'a Proxies,
    /// Who they are.
    pub served: &'a Served,
    /// What is wrong with the object as it is now, while the last good one is in force.
    pub fault: Option<&'a Fault>,
    /// The time.
    pub now: Timestamp,
}

/// One rollout object in work.
#[derive(Debug, Clone)]
pub struct Case {
    /// What is asked for.
    pub asked: Asked,
    /// What is remembered.
    pub memory: Memory,
    /// How it stands, for people.
    pub standing: Vec<Known>,
    /// What is to be written where those who wait for the workload would give up before the rollout is over.
    pub too_short: Option<String>,
    /// Who has nobody.
    absence: Absence,
    /// How much of it is written.
    written: Written,
    /// Milliseconds by which its times to be written differ from those of others.
    offset: u64,
}

/// What of the memory the API server has.
#[derive(Debug, Clone, PartialEq)]
struct Written {
    memory: Memory,
    standing: Vec<Known>,
    at: Timestamp,
}

/// What one look came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// New decisions.
    pub decided: Vec<Logged>,
    /// When to look again.
    pub again_ms: u64,
}

impl Case {
    /// A case as it is written.
    pub fn new(asked: Asked, memory: Memory, now: Timestamp) -> Self {
        let written = Written { memory: memory.clone(), standing: Vec::new(), at: now };
        let mut hasher = SipHasher13::new();
        hasher.write(asked.name.as_str().as_bytes());
        let offset = hasher.finish() % IDLE_WRITTEN_EVERY_MS;
        Self { asked, memory, standing: Vec::new(), too_short: None, absence: Absence::default(), written, offset }
    }

    /// One look: what is asked for is followed, what is under way is judged by what the proxies told, a wish is obeyed.
    ///
    /// While the versions cannot be told or no proxy serves them, nothing is decided but what somebody wishes.
    pub fn look(&mut self, moment: &Moment<'_>, wish: Option<Wish>) -> Outcome {
        let world = moment.world;
        let before = self.memory.stable.clone();
        let seen = self.site(world);
        if let Ok(site) = seen.as_ref()
            && moment.served.managed
        {
            ordinary::note(world, site, &mut self.memory);
        }
        let looked = self.turn(seen.as_ref().ok(), moment, wish);
        // What was decided has changed what follows: after a promotion, who is stable.
        let same = looked.decided.is_empty() && self.memory.stable == before;
        let seen = if same { seen } else { self.site(world) };
        match &seen {
            Ok(site) => lay_out(site, &mut self.memory.record),
            Err(_) => retreat(&mut self.memory.record),
        }
        undo::note(world, &self.asked, &mut self.memory);
        scale_down::note(world, &self.asked, &mut self.memory);
        recreate::note(world, &self.asked, &mut self.memory);
        self.too_short = patience::too_short(world, &self.asked, &self.memory);
        let note = self.too_short.as_deref();
        self.standing = standing(&self.asked, &self.memory, &seen, moment, note);
        looked
    }

    /// The Service as it follows from the cluster, from what is asked for, and from what is remembered.
    fn site(&self, world: &World) -> Result<Site, Unreleasable> {
        site(world, &self.asked.ask(&self.memory), self.memory.stable.as_ref(), &self.memory.trusted)
    }

    fn turn(&mut self, site: Option<&Site>, moment: &Moment<'_>, wish: Option<Wish>) -> Outcome {
        let Moment { proxies, served, now, .. } = *moment;
        let Memory { stable, trusted, record, answered, gates, decisions, .. } = &mut self.memory;
        let mut outcome = Outcome { again_ms: IDLE_MS, ..Outcome::default() };
        let served_by = u32::try_from(proxies.targets().len()).unwrap_or(u32::MAX);
        let (name, service) = (&self.asked.name, site.map(|site| &site.service));
        let turn = Turn { name, service, request_timeout: served.request_timeout, proxies: served_by, now };
        let mut decided = Vec::new();
        if let Some(in_force) = service.and_then(Service::stable_name) {
            remember(stable, trusted, Some(in_force));
            proxies.note_traffic(name, record, in_force, now);
            // What passes nobody of ours is an ordinary update: nothing is gated, and nothing is started.
            let ours = served.managed || record.under_way().is_some();
            if ours && !turn.is_followed(record) {
                decided.append(&mut turn.follow(record));
            }
        }
        let waits_for = work(&self.asked, moment, site, record, gates);
        let command = wish.as_ref().and_then(|wish| wish.command.clone().ok());
        self.absence.note(service, record, now);
        let absence = &self.absence;
        let judged = site.is_some() && !proxies.targets().is_empty();
        let mut refused = wish.as_ref().and_then(|wish| wish.command.clone().err());
        match record.under_way() {
            Some(_) if judged || command.is_some() => {
                let observe = |status: &Status, record: &ServiceRecord| {
                    let seen = proxies.observe(name, status, record, judged);
                    let endpoints = absence.endpoints(status, seen.endpoints, now);
                    let in_force = proxies.epoch_in_force(name);
                    Observation { in_force, endpoints, gates: waits_for.clone(), ..seen }
                };
                if let Some(mut looked) = turn.look(record, command.as_ref(), observe) {
                    decided.append(&mut looked.decided);
                    outcome.again_ms = looked.again_ms;
                    refused = refused.or(looked.refusal.map(|refusal| refusal.to_string()));
                }
            }
            None if command.is_some() => refused = Some("no rollout is under way; possible: a new version".to_owned()),
            _ => {}
        }
        if let Some(Wish { id, .. }) = wish {
            *answered = Some(Answered { id, refused });
        }
        if let Some(promoted) = record.stable_now.take() {
            remember(stable, trusted, Some(&promoted.version));
        }
        show(decisions, &decided);
        outcome.decided = log(record, decided);
        outcome
    }

    /// Whether the memory must be written now: anything that somebody could have noticed is written at once, evidence alone
    /// now and then, and that time has passed without a visitor more seldom.
    pub fn must_write(&self, now: Timestamp) -> bool {
        let Written { memory, standing, at } = &self.written;
        let noticed = |memory: &Memory, standing: &[Known]| {
            let told: Vec<_> = memory
                .record
                .tried()
                .map(|it| (it.rollout, it.phase, it.step, it.share, it.in_force_since, it.seq))
                .collect();
            let reasons: Vec<_> =
                standing.iter().map(|known| (known.about, known.holds, known.reason.clone())).collect();
            let epoch = memory.record.epochs.current();
            let gates = (memory.gates.clone(), memory.undone, memory.scaled_down, memory.given_way.clone());
            (memory.stable.clone(), memory.answered.clone(), epoch, told, memory.record.decisions, reasons, gates)
        };
        let came = !memory.record.traffic.counts_the_same(&self.memory.record.traffic);
        let judged = self.memory.record.under_way().is_some() && came;
        let every = if judged { WRITTEN_EVERY_MS } else { IDLE_WRITTEN_EVERY_MS };
        // Each at moments of its own: hundreds that a new leader has taken over together must not all write together for ever.
        let turn = |at: Timestamp| at.millis().wrapping_add(self.offset) / every;
        noticed(memory, standing) != noticed(&self.memory, &self.standing)
            || turn(now) > turn(*at) && !self.is_written(&self.memory)
    }

    /// Whether this is what we have written, as far as it is written at all.
    pub fn is_written(&self, memory: &Memory) -> bool {
        let text = |memory: &Memory| serde_json::to_string(memory).ok();
        text(&self.written.memory) == text(memory) && self.written.memory.gates == memory.gates
    }

    /// What is remembered, as the API server has it.
    pub fn written(&self) -> &Memory {
        &self.written.memory
    }

    /// Notes what is written.
    pub fn wrote(&mut self, memory: Memory, standing: Vec<Known>, at: Timestamp) {
        self.written = Written { memory, standing, at };
    }
}

/// Notes how the gates stand, and says what of them the rollout waits for.
fn work(
    asked: &Asked,
    moment: &Moment<'_>,
    site: Option<&Site>,
    record: &ServiceRecord,
    gates: &mut Vec<GateStatus>,
) -> Gates {
    let work = Work { world: moment.world, owner: moment.owner, asked };
    let status = record.under_way();
    // While the versions cannot be told, what was waited for is.
    let Some(site) = site else { return status.map(|status| status.gates.clone()).unwrap_or_default() };
    let version = status.and_then(|status| Some((status, site.service.versions.get_key_value(&status.canary)?)));
    let tried = version.map(|(status, (version, found))| {
        (status, Tried { version, revision: found.revision.as_deref().unwrap_or_default() })
    });
    work.note(gates, tried, |job| moment.refused.get(job).cloned());
    let has_pods = version.is_some_and(|(_, (_, found))| !found.endpoints.is_empty());
    let Some((_, tried)) = tried else { return Gates::default() };
    let mut waits_for = work.gates(gates, tried, has_pods);
    if recreate::impossible(&work, site, tried.version).is_some() {
        let preparation = "its preparation (condition Accepted says what is missing)".to_owned();
        waits_for.traffic.get_or_insert(preparation);
    }
    waits_for
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

/// Adds decisions to those that people see; the oldest go.
fn show(decisions: &mut Vec<Decision>, decided: &[tidegate_controller::engine::Record]) {
    decisions.extend(decided.iter().map(Decision::of));
    decisions.drain(..decisions.len().saturating_sub(OBJECT_DECISIONS_MAX));
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
    let layout = layout.capped(|version| site.capacity.get(version).copied().unwrap_or(Share::ALL));
    let epoch = record.epochs.issue(&layout.arms, layout.rollout);
    record.published(epoch);
}

/// Where the versions cannot be told, what is over must still not keep visitors: the canary's go back to stable.
fn retreat(record: &mut ServiceRecord) {
    let Some(status) = record.rollout.as_ref().filter(|status| status.phase == Phase::Aborted) else { return };
    let tried = |epoch: &&Epoch| record.tried().any(|status| epoch.share_of(&status.canary) > Share::ZERO);
    let Some(newest) = record.epochs.newest().filter(tried) else {
        return;
    };
    let layout = Layout {
        arms: newest.arms.clone(),
        stable: status.stable.clone(),
        canary: Some(status.canary.clone()),
        rivals: status.rivals.clone(),
        rollout: None,
        rollout_began: 0,
    };
    let arms = layout.capped(|_| Share::ZERO).arms;
    record.epochs.issue(&arms, None);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::manifests::asked;

    #[test]
    fn those_that_were_taken_over_together_are_written_one_after_the_other() {
        let at = |second: u64| Timestamp::from_millis(1_700_000_000_000 + second * 1_000);
        let first: Vec<u64> = (0..40)
            .map(|number| {
                let mut case = Case::new(asked(&format!("shop-{number}")), Memory::new(at(0)), at(0));
                assert!((0..200).all(|second| !case.must_write(at(second))), "it is written as it is");
                case.memory.trusted = vec!["aa".parse().unwrap()];
                let first = (1..=60).find(|second| case.must_write(at(*second))).unwrap();
                case.wrote(case.memory.clone(), Vec::new(), at(first));
                case.memory.trusted.clear();
                let next = (first..first + 200).find(|second| case.must_write(at(*second))).unwrap();
                assert_eq!(next - first, 60, "once a minute");
                first
            })
            .collect();
        let moments: BTreeSet<_> = first.iter().collect();
        assert!(moments.len() > 20, "{first:?}");
    }
}
