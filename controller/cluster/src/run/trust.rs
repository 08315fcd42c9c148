//! Tells the API server whom to trust when it asks the webhook: `caBundle` in the configuration that the installation made.
//! The leader does it; until then, and while it is wrong, no pod is asked about.

use std::time::Duration;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::lead::infrastructure::FIELD_MANAGER;
use crate::webhook::NAME;

/// How often the configuration is looked at: whoever installs anew may have taken out what we wrote.
const EVERY: Duration = Duration::from_mins(1);
/// How soon again after a failure.
const AGAIN: Duration = Duration::from_secs(2);

/// Keeps the configuration at what is trusted, while this replica leads.
pub(super) async fn introduce(client: Client, mut leads: watch::Receiver<bool>, mut trusted: watch::Receiver<String>) {
    let configurations: Api<MutatingWebhookConfiguration> = Api::all(client);
    let mut told = None;
    loop {
        let leading = *leads.borrow_and_update();
        let bundle = trusted.borrow_and_update().clone();
        let mut pause = EVERY;
        if leading {
            let failed = bring(&configurations, &bundle).await.err().map(|error| error.to_string());
            if let Some(error) = &failed {
                pause = AGAIN;
                if failed != told {
                    eprintln!("tidegate-controller: MutatingWebhookConfiguration {NAME}: {error}");
                }
            }
            told = failed;
        }
        tokio::select! {
            changed = leads.changed() => if changed.is_err() { return },
            changed = trusted.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(pause), if leading => {}
        }
    }
}

/// Writes the certificates where they are not written yet. An installation without the webhook has no configuration.
async fn bring(api: &Api<MutatingWebhookConfiguration>, bundle: &str) -> Result<(), kube::Error> {
    let Some(configuration) = api.get_opt(NAME).await? else { return Ok(()) };
    let Some(patch) = patch(&configuration, bundle) else { return Ok(()) };
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    api.patch(NAME, &params, &Patch::Strategic(patch)).await.map(drop)
}

/// What makes the webhooks of a configuration trust these certificates (PEM), each found by its name; `None` where all do.
/// The patch is for the configuration as it was read: in one that has changed since, other webhooks may be meant.
fn patch(configuration: &MutatingWebhookConfiguration, bundle: &str) -> Option<Value> {
    let bundle = ByteString(bundle.as_bytes().to_vec());
    let webhooks = configuration.webhooks.iter().flatten();
    let behind = webhooks.filter(|webhook| webhook.client_config.ca_bundle.as_ref() != Some(&bundle));
    let behind: Vec<Value> =
        behind.map(|webhook| json!({ "name": webhook.name, "clientConfig": { "caBundle": bundle } })).collect();
    let version = &configuration.metadata.resource_version;
    (!behind.is_empty()).then(|| json!({ "metadata": { "resourceVersion": version }, "webhooks": behind }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::{Place, configuration};

    #[test]
    fn only_what_differs_is_written() {
        let [namespace, service] = ["tidegate-system", "tidegate-webhook"].map(str::to_owned);
        let mut all = configuration(&Place { namespace, service, port: 443, ca: b"old".to_vec() });
        all.metadata.resource_version = Some("7".to_owned());
        assert_eq!(patch(&all, "old"), None);
        let patched = patch(&all, "new").unwrap();
        assert_eq!(patched["metadata"], json!({ "resourceVersion": "7" }));
        // Base64.
        let entry = |name: &str| json!({ "name": name, "clientConfig": { "caBundle": "bmV3" } });
        assert_eq!(patched["webhooks"], json!([entry("pods.tidegate.dev"), entry("namespaces.tidegate.dev")]));
        all.webhooks.as_mut().unwrap()[0].client_config.ca_bundle = Some(ByteString(b"new".to_vec()));
        assert_eq!(patch(&all, "new").unwrap()["webhooks"], json!([entry("namespaces.tidegate.dev")]));
        all.webhooks = None;
        assert_eq!(patch(&all, "new"), None);
    }
}
