//! PURE. What must exist in the cluster for a Gateway: proxies, an account for them, and a Service in front of them.
//!
//! The objects are complete and follow from their inputs alone, so applying them twice changes nothing. All of them belong
//! to the Gateway and go when it goes.

mod deployment;
mod names;
mod service;

use std::collections::BTreeMap;
use std::sync::Arc;

use gateway_api::gateways::Gateway;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::Resource;

pub use names::{GATEWAY_LABEL, label_value, object_name};

use super::Compilation;
use super::address::Range;
use crate::world::{Key, World};

/// What is the same for all Gateways of an installation.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// The image of `tidegate-proxy`.
    pub image: String,
    /// Where proxies find the controller: `https://HOST:PORT`.
    pub controller: String,
    /// The name of the config map, in each Gateway's namespace, that holds the controller's CA under `ca.crt`.
    pub ca_config_map: String,
    /// The ranges of the cluster's Service addresses: an address in one of them may be asked for as `clusterIP`.
    pub service_ranges: Vec<Range>,
}

/// The objects of one Gateway, in the order in which they are applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Infrastructure {
    /// Who the proxies are. Its tokens open the controller's door for this Gateway and nothing else.
    pub service_account: ServiceAccount,
    /// Where clients come in.
    pub service: Service,
    /// The proxies.
    pub deployment: Deployment,
    /// Keeps all proxies but one during a drain of nodes; `None` with a single one, which could never be moved: a budget
    /// that is there goes.
    pub disruption_budget: Option<PodDisruptionBudget>,
}

/// The proxies of a Gateway that are there.
pub fn proxies<'a>(world: &'a World, gateway: &Key) -> impl Iterator<Item = &'a Arc<Pod>> {
    let label = label_value(&gateway.name);
    let labelled = move |pod: &&Arc<Pod>| {
        pod.metadata.labels.as_ref().and_then(|labels| labels.get(GATEWAY_LABEL)) == Some(&label)
    };
    world.pods_of(&gateway.namespace).filter(labelled)
}

/// The objects of a Gateway; `None` where it is not accepted: what is there stays as it is.
pub fn plan(gateway: &Gateway, compiled: &Compilation, setup: &Setup) -> Option<Infrastructure> {
    let parameters = compiled.parameters.as_ref()?;
    let meta = Meta::new(gateway)?;
    let budget = (parameters.replicas > 1).then(|| PodDisruptionBudget {
        metadata: meta.object(),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(meta.selector()),
            // One that does not work protects nobody.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    });
    Some(Infrastructure {
        service_account: ServiceAccount {
            metadata: meta.object(),
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        },
        service: service::service(&meta, compiled, parameters, setup),
        deployment: deployment::deployment(&meta, parameters, setup),
        disruption_budget: budget,
    })
}

/// The keys of `spec.infrastructure.labels` and `annotations` that are ours to set; the error names one that is written.
pub(super) fn metadata(gateway: &Gateway) -> Result<(), String> {
    let Some(infrastructure) = &gateway.spec.infrastructure else { return Ok(()) };
    for (field, map) in [("labels", &infrastructure.labels), ("annotations", &infrastructure.annotations)] {
        let mut keys = map.iter().flatten().map(|(key, _)| key);
        if let Some(key) = keys.find(|key| names::RESERVED.iter().any(|prefix| key.starts_with(prefix))) {
            let allowed = names::RESERVED.join(" and ");
            return Err(format!("spec.infrastructure.{field}: {key} is reserved; allowed: keys outside {allowed}"));
        }
    }
    Ok(())
}

/// What all objects of a Gateway have in their metadata.
struct Meta {
    metadata: ObjectMeta,
    chosen: BTreeMap<String, String>,
}

impl Meta {
    /// `None` for a Gateway without a name or uid, which no API server has.
    fn new(gateway: &Gateway) -> Option<Self> {
        let name = gateway.metadata.name.as_deref()?;
        let infrastructure = gateway.spec.infrastructure.as_ref();
        let chosen = names::selector(name);
        let mut labels = infrastructure.and_then(|i| i.labels.clone()).unwrap_or_default();
        labels.extend(chosen.clone());
        let metadata = ObjectMeta {
            name: Some(object_name(name)),
            namespace: gateway.metadata.namespace.clone(),
            labels: Some(labels),
            annotations: infrastructure.and_then(|i| i.annotations.clone()).filter(|map| !map.is_empty()),
            owner_references: Some(vec![gateway.controller_owner_ref(&())?]),
            ..ObjectMeta::default()
        };
        Some(Self { metadata, chosen })
    }

    fn object(&self) -> ObjectMeta {
        self.metadata.clone()
    }

    fn name(&self) -> Option<String> {
        self.metadata.name.clone()
    }

    /// The same for a pod, which its Deployment names and owns.
    fn pod(&self) -> ObjectMeta {
        let ObjectMeta { labels, annotations, .. } = self.metadata.clone();
        ObjectMeta { labels, annotations, ..ObjectMeta::default() }
    }

    fn selector(&self) -> LabelSelector {
        LabelSelector { match_labels: Some(self.chosen.clone()), match_expressions: None }
    }
}
