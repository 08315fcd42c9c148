//! PURE. The rollout objects of a world, each as whoever leads works on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::core::DeserializeGuard;
use kube::{Resource, ResourceExt};
use tidegate_config::policy::{Policy, Strategy};
use tidegate_config::{Capacity, Name, OnFailure, Visitor};

use super::fault::Fault;
use super::wish::Wish;
use crate::catalog::name_of;
use crate::rollout_object::{Gate, Memory, Rollout, RolloutSpec, RolloutStatus};
use crate::site::Ask;
use crate::versions::workloads;
use crate::world::{Key, World};

/// A rollout object as the API server has it.
#[derive(Debug, Clone)]
pub struct Object {
    /// Where it is.
    pub key: Key,
    /// Tells it from one of the same name before or after (`metadata.uid`).
    pub uid: String,
    /// Tells this state of it from others (`metadata.resourceVersion`).
    pub version: String,
    /// Counts the states of its `spec` (`metadata.generation`).
    pub generation: Option<i64>,
    /// The Service that it names, where it can be read at all.
    pub service: Option<Key>,
    /// What it asks for; `None` where that is nothing that could be done.
    pub asked: Option<Asked>,
    /// What is wrong with it, or with the annotations that it is made of.
    pub fault: Option<Fault>,
    /// What is written in its status; `None` before the first time.
    pub memory: Option<Arc<Memory>>,
    /// The conditions in its status.
    pub conditions: Vec<Condition>,
    /// The newest wish.
    pub wish: Option<Wish>,
    /// Who wrote its status last.
    pub leader: Option<String>,
}

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
    /// Whether new pods of the Service are to have a sidecar.
    pub inject: bool,
    /// How the share and the number of ready pods go together.
    pub capacity: Capacity,
    /// What must be done before a version goes on.
    pub gates: Arc<[Gate]>,
    /// What becomes of the workload after an abort.
    pub on_failure: OnFailure,
    /// Whether the workload of the version that was replaced gets 0 replicas.
    pub scale_down: bool,
}

impl Asked {
    /// The same, to look at the world with, given what is remembered.
    pub fn ask<'a>(&'a self, memory: &'a Memory) -> Ask<'a> {
        let status = memory.record.under_way();
        let exposed = status.is_some_and(|status| status.step.is_some());
        Ask {
            service: &self.service,
            policy: &self.policy,
            visitor: &self.visitor,
            label: &self.label,
            port: self.port.as_deref(),
            stable: self.stable.as_ref(),
            ignores_capacity: self.capacity == Capacity::Ignore,
            opens: self.follows().then(|| Some((&status?.canary, status?.share))).flatten(),
            unstarted: self.starts_late() && !exposed,
        }
    }

    /// Whether gates open with the share.
    pub fn follows(&self) -> bool {
        self.capacity == Capacity::Follow && self.policy.strategy == Strategy::Canary
    }

    /// The field that asks for a Deployment to be set back after an abort, if there is one: old pods may have left already
    /// where gates open with the share.
    pub(super) fn undoes(&self) -> Option<&'static str> {
        match (self.follows(), self.on_failure) {
            (true, _) => Some("spec.capacity: follow"),
            (false, OnFailure::Undo) => Some("spec.onFailure: undo"),
            (false, OnFailure::Hold) => None,
        }
    }

    /// What a rollout object asks for, in this world.
    fn of(spec: &RolloutSpec, namespace: &str, world: &World) -> Result<Self, Fault> {
        spec.check().map_err(|problems| Fault::Invalid(problems.to_string()))?;
        let RolloutSpec { service, policy, options, visitor, gates } = spec;
        let service = Key::new(namespace, service.as_str());
        let object = world.services.get(&service);
        let object = object.ok_or_else(|| Fault::Service(format!("spec.service: there is no Service {service}")))?;
        let port = options.port.as_ref().map(|port| port.as_str().to_owned());
        let name = name_of(&service, object, port.as_deref()).ok_or_else(|| {
            let named = |port: &k8s_openapi::api::core::v1::ServicePort| port.name.clone();
            let ports = object.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
            let all: Vec<String> = ports.filter_map(named).collect();
            let wrong = port.as_ref().map_or("missing".to_owned(), |port| format!("\"{port}\""));
            Fault::Service(format!("spec.port: {wrong}; allowed: a port of Service {service}: {}", all.join(", ")))
        })?;
        Ok(Self {
            service,
            name,
            policy: policy.clone(),
            visitor: visitor.clone(),
            label: options.version_label.as_str().to_owned(),
            port,
            stable: options.stable.clone().map(Name::from),
            inject: options.inject,
            capacity: options.capacity,
            gates: gates.as_slice().into(),
            on_failure: options.on_failure,
            scale_down: options.scale_down,
        })
    }
}

/// What the statuses of rollout objects say, read once for each of their states: most of a world changes without them.
#[derive(Debug, Default)]
pub struct Remembered(BTreeMap<Key, (String, Read)>);

/// A status, or why it cannot be read.
type Read = Result<Option<Arc<Memory>>, String>;

/// The rollout objects of a world. Of several that have one workload in common all but one have a [`Fault`].
pub fn objects(world: &World, remembered: &mut Remembered) -> Vec<Object> {
    remembered.0.retain(|key, _| world.rollouts.contains_key(key));
    let mut all: Vec<Object> = world.rollouts.iter().map(|(key, it)| object(key, it, world, remembered)).collect();
    settle(&mut all, world);
    all
}

fn object(key: &Key, guarded: &DeserializeGuard<Rollout>, world: &World, remembered: &mut Remembered) -> Object {
    let version = guarded.resource_version().unwrap_or_default();
    let status = guarded.0.as_ref().ok().and_then(|rollout| rollout.status.as_ref());
    let read = match &guarded.0 {
        Ok(rollout) => remembered.of(key, &version, rollout).map_err(Fault::Record),
        Err(error) => Err(Fault::Invalid(error.to_string())),
    };
    let asked = match (&guarded.0, &read) {
        (Ok(rollout), Ok(_)) => Asked::of(&rollout.spec, &key.namespace, world),
        (_, Err(fault)) => Err(fault.clone()),
        (Err(error), Ok(_)) => Err(Fault::Invalid(error.to_string())),
    };
    Object {
        key: key.clone(),
        uid: guarded.uid().unwrap_or_default(),
        generation: guarded.meta().generation,
        service: guarded.0.as_ref().ok().map(|it| Key::new(&key.namespace, it.spec.service.as_str())),
        fault: asked.as_ref().err().cloned().or_else(|| annotations_fault(key, guarded, world)),
        asked: asked.ok(),
        memory: read.ok().flatten(),
        conditions: status.map(|status| status.conditions.clone()).unwrap_or_default(),
        wish: Wish::read(guarded.annotations()),
        leader: status.and_then(|status| status.leader.clone()),
        version,
    }
}

/// What is wrong with the annotations that an object is made of: the last good ones are in it.
fn annotations_fault(key: &Key, object: &DeserializeGuard<Rollout>, world: &World) -> Option<Fault> {
    let service = world.services.get(key).filter(|_| is_of_annotations(object))?;
    let name = key.name.parse().ok()?;
    let problems = RolloutSpec::of_annotations(&name, service.annotations()).err()?;
    Some(Fault::Invalid(format!("Service {key}: {problems}")))
}

impl Remembered {
    fn of(&mut self, key: &Key, version: &str, rollout: &Rollout) -> Read {
        if let Some((known, memory)) = self.0.get(key)
            && known == version
        {
            return memory.clone();
        }
        let read = rollout.status.as_ref().map_or(Ok(None), RolloutStatus::remembered);
        let memory = read.map(|memory| memory.map(Arc::new)).map_err(|error| error.to_string());
        self.0.insert(key.clone(), (version.to_owned(), memory.clone()));
        memory
    }
}

/// One rollout for each workload: an object that somebody wrote before one that follows from annotations, then the older
/// one, then by name.
fn settle(all: &mut [Object], world: &World) {
    let mut order: Vec<usize> = (0..all.len()).filter(|index| all[*index].asked.is_some()).collect();
    order.sort_by_cached_key(|index| precedence(&all[*index].key, world));
    let mut taken: BTreeMap<Key, Key> = BTreeMap::new();
    let mut services: BTreeMap<Key, Key> = BTreeMap::new();
    for index in order {
        let Object { key, asked, fault, .. } = &mut all[index];
        let Some(wanted) = asked else { continue };
        let workloads: BTreeSet<Key> = workloads(world, &wanted.service);
        let holder = services.get(&wanted.service).or_else(|| workloads.iter().find_map(|it| taken.get(it)));
        if let Some(holder) = holder {
            *fault = Some(Fault::Conflicted(holder.clone()));
            *asked = None;
            continue;
        }
        services.insert(wanted.service.clone(), key.clone());
        taken.extend(workloads.into_iter().map(|workload| (workload, key.clone())));
    }
}

fn precedence(key: &Key, world: &World) -> (bool, Timestamp, Key) {
    let object = world.rollouts.get(key);
    let annotated = object.is_some_and(|object| is_of_annotations(object));
    let made = object.and_then(|object| object.creation_timestamp()).map_or(Timestamp::MAX, |time| time.0);
    (annotated, made, key.clone())
}

/// Whether an object follows from the annotations of a Service.
pub(crate) fn is_of_annotations(object: &DeserializeGuard<Rollout>) -> bool {
    object.labels().get(super::annotated::MADE_FROM).is_some_and(|from| from == super::annotated::ANNOTATIONS)
}
