//! PURE. What is known of the cluster: the objects that routing and rollouts follow from, by kind and name, trimmed of
//! what nobody here reads. Filled by watches at the edge, and by manifests in tests.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use gateway_api::experimental::httproutes::HttpRoute;
use gateway_api::gatewayclasses::GatewayClass;
use gateway_api::gateways::Gateway;
use gateway_api::referencegrants::ReferenceGrant;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Node, Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::core::DeserializeGuard;
use kube::{Resource, ResourceExt};

use crate::rollout_object::Rollout;

/// Where an object is. Of kinds that belong to no namespace, `namespace` is empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The namespace.
    pub namespace: String,
    /// The name in it.
    pub name: String,
}

impl Key {
    /// A key from its parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// The key of an object.
    pub fn of<K: Resource>(object: &K) -> Self {
        Self::new(object.namespace().unwrap_or_default(), object.name_any())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() { f.write_str(&self.name) } else { write!(f, "{}/{}", self.namespace, self.name) }
    }
}

/// The objects of one kind.
pub type Objects<K> = BTreeMap<Key, Arc<K>>;

/// Everything that is known.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Namespaces, for their labels.
    pub namespaces: Objects<Namespace>,
    /// Nodes, for whether they are ready.
    pub nodes: Objects<Node>,
    /// Services.
    pub services: Objects<Service>,
    /// Where Services' pods are.
    pub endpoint_slices: Objects<EndpointSlice>,
    /// Pods.
    pub pods: Objects<Pod>,
    /// Deployments.
    pub deployments: Objects<Deployment>,
    /// Revisions of Deployments.
    pub replica_sets: Objects<ReplicaSet>,
    /// Stateful sets.
    pub stateful_sets: Objects<StatefulSet>,
    /// The Jobs of gates.
    pub jobs: Objects<Job>,
    /// The Secrets that something refers to.
    pub secrets: Objects<Secret>,
    /// The config maps that something refers to.
    pub config_maps: Objects<ConfigMap>,
    /// Classes of Gateways.
    pub gateway_classes: Objects<GatewayClass>,
    /// Gateways.
    pub gateways: Objects<Gateway>,
    /// HTTP routes, with the fields of the experimental channel: what is not known cannot be refused.
    pub http_routes: Objects<HttpRoute>,
    /// Rollouts; one that cannot be read is there all the same.
    pub rollouts: Objects<DeserializeGuard<Rollout>>,
    /// What may be referred to from other namespaces.
    pub reference_grants: Objects<ReferenceGrant>,
}
