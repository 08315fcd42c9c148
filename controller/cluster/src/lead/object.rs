//! PURE. The rollout objects of a world, each as whoever leads works on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::core::DeserializeGuard;
use kube::{Resource, ResourceExt};
use tidegate_config::policy::{Policy, Strategy};
use tidegate_config::{Capacity, Name, OnFailure, Span, Visitor};

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
    pub asked: Option<Arc<Asked>>,
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
    /// Whether somebody has deleted it, and something must be done first.
    pub leaves: bool,
    /// Who must do that (`metadata.finalizers`).
    pub finalizers: Vec<String>,
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
    /// How long a request waits while nobody can be reached; `None`: as long as the policy says.
    pub park: Option<Span>,
    /// The pod label that tells versions of several workloads apart.
    pub label: String,
    /// The port that is judged.
    pub port: Option<String>,
    /// The version that is stable at first sight.
    pub stable: Option<Name>,
    /// The versions that are tried at the same time; empty: the newest one.
    pub canaries: Vec<Name>,
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
            park: self.parks(),
            label: &self.label,
            port: self.port.as_deref(),
            stable: self.stable.as_ref(),
            canaries: &self.canaries,
            under_way: status.map(|_| &memory.record),
            ignores_capacity: self.capacity == Capacity::Ignore,
            opens: self.follows().then(|| Some((&status?.canary, status?.share))).flatten(),
            unstarted: self.recreates() || self.starts_late() && !exposed,
            given_way: memory.given_way.as_ref(),
        }
    }

    /// Whether gates open with the share.
    pub fn follows(&self) -> bool {
        self.capacity == Capacity::Follow && self.policy.strategy == Strategy::Canary
    }

    /// How long a request waits while nobody can be reached.
    pub fn parks(&self) -> Option<Span> {
        self.park.or_else(|| self.policy.parks())
    }

    /// Whether the old version goes before the new one starts.
    pub fn recreates(&self) -> bool {
        self.policy.recreates()
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

    /// What a rollout object asks for, of this Service.
    fn of(spec: &RolloutSpec, namespace: &str, object: Option<&Service>) -> Result<Self, Fault> {
        spec.check().map_err(|problems| Fault::Invalid(problems.to_string()))?;
        let RolloutSpec { service, policy, options, visitor, park, gates } = spec;
        let service = Key::new(namespace, service.as_str());
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
            park: *park,
            label: options.version_label.as_str().to_owned(),
            port,
            stable: options.stable.clone().map(Name::from),
            canaries: options.canaries.iter().cloned().map(Name::from).collect(),
            inject: options.inject,
            capacity: options.capacity,
            gates: gates.as_slice().into(),
            on_failure: options.on_failure,
            scale_down: options.scale_down,
        })
    }
}

/// What rollout objects say, read once for each of their states and of their Services': most of a world changes without
/// them.
#[derive(Debug, Default)]
pub struct Remembered(BTreeMap<Key, Known>);

/// An object, and what it was read from.
#[derive(Debug)]
struct Known {
    rollout: Arc<DeserializeGuard<Rollout>>,
    services: Services,
    object: Arc<Object>,
}

/// The Service that an object names, and the one whose annotations it may be made of.
type Services = [Option<Arc<Service>>; 2];

/// The rollout objects of a world. Of several that have one workload in common all but one have a [`Fault`].
pub fn objects(world: &World, remembered: &mut Remembered) -> Vec<Arc<Object>> {
    remembered.0.retain(|key, _| world.rollouts.contains_key(key));
    let mut all: Vec<Arc<Object>> = world.rollouts.iter().map(|(key, it)| remembered.object(key, it, world)).collect();
    settle(&mut all, world);
    all
}

/// The Services that an object is read with; it is read with no others.
fn services(key: &Key, guarded: &DeserializeGuard<Rollout>, world: &World) -> Services {
    let named = guarded.0.as_ref().ok().map(|it| Key::new(&key.namespace, it.spec.service.as_str()));
    [named.as_ref().unwrap_or(key), key].map(|key| world.services.get(key).cloned())
}

fn object(key: &Key, guarded: &DeserializeGuard<Rollout>, services: &Services) -> Object {
    let [named, annotated] = services;
    let version = guarded.resource_version().unwrap_or_default();
    let leaves = guarded.meta().deletion_timestamp.is_some();
    let status = guarded.0.as_ref().ok().and_then(|rollout| rollout.status.as_ref());
    let read = match &guarded.0 {
        Ok(_) => status.map_or(Ok(None), RolloutStatus::remembered).map_err(|error| Fault::Record(error.to_string())),
        Err(error) => Err(Fault::Invalid(error.to_string())),
    };
    let asked = match (&guarded.0, &read) {
        (Ok(rollout), Ok(_)) => Asked::of(&rollout.spec, &key.namespace, named.as_deref()),
        (_, Err(fault)) => Err(fault.clone()),
        (Err(error), Ok(_)) => Err(Fault::Invalid(error.to_string())),
    };
    Object {
        key: key.clone(),
        uid: guarded.uid().unwrap_or_default(),
        generation: guarded.meta().generation,
        service: guarded.0.as_ref().ok().map(|it| Key::new(&key.namespace, it.spec.service.as_str())),
        fault: asked.as_ref().err().cloned().or_else(|| annotations_fault(key, guarded, annotated.as_deref())),
        asked: asked.ok().map(Arc::new),
        memory: read.ok().flatten().map(Arc::new),
        conditions: status.map(|status| status.conditions.clone()).unwrap_or_default(),
        wish: if leaves { Some(Wish::of_deletion()) } else { Wish::read(guarded.annotations()) },
        leader: status.and_then(|status| status.leader.clone()),
        finalizers: guarded.finalizers().to_vec(),
        leaves,
        version,
    }
}

/// What is wrong with the annotations that an object is made of: the last good ones are in it.
fn annotations_fault(key: &Key, object: &DeserializeGuard<Rollout>, service: Option<&Service>) -> Option<Fault> {
    let service = service.filter(|_| is_of_annotations(object))?;
    let name = key.name.parse().ok()?;
    let problems = RolloutSpec::of_annotations(&name, service.annotations()).err()?;
    Some(Fault::Invalid(format!("Service {key}: {problems}")))
}

impl Remembered {
    fn object(&mut self, key: &Key, rollout: &Arc<DeserializeGuard<Rollout>>, world: &World) -> Arc<Object> {
        let services = services(key, rollout, world);
        let known =
            self.0.get(key).filter(|known| Arc::ptr_eq(&known.rollout, rollout) && same(&known.services, &services));
        if let Some(known) = known {
            return Arc::clone(&known.object);
        }
        let object = Arc::new(object(key, rollout, &services));
        self.0.insert(key.clone(), Known { rollout: Arc::clone(rollout), services, object: Arc::clone(&object) });
        object
    }
}

fn same(one: &Services, other: &Services) -> bool {
    one.iter().zip(other).all(|(one, other)| one.as_ref().map(Arc::as_ptr) == other.as_ref().map(Arc::as_ptr))
}

/// One rollout for each workload: an object that somebody wrote before one that follows from annotations, then the older
/// one, then by name.
fn settle(all: &mut [Arc<Object>], world: &World) {
    let mut order: Vec<usize> = (0..all.len()).filter(|index| all[*index].asked.is_some()).collect();
    order.sort_by_cached_key(|index| precedence(&all[*index].key, world));
    let mut taken: BTreeMap<Key, Key> = BTreeMap::new();
    let mut services: BTreeMap<Key, Key> = BTreeMap::new();
    for index in order {
        let Object { key, asked, .. } = &*all[index];
        let Some(wanted) = asked else { continue };
        let workloads: BTreeSet<Key> = workloads(world, &wanted.service);
        let holder = services.get(&wanted.service).or_else(|| workloads.iter().find_map(|it| taken.get(it)));
        if let Some(holder) = holder {
            let conflicted = Arc::make_mut(&mut all[index]);
            conflicted.fault = Some(Fault::Conflicted(holder.clone()));
            conflicted.asked = None;
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
