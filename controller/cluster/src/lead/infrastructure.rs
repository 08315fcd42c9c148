//! Keeps the objects of Gateways as they should be: by server-side apply, so that what others have set in them stays, and
//! with their Gateway as owner, so that they go with it.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams};
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::gateway::infrastructure::Infrastructure;
use crate::world::{Key, World};

/// Who we are where fields of objects are owned.
pub const FIELD_MANAGER: &str = "tidegate-controller";

/// What was applied.
#[derive(Debug, Default)]
pub struct Applied(BTreeMap<Key, u64>);

impl Applied {
    /// Brings the objects of a Gateway to what they should be, if they were not brought there yet or are gone.
    pub async fn bring(
        &mut self,
        client: &Client,
        world: &World,
        gateway: &Key,
        wanted: &Infrastructure,
        authority: &ConfigMap,
    ) -> Result<(), kube::Error> {
        let Infrastructure { service_account, service, deployment, disruption_budget } = wanted;
        let print = print(&(service_account, service, deployment, disruption_budget, authority));
        let name = service.metadata.name.clone().unwrap_or_default();
        let object = Key::new(gateway.namespace.clone(), name.clone());
        let there = world.services.contains_key(&object) && world.deployments.contains_key(&object);
        if there && self.0.get(gateway) == Some(&print) {
            return Ok(());
        }
        apply(client, &gateway.namespace, authority).await?;
        apply(client, &gateway.namespace, service_account).await?;
        apply(client, &gateway.namespace, service).await?;
        apply(client, &gateway.namespace, deployment).await?;
        if let Some(budget) = disruption_budget {
            apply(client, &gateway.namespace, budget).await?;
        } else {
            let budgets: Api<PodDisruptionBudget> = Api::namespaced(client.clone(), &gateway.namespace);
            absent(budgets.delete(&name, &DeleteParams::default()).await.map(drop))?;
        }
        self.0.insert(gateway.clone(), print);
        Ok(())
    }

    /// Forgets Gateways that are gone: their objects go with them.
    pub fn keep(&mut self, is_there: impl Fn(&Key) -> bool) {
        self.0.retain(|gateway, _| is_there(gateway));
    }
}

/// The controller's authority as proxies in a namespace read it.
pub fn authority(name: &str, namespace: &str, bundle: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.to_owned()),
            labels: Some(BTreeMap::from([("app.kubernetes.io/managed-by".to_owned(), "tidegate".to_owned())])),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([("ca.crt".to_owned(), bundle.to_owned())])),
        ..ConfigMap::default()
    }
}

async fn apply<K>(client: &Client, namespace: &str, object: &K) -> Result<(), kube::Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let name = object.meta().name.clone().unwrap_or_default();
    // What we own is ours: a field that somebody else has set in it is set back.
    let params = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(&name, &params, &Patch::Apply(object)).await.map(drop)
}

/// What is gone need not be deleted.
fn absent(result: Result<(), kube::Error>) -> Result<(), kube::Error> {
    match result {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other,
    }
}

fn print(objects: &(&ServiceAccount, &Service, &Deployment, &Option<PodDisruptionBudget>, &ConfigMap)) -> u64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(objects).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}
