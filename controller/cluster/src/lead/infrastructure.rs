//! Keeps the objects of Gateways as they should be: by server-side apply, so that what others have set in them stays, and
//! with their Gateway as owner, so that they go with it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, Preconditions};
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
    ///
    /// What was decided is compared with objects as they were before `leads` says yes once more: a leader that froze
    /// meanwhile is refused by the API server (409), as what it found has changed.
    pub async fn bring(
        &mut self,
        client: &Client,
        world: &World,
        gateway: &Key,
        wanted: &Infrastructure,
        authority: &ConfigMap,
        leads: impl AsyncFnOnce() -> Result<bool, kube::Error>,
    ) -> Result<(), kube::Error> {
        let Infrastructure { service_account, service, deployment, disruption_budget } = wanted;
        let print = print(&(service_account, service, deployment, disruption_budget, authority));
        let name = service.metadata.name.clone().unwrap_or_default();
        let object = Key::new(gateway.namespace.clone(), name.clone());
        let there = world.services.contains_key(&object) && world.deployments.contains_key(&object);
        if there && self.0.get(gateway) == Some(&print) {
            return Ok(());
        }
        let authority_seen = seen(client, authority).await?;
        let account_seen = seen(client, service_account).await?;
        let service_seen = seen(client, service).await?;
        let deployment_seen = seen(client, deployment).await?;
        let budgets: Api<PodDisruptionBudget> = Api::namespaced(client.clone(), &gateway.namespace);
        let budget_seen = budgets.get_metadata_opt(&name).await?.map(|it| it.metadata);
        if !leads().await? {
            return Ok(());
        }
        apply(client, authority, authority_seen).await?;
        apply(client, service_account, account_seen).await?;
        apply(client, service, service_seen).await?;
        apply(client, deployment, deployment_seen).await?;
        match (disruption_budget, budget_seen) {
            (Some(budget), seen) => apply(client, budget, seen.and_then(|it| it.resource_version)).await?,
            (None, Some(seen)) => {
                let preconditions = Preconditions { uid: seen.uid, resource_version: seen.resource_version };
                let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
                absent(budgets.delete(&name, &params).await.map(drop))?;
            }
            (None, None) => {}
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

/// The version of an object that is there.
async fn seen<K: Applicable>(client: &Client, wanted: &K) -> Result<Option<String>, kube::Error> {
    let there = api(client, wanted).get_metadata_opt(&name(wanted)).await?;
    Ok(there.and_then(|there| there.metadata.resource_version))
}

/// Applies an object over what was seen of it: where that has changed, it is refused. One that was not there is made.
async fn apply<K: Applicable>(client: &Client, wanted: &K, seen: Option<String>) -> Result<(), kube::Error> {
    let mut object = wanted.clone();
    object.meta_mut().resource_version = seen;
    // What we own is ours: a field that somebody else has set in it is set back.
    let params = PatchParams::apply(FIELD_MANAGER).force();
    api(client, wanted).patch(&name(wanted), &params, &Patch::Apply(&object)).await.map(drop)
}

/// Objects that are applied.
trait Applicable:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned
{
}

impl<K> Applicable for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned
{
}

fn api<K: Applicable>(client: &Client, object: &K) -> Api<K> {
    Api::namespaced(client.clone(), object.meta().namespace.as_deref().unwrap_or_default())
}

fn name<K: Applicable>(object: &K) -> String {
    object.meta().name.clone().unwrap_or_default()
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
