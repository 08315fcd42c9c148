//! PURE. The gates of a rollout that are Jobs: which of them are due, how they stand, what the rollout waits for.

use std::sync::Arc;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tidegate_config::Problem;
use tidegate_config::limits::OBJECT_GATES_MAX;
use tidegate_controller::engine::{Gates, Phase, Status};

use super::job::{End, Owner, Tried, end, is_of, name};
use super::object::Asked;
use crate::rollout_object::{Before, GATE_LABEL, Gate, GateState, GateStatus, shortened};
use crate::versions::{deployment_of, owner, selected};
use crate::webhook::{is_gateable, is_parallel};
use crate::world::{Key, World};

/// Characters of what is said of one gate.
const MESSAGE_MAX: usize = 700;

/// The gates of one Rollout at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work<'a> {
    pub(super) world: &'a World,
    pub(super) owner: Owner<'a>,
    pub(super) asked: &'a Asked,
}

impl Work<'_> {
    /// Notes how all gates stand. Those of the version that is tried are there once they are due.
    ///
    /// `refused` says why the API server did not take a Job.
    pub(super) fn note(
        &self,
        gates: &mut Vec<GateStatus>,
        tried: Option<(&Status, Tried<'_>)>,
        refused: impl Fn(&str) -> Option<String>,
    ) {
        let Some((status, tried)) = tried else {
            // What was not begun is not begun any more. What runs is left to run: half a migration is worse than one.
            gates.retain(|gate| !gate.state.is_unmade());
            for gate in gates.iter_mut() {
                self.watch(gate);
            }
            return;
        };
        let version = tried.version.as_str();
        gates.retain(|gate| !gate.state.is_unmade() || gate.job == name(self.owner, &gate.name, tried));
        for gate in self.asked.gates.iter().filter(|gate| is_due(gate.before, status)) {
            let job = name(self.owner, gate.name.as_str(), tried);
            if gates.iter().any(|known| known.job == job) {
                continue;
            }
            forget(gates, version);
            gates.push(GateStatus {
                name: gate.name.as_str().to_owned(),
                version: shortened(version, 253),
                before: gate.before,
                state: GateState::Waiting,
                job,
                message: None,
            });
        }
        for gate in gates.iter_mut() {
            self.watch(gate);
            if gate.state.is_unmade() {
                (gate.state, gate.message) = self.why_not(gate, tried, &refused);
            }
        }
    }

    /// Notes what has become of a gate's Job.
    fn watch(&self, gate: &mut GateStatus) {
        if gate.state.is_final() {
            return;
        }
        let key = Key::new(&self.owner.key.namespace, &gate.job);
        let job = self.world.jobs.get(&key).filter(|job| is_of(self.owner.uid, job));
        let (state, message) = match (job, job.and_then(|job| end(self.world, &key, job))) {
            (Some(_), None) => (GateState::Running, None),
            (Some(_), Some(End::Succeeded)) => (GateState::Succeeded, None),
            (Some(_), Some(End::Failed(why))) => (GateState::Failed, Some(why)),
            (None, _) if gate.state == GateState::Running => {
                (GateState::Failed, Some("it was deleted before it had ended".to_owned()))
            }
            (None, _) => return,
        };
        gate.state = state;
        gate.message = message.map(|message| shortened(&message, MESSAGE_MAX));
    }

    /// Why a gate's Job is not there yet.
    fn why_not(
        &self,
        gate: &GateStatus,
        tried: Tried<'_>,
        refused: &impl Fn(&str) -> Option<String>,
    ) -> (GateState, Option<String>) {
        if let Some(why) = self.impossible(gate) {
            return (GateState::Refused, Some(why));
        }
        if let Some(other) = self.under_way(gate) {
            return (GateState::Waiting, Some(format!("Job {} of another version has not ended", other.name)));
        }
        if tried.revision.contains('+') {
            let why = format!("version {} is being updated itself ({})", tried.version, tried.revision);
            return (GateState::Waiting, Some(why));
        }
        match refused(&gate.job) {
            Some(why) => (GateState::Refused, Some(shortened(&why, MESSAGE_MAX))),
            None => (GateState::Waiting, None),
        }
    }

    /// Whether a gate's Job can be made now, as far as we know.
    pub(super) fn is_possible(&self, gate: &GateStatus) -> bool {
        self.impossible(gate).is_none() && self.under_way(gate).is_none()
    }

    /// A Job of the same gate for another version that has not ended: two migrations at once do harm.
    pub(super) fn under_way(&self, gate: &GateStatus) -> Option<&Key> {
        let other = |key: &Key, job: &Job| {
            key.name != gate.job
                && is_of(self.owner.uid, job)
                && job.labels().get(GATE_LABEL) == Some(&gate.name)
                && end(self.world, key, job).is_none()
        };
        self.world.jobs.of(&self.owner.key.namespace).find(|(key, job)| other(key, job)).map(|(key, _)| key)
    }

    /// What stands against a gate before the start of pods, with the field.
    pub(super) fn impossible(&self, gate: &GateStatus) -> Option<String> {
        let index = self.asked.gates.iter().position(|it| it.name.as_str() == gate.name)?;
        if self.asked.gates[index].before != Before::Start {
            return None;
        }
        let path = format!("spec.gates[{index}].before");
        let Some(deployment) = deployment_of(self.world, &self.asked.service) else {
            let why = self.starts_by_itself(&gate.version)?;
            return Some(format!("{path}: start: {why}; or traffic or promotion"));
        };
        let problem = self.world.deployments.get(&deployment).and_then(|it| is_gateable(it).err())?;
        // What a Deployment is, not how it happens to stand.
        problem.path.starts_with("spec.").then(|| {
            format!("{path}: start: pods of Deployment {deployment} cannot be held, {problem}; or traffic or promotion")
        })
    }

    /// Why pods of a version that has workloads of its own cannot be held before they start.
    pub(super) fn starts_by_itself(&self, version: &str) -> Option<Problem> {
        let pods = selected(self.world, &self.asked.service);
        let of_version = |pod: &&Arc<Pod>| pod.labels().get(&self.asked.label).map(String::as_str) == Some(version);
        let mut owners = pods.iter().filter(of_version).filter_map(|pod| owner(self.world, pod));
        owners.find_map(|owner| match owner.kind.as_str() {
            "Deployment" => None,
            "StatefulSet" => self.world.stateful_sets.get(&owner.key).and_then(|set| is_parallel(set).err()),
            other => Some(Problem {
                path: format!("{other} {}: kind", owner.key),
                wrong: "its pods are not held".to_owned(),
                allowed: "Deployment or StatefulSet".to_owned(),
            }),
        })
    }

    /// What the rollout waits for. `has_pods`: whether a pod of the version can take a visitor.
    pub(super) fn gates(&self, gates: &[GateStatus], tried: Tried<'_>, has_pods: bool) -> Gates {
        let (mut traffic, mut promotion, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for gate in self.asked.gates.iter() {
            let job = name(self.owner, gate.name.as_str(), tried);
            let known = gates.iter().find(|known| known.job == job);
            match known.map(|known| (known.state, known.message.as_deref().unwrap_or("it does not say why"))) {
                Some((GateState::Succeeded, _)) => continue,
                Some((GateState::Failed, why)) => {
                    let why = why.trim_end_matches('.');
                    failed.push(format!("gate {} failed (Job {job}): {why}", gate.name.as_str()));
                }
                Some(_) | None => {}
            }
            let text = format!("gate {} (Job {job})", gate.name.as_str());
            if gate.before == Before::Promotion { promotion.push(text) } else { traffic.push(text) }
        }
        // Of a recreate they start after the switch.
        if traffic.is_empty() && !has_pods && self.asked.starts_late() && !self.asked.recreates() {
            traffic.push("the start of its pods".to_owned());
        }
        let all = |texts: Vec<String>| (!texts.is_empty()).then(|| texts.join(", "));
        Gates { traffic: all(traffic), promotion: all(promotion), failed: all(failed) }
    }
}

impl Asked {
    /// Whether pods of a new version start only when something has succeeded.
    pub(crate) fn starts_late(&self) -> bool {
        self.recreates() || self.gates.iter().any(|gate| gate.before == Before::Start)
    }

    /// Whether everything has succeeded that must before pods of a version start.
    pub(super) fn may_start(&self, owner: Owner<'_>, tried: Tried<'_>, gates: &[GateStatus]) -> bool {
        let starts = self.gates.iter().filter(|gate| gate.before == Before::Start);
        let succeeded = |gate: &Gate| {
            let job = name(owner, gate.name.as_str(), tried);
            gates.iter().any(|known| known.job == job && known.state == GateState::Succeeded)
        };
        starts.into_iter().all(succeeded)
    }
}

/// Whether it is time for a gate.
fn is_due(before: Before, status: &Status) -> bool {
    let goes_on = matches!(status.phase, Phase::Progressing | Phase::Undecided);
    goes_on
        && match before {
            Before::Start | Before::Traffic => status.step.is_none(),
            Before::Promotion => status.is_before_all(),
        }
}

/// Forgets the gates of all versions but the one that comes and the one before.
fn forget(gates: &mut Vec<GateStatus>, comes: &str) {
    let before = gates.iter().rev().find(|gate| gate.version != comes).map(|gate| gate.version.clone());
    gates.retain(|gate| gate.version == comes || Some(&gate.version) == before.as_ref());
    gates.drain(..(gates.len() + 1).saturating_sub(OBJECT_GATES_MAX));
}
