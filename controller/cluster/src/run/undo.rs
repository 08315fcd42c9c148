//! Sets a Deployment back to the template of an earlier revision, as `kubectl rollout undo` does.

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;

use crate::lead::Undo;
use crate::lead::infrastructure::FIELD_MANAGER;
use crate::versions::TEMPLATE_HASH;

/// Sets a Deployment back; says whether it was. It is not where it has changed since: then it asks for something else. `leads`
/// is asked once it has been read: whoever leads by then may have set it back, and somebody may have applied it again.
pub(super) async fn carry_out(
    client: &Client,
    undo: &Undo,
    leads: impl AsyncFnOnce() -> Result<bool, kube::Error>,
) -> Result<bool, kube::Error> {
    let namespace = &undo.deployment.namespace;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let sets: Api<ReplicaSet> = Api::namespaced(client.clone(), namespace);
    // As they are now: what is kept of them in memory has no templates.
    let there = deployments.get(&undo.deployment.name).await?;
    let (from, to) = (sets.get(&undo.from.name).await?, sets.get(&undo.to.name).await?);
    let asked = there.spec.as_ref().map(|spec| &spec.template);
    let (Some(from), Some(to)) = (template(from), template(to)) else { return Ok(false) };
    if asked != Some(&from) || !leads().await? {
        return Ok(false);
    }
    let patch = json!([
        {"op": "replace", "path": "/metadata/resourceVersion", "value": there.metadata.resource_version},
        {"op": "replace", "path": "/spec/template", "value": to},
    ]);
    let patch = serde_json::from_value(patch).map_err(kube::Error::SerdeError)?;
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    deployments.patch(&undo.deployment.name, &params, &Patch::<()>::Json(patch)).await.map(|_| true)
}

/// The template of a revision, as a Deployment has it.
fn template(set: ReplicaSet) -> Option<PodTemplateSpec> {
    let mut template = set.spec?.template?;
    if let Some(labels) = template.metadata.as_mut().and_then(|metadata| metadata.labels.as_mut()) {
        labels.remove(TEMPLATE_HASH);
    }
    Some(template)
}
