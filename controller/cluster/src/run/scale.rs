//! Sets the replicas of a workload, as `kubectl scale` does.

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::lead::Scale;
use crate::lead::infrastructure::FIELD_MANAGER;

/// Scales a workload; says whether it was: what somebody has scaled up is left as it is. `leads` is asked once the scale has
/// been read: whoever leads by then may have done it, and somebody may have scaled it up again.
pub(super) async fn carry_out(
    client: &Client,
    wanted: &Scale,
    leads: impl AsyncFnOnce() -> Result<bool, kube::Error>,
) -> Result<bool, kube::Error> {
    match wanted.kind.as_str() {
        "Deployment" => scale::<Deployment>(client, wanted, leads).await,
        _ => scale::<StatefulSet>(client, wanted, leads).await,
    }
}

async fn scale<K>(
    client: &Client,
    wanted: &Scale,
    leads: impl AsyncFnOnce() -> Result<bool, kube::Error>,
) -> Result<bool, kube::Error>
where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), &wanted.workload.namespace);
    let there = api.get_scale(&wanted.workload.name).await?;
    let has = there.spec.and_then(|spec| spec.replicas).unwrap_or_default();
    let is_done = has == wanted.replicas || has > 0 && wanted.replicas > 0;
    if is_done || !leads().await? {
        return Ok(false);
    }
    let version = there.metadata.resource_version;
    let patch = json!({"metadata": {"resourceVersion": version}, "spec": {"replicas": wanted.replicas}});
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    api.patch_scale(&wanted.workload.name, &params, &Patch::Merge(patch)).await.map(|_| true)
}
