//! Takes the replicas of a workload away, as `kubectl scale` does.

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::lead::ScaleDown;
use crate::lead::infrastructure::FIELD_MANAGER;

/// Scales a workload down; says whether it was. `leads` is asked once the scale has been read: whoever leads by then may have
/// done it, and somebody may have scaled it up again.
pub(super) async fn carry_out(
    client: &Client,
    down: &ScaleDown,
    leads: impl AsyncFnOnce() -> Result<bool, kube::Error>,
) -> Result<bool, kube::Error> {
    match down.kind.as_str() {
        "Deployment" => scale::<Deployment>(client, down, leads).await,
        _ => scale::<StatefulSet>(client, down, leads).await,
    }
}

async fn scale<K>(
    client: &Client,
    down: &ScaleDown,
    leads: impl AsyncFnOnce() -> Result<bool, kube::Error>,
) -> Result<bool, kube::Error>
where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), &down.workload.namespace);
    let there = api.get_scale(&down.workload.name).await?;
    if there.spec.and_then(|spec| spec.replicas).unwrap_or_default() == 0 || !leads().await? {
        return Ok(false);
    }
    let patch = json!({"metadata": {"resourceVersion": there.metadata.resource_version}, "spec": {"replicas": 0}});
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    api.patch_scale(&down.workload.name, &params, &Patch::Merge(patch)).await.map(|_| true)
}
