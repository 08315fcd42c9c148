//! PURE. What is known of the cluster: the objects that routing and rollouts follow from, by kind and name, trimmed of
//! what nobody here reads. Filled by watches at the edge, and by manifests in tests.

mod index;
mod objects;

use std::fmt;

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

pub use index::{Index, List};
pub use objects::{Change, Objects};

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
    /// What is looked up in these; where it is another world's, it is not heeded.
    pub index: Index,
}

impl World {
    /// Whether these are the very objects of another world.
    pub fn same(&self, other: &Self) -> bool {
        let Self {
            namespaces, nodes, services, endpoint_slices, pods, deployments, replica_sets, stateful_sets, ..
        } = self;
        let Self {
            jobs, secrets, config_maps, gateway_classes, gateways, http_routes, rollouts, reference_grants, ..
        } = self;
        namespaces.same(&other.namespaces)
            && nodes.same(&other.nodes)
            && services.same(&other.services)
            && endpoint_slices.same(&other.endpoint_slices)
            && pods.same(&other.pods)
            && deployments.same(&other.deployments)
            && replica_sets.same(&other.replica_sets)
            && stateful_sets.same(&other.stateful_sets)
            && jobs.same(&other.jobs)
            && secrets.same(&other.secrets)
            && config_maps.same(&other.config_maps)
            && gateway_classes.same(&other.gateway_classes)
            && gateways.same(&other.gateways)
            && http_routes.same(&other.http_routes)
            && rollouts.same(&other.rollouts)
            && reference_grants.same(&other.reference_grants)
    }

    /// The part that routing follows from: pods come and go without it.
    #[must_use]
    pub fn of_routing(&self) -> Self {
        let world = self.clone();
        Self {
            namespaces: world.namespaces,
            services: world.services,
            secrets: world.secrets,
            config_maps: world.config_maps,
            gateway_classes: world.gateway_classes,
            gateways: world.gateways,
            http_routes: world.http_routes,
            reference_grants: world.reference_grants,
            ..Self::default()
        }
    }

    /// The part that tells workloads and their health apart from the pods themselves.
    #[must_use]
    pub fn of_workloads(&self) -> Self {
        let world = self.clone();
        Self {
            nodes: world.nodes,
            deployments: world.deployments,
            replica_sets: world.replica_sets,
            stateful_sets: world.stateful_sets,
            ..Self::default()
        }
    }

    /// How many objects there are of the kinds that a large cluster has many of.
    pub fn size(&self) -> usize {
        let Self { services, endpoint_slices, pods, deployments, replica_sets, http_routes, rollouts, .. } = self;
        let workloads = deployments.len() + replica_sets.len();
        services.len() + endpoint_slices.len() + pods.len() + workloads + http_routes.len() + rollouts.len()
    }
}
