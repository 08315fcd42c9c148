//! PURE. The Jobs of gates: which are to be made now, and which nobody needs any more. Both follow from what is written down.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;
use tidegate_controller::engine::Timestamp;

use super::{Desk, Open};
use crate::lead::job::{Owner, end, is_of, job};
use crate::lead::work::Work;
use crate::rollout_object::{GateStatus, VERSION_LABEL};
use crate::world::{Key, World};

/// Milliseconds until a Job is made, or deleted, again: until then the first time is seen, or the reason has changed.
const AGAIN_MS: u64 = 10_000;

/// What is to be done about a Job. Each may be done any number of times.
#[derive(Debug, Clone, PartialEq)]
pub enum JobWork {
    /// It is to be made; one that is there already is it.
    Make(Box<Job>),
    /// It is to be deleted, if it still has this uid.
    Delete(Key, String),
}

/// What was done about Jobs, by their names.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    last: BTreeMap<String, Timestamp>,
    pub(super) refused: BTreeMap<String, String>,
}

impl Desk {
    /// What is to be done about Jobs now, with the key of the Rollout.
    pub fn jobs(&mut self, world: &World, now: Timestamp) -> Vec<(Key, JobWork)> {
        let mut works = Vec::new();
        for (key, open) in self.open.iter_mut().filter(|(_, open)| !open.stamp) {
            let due: Vec<JobWork> = open.to_make(key, world).chain(open.to_delete(key, world)).collect();
            for work in due {
                if open.attempts.begin(work.name(), now) {
                    works.push((key.clone(), work));
                }
            }
        }
        works
    }

    /// Notes how the making of a Job ended.
    pub fn made(&mut self, rollout: &Key, job: &str, refused: Option<String>, now: Timestamp) {
        let Some(open) = self.open.get_mut(rollout) else { return };
        let known = match refused {
            Some(why) => open.attempts.refused.insert(job.to_owned(), why),
            None => open.attempts.refused.remove(job),
        };
        if known.as_ref() != open.attempts.refused.get(job) {
            open.due = now;
        }
    }

    /// When a Job that was refused is to be made again.
    pub(super) fn next_job(&self) -> Option<Timestamp> {
        let last = |open: &Open, job: &String| open.attempts.last.get(job).copied().unwrap_or_default();
        let all = self.open.values().flat_map(|open| open.attempts.refused.keys().map(move |job| last(open, job)));
        all.min().map(|last| Timestamp::from_millis(last.millis() + AGAIN_MS))
    }
}

impl Open {
    /// The Jobs that are written down as to be made, and still are.
    fn to_make<'a>(&'a self, key: &'a Key, world: &'a World) -> impl Iterator<Item = JobWork> + 'a {
        let owner = Owner { key, uid: &self.uid };
        let asked = &self.case.asked;
        let work = Work { world, owner, asked };
        let unmade = |gate: &&GateStatus| {
            gate.state.is_unmade() && !world.jobs.contains_key(&Key::new(&key.namespace, &gate.job))
        };
        let written =
            |gate: &&GateStatus| self.case.written().gates.iter().any(|it| it.job == gate.job && it.state.is_unmade());
        let now = self.case.memory.gates.iter().filter(unmade).filter(written);
        now.filter(move |gate| work.is_possible(gate)).filter_map(move |gate| {
            let wanted = asked.gates.iter().find(|it| it.name.as_str() == gate.name)?;
            let job = job(owner, wanted, &gate.version, &gate.job).ok()?;
            Some(JobWork::Make(Box::new(job)))
        })
    }

    /// The Jobs of versions that are not remembered any more. One that runs is left to end.
    fn to_delete<'a>(&'a self, key: &'a Key, world: &'a World) -> impl Iterator<Item = JobWork> + 'a {
        let written = &self.case.written().gates;
        let kept = |job: &Job| {
            let version = job.labels().get(VERSION_LABEL);
            written.iter().any(|gate| Some(&gate.version) == version || gate.job == job.name_any())
        };
        let ours = world.jobs.of(&key.namespace).filter(|(_, job)| is_of(&self.uid, job));
        ours.filter(move |(_, job)| !written.is_empty() && !kept(job))
            .filter(|(it, job)| end(world, it, job).is_some() && job.metadata.deletion_timestamp.is_none())
            .map(|(it, job)| JobWork::Delete(it.clone(), job.uid().unwrap_or_default()))
    }
}

impl JobWork {
    /// The Job's name.
    pub fn name(&self) -> String {
        match self {
            Self::Make(job) => job.name_any(),
            Self::Delete(key, _) => key.name.clone(),
        }
    }
}

impl Attempts {
    /// Whether it is time for a Job; then it is done.
    fn begin(&mut self, job: String, now: Timestamp) -> bool {
        let due = self.last.get(&job).is_none_or(|last| now.millis_since(*last) >= AGAIN_MS);
        if due {
            self.last.insert(job, now);
        }
        due
    }

    /// Forgets Jobs that are not wanted any more.
    pub(super) fn keep(&mut self, gates: &[GateStatus], now: Timestamp) {
        let wanted = |job: &String| gates.iter().any(|gate| gate.job == *job && gate.state.is_unmade());
        self.refused.retain(|job, _| wanted(job));
        self.last.retain(|_, last| now.millis_since(*last) < AGAIN_MS);
    }
}
