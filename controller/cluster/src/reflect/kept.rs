//! The kinds that are kept: where in the world, and without what.

use std::fmt::Debug;

use gateway_api::experimental::httproutes::HttpRoute;
use gateway_api::gatewayclasses::GatewayClass;
use gateway_api::gateways::Gateway;
use gateway_api::referencegrants::ReferenceGrant;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{
    ConfigMap, Container, Namespace, Node, ObjectReference, Pod, PodCondition, PodReadinessGate, PodTemplateSpec,
    Secret, Service,
};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use kube::api::ObjectMeta;
use kube::core::{DeserializeGuard, PartialObjectMetaExt};
use kube::runtime::watcher;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::{Scope, watched, watched_without_namespace};
use crate::rollout_object::{GATE_LABEL, Rollout};
use crate::versions::fingerprint;
use crate::versions::is_of_gate;
use crate::world::{Objects, World};

/// An object that is nothing that we can read.
#[derive(Debug)]
pub struct Unreadable {
    /// Which one.
    pub object: ObjectReference,
    /// Why not, in words.
    pub error: String,
}

/// A kind that is kept.
pub trait Kept: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static {
    /// What is watched: guarded, where an object may be of a newer definition than we know. One such object would else end
    /// the watch of all of its kind.
    type Watched: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static;
    /// Where its objects are.
    fn objects(world: &mut World) -> &mut Objects<Self>;
    /// What to watch.
    fn watched(client: Client, scope: &Scope) -> (Api<Self::Watched>, watcher::Config);
    /// An object that was seen.
    ///
    /// # Errors
    ///
    /// It is nothing that we can read.
    fn read(watched: Self::Watched) -> Result<Self, Box<Unreadable>>;
    /// Takes out what nobody reads: with many pods, most of what they say.
    fn trim(&mut self) {
        trim_meta(self.meta_mut());
    }
}

/// Who wrote which field, and the last manifest that was applied, are half of many an object.
fn trim_meta(meta: &mut ObjectMeta) {
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    if let Some(owners) = &mut meta.owner_references {
        owners.shrink_to_fit();
    }
}

macro_rules! kept {
    ($($kind:ty => $field:ident $(, $trim:expr)?;)*) => {$(
        impl Kept for $kind {
            type Watched = Self;
            fn objects(world: &mut World) -> &mut Objects<Self> {
                &mut world.$field
            }
            fn watched(client: Client, scope: &Scope) -> (Api<Self>, watcher::Config) {
                watched(client, scope)
            }
            fn read(watched: Self) -> Result<Self, Box<Unreadable>> {
                Ok(watched)
            }
            $(fn trim(&mut self) {
                trim_meta(self.meta_mut());
                $trim(self);
            })?
        }
    )*};
}

kept! {
    Service => services;
    EndpointSlice => endpoint_slices, trim_slice;
    Pod => pods, trim_pod;
    Deployment => deployments, |it: &mut Deployment| if let Some(spec) = &mut it.spec { trim_template(&mut spec.template) };
    ReplicaSet => replica_sets,
        |it: &mut ReplicaSet| if let Some(spec) = &mut it.spec { spec.template = spec.template.as_ref().map(fingerprint) };
    StatefulSet => stateful_sets,
        |it: &mut StatefulSet| if let Some(spec) = &mut it.spec { spec.volume_claim_templates = None; trim_template(&mut spec.template) };
    Secret => secrets;
    ConfigMap => config_maps;
    DeserializeGuard<Rollout> => rollouts;
}

macro_rules! kept_as_far_as_read {
    ($($kind:ty => $field:ident, $watched:expr;)*) => {$(
        impl Kept for $kind {
            type Watched = DeserializeGuard<Self>;
            fn objects(world: &mut World) -> &mut Objects<Self> {
                &mut world.$field
            }
            fn watched(client: Client, scope: &Scope) -> (Api<Self::Watched>, watcher::Config) {
                $watched(client, scope)
            }
            fn read(watched: Self::Watched) -> Result<Self, Box<Unreadable>> {
                watched.0.map_err(|invalid| {
                    let object = invalid.metadata.into_response_partial::<Self>().object_ref(&());
                    Box::new(Unreadable { object, error: invalid.error })
                })
            }
        }
    )*};
}

kept_as_far_as_read! {
    Gateway => gateways, watched;
    HttpRoute => http_routes, watched;
    ReferenceGrant => reference_grants, watched;
    GatewayClass => gateway_classes, watched_without_namespace;
}

macro_rules! kept_without_namespace {
    ($($kind:ty => $field:ident, $trim:expr;)*) => {$(
        impl Kept for $kind {
            type Watched = Self;
            fn objects(world: &mut World) -> &mut Objects<Self> {
                &mut world.$field
            }
            fn watched(client: Client, scope: &Scope) -> (Api<Self>, watcher::Config) {
                watched_without_namespace(client, scope)
            }
            fn read(watched: Self) -> Result<Self, Box<Unreadable>> {
                Ok(watched)
            }
            fn trim(&mut self) {
                trim_meta(self.meta_mut());
                $trim(self);
            }
        }
    )*};
}

kept_without_namespace! {
    Namespace => namespaces, |_: &mut Namespace| {};
    Node => nodes, trim_node;
}

impl Kept for Job {
    type Watched = Self;
    fn objects(world: &mut World) -> &mut Objects<Self> {
        &mut world.jobs
    }
    /// Those of gates: a cluster may be full of others.
    fn watched(client: Client, scope: &Scope) -> (Api<Self>, watcher::Config) {
        let (api, config) = watched(client, scope);
        (api, config.labels(GATE_LABEL))
    }
    fn read(watched: Self) -> Result<Self, Box<Unreadable>> {
        Ok(watched)
    }
    fn trim(&mut self) {
        trim_meta(self.meta_mut());
        self.spec = None;
        let conditions = self.status.take().and_then(|status| status.conditions);
        self.status = Some(k8s_openapi::api::batch::v1::JobStatus { conditions, ..Default::default() });
    }
}

/// Of what pods are made of, the labels tell which Services select them, and what stands for all of it tells an update.
fn trim_template(template: &mut PodTemplateSpec) {
    let mut stands = fingerprint(template);
    stands.metadata.get_or_insert_default().labels = template.metadata.take().and_then(|metadata| metadata.labels);
    *template = stands;
}

fn trim_node(node: &mut Node) {
    node.spec = None;
    if let Some(status) = &mut node.status {
        let conditions = status.conditions.take().map(|mut all| {
            all.retain(|condition| condition.type_ == "Ready");
            all
        });
        *status = k8s_openapi::api::core::v1::NodeStatus { conditions, ..Default::default() };
    }
}

fn trim_pod(pod: &mut Pod) {
    if let Some(annotations) = &mut pod.metadata.annotations {
        // But not what a sidecar trusts, kilobytes of it in each pod.
        annotations.retain(|key, _| key.starts_with("tidegate.dev/") && key != tidegate_inject::CA);
    }
    if let Some(spec) = pod.spec.take() {
        pod.spec = Some(k8s_openapi::api::core::v1::PodSpec {
            node_name: spec.node_name,
            readiness_gates: spec.readiness_gates,
            scheduling_gates: spec.scheduling_gates,
            containers: trim_containers(spec.containers),
            init_containers: spec.init_containers.map(trim_containers),
            ..Default::default()
        });
    }
    let works = is_of_gate(pod);
    let gates = pod.spec.as_ref().and_then(|spec| spec.readiness_gates.as_deref()).unwrap_or_default();
    if let Some(status) = pod.status.take() {
        pod.status = Some(k8s_openapi::api::core::v1::PodStatus {
            phase: status.phase,
            conditions: status.conditions.map(|all| trim_conditions(all, gates)),
            pod_ip: status.pod_ip,
            // What a gate's pod wrote at its end.
            container_statuses: status.container_statuses.filter(|_| works),
            ..Default::default()
        });
    }
}

/// Where a slice's endpoints are, and whether they take requests.
fn trim_slice(slice: &mut EndpointSlice) {
    let bare = |Endpoint { addresses, conditions, .. }| Endpoint { addresses, conditions, ..Default::default() };
    slice.endpoints = exactly(std::mem::take(&mut slice.endpoints).into_iter().map(bare));
}

/// What is read of containers: the ports that have names, and which of them are sidecars.
fn trim_containers(containers: Vec<Container>) -> Vec<Container> {
    let bare = |Container { name, ports, restart_policy, .. }| Container {
        name,
        ports: ports.map(|ports| exactly(ports.into_iter())),
        restart_policy,
        ..Default::default()
    };
    let read = containers.into_iter().filter(|it| it.ports.is_some() || it.name == tidegate_inject::CONTAINER);
    exactly(read.map(bare))
}

/// The conditions that are read: two of the pod's own, and those that it waits for.
fn trim_conditions(conditions: Vec<PodCondition>, gates: &[PodReadinessGate]) -> Vec<PodCondition> {
    let is_read = |kind: &str| {
        matches!(kind, "Ready" | "ContainersReady") || gates.iter().any(|gate| gate.condition_type == kind)
    };
    let bare = |PodCondition { type_, status, .. }| PodCondition { type_, status, ..Default::default() };
    exactly(conditions.into_iter().filter(|it| is_read(&it.type_)).map(bare))
}

/// A list that takes no more memory than what is in it: what is read from JSON has room for more, and large parts.
fn exactly<T>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.collect();
    all.shrink_to_fit();
    all
}
