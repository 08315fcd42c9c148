//! PURE. What the API server must be told to ask us: `MutatingWebhookConfiguration`.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations, ServiceReference,
    WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};
use tidegate_inject::INJECT;

use super::server::PATH;
use crate::versions::{REVISION_HASH, TEMPLATE_HASH};

/// The name of the configuration.
pub const NAME: &str = "tidegate";

/// Seconds that the creation of a pod may wait for us.
const TIMEOUT_SECONDS: i32 = 2;

/// Where the webhook is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The namespace that we live in. Its pods are never asked about: they are what answers.
    pub namespace: String,
    /// The Service of the webhook there.
    pub service: String,
    /// Its port.
    pub port: u16,
    /// The certificates (PEM) that sign the webhook's own. While they change: the old and the new ones.
    pub ca: Vec<u8>,
}

/// The configuration. It lets pods pass when nobody answers, and asks about two kinds of pods only: those of workloads that
/// have revisions, or with an annotation of ours, in any namespace; and all others in namespaces with our label.
pub fn configuration(place: &Place) -> MutatingWebhookConfiguration {
    let in_map = |name: &str, map: &str| format!("(has(object.metadata.{map}) && '{name}' in object.metadata.{map})");
    let concerned = [
        in_map(TEMPLATE_HASH, "labels"),
        // Of a `StatefulSet` or a `DaemonSet`.
        in_map(REVISION_HASH, "labels"),
        in_map(INJECT, "annotations"),
    ]
    .join(" || ");
    let others = format!("!({concerned})");
    let labelled = LabelSelectorRequirement { key: INJECT.to_owned(), operator: "Exists".to_owned(), values: None };
    MutatingWebhookConfiguration {
        metadata: ObjectMeta {
            name: Some(NAME.to_owned()),
            labels: Some(BTreeMap::from([("app.kubernetes.io/name".to_owned(), "tidegate".to_owned())])),
            ..ObjectMeta::default()
        },
        webhooks: Some(vec![
            webhook(place, "pods.tidegate.dev", &concerned, None),
            webhook(place, "namespaces.tidegate.dev", &others, Some(labelled)),
        ]),
    }
}

fn webhook(
    place: &Place,
    name: &str,
    condition: &str,
    namespaces: Option<LabelSelectorRequirement>,
) -> MutatingWebhook {
    let Place { namespace, service, port, ca } = place;
    let elsewhere = LabelSelectorRequirement {
        key: "kubernetes.io/metadata.name".to_owned(),
        operator: "NotIn".to_owned(),
        values: Some(vec!["kube-system".to_owned(), namespace.clone()]),
    };
    let only = |value: &str| Some(vec![value.to_owned()]);
    MutatingWebhook {
        name: name.to_owned(),
        admission_review_versions: vec!["v1".to_owned()],
        client_config: WebhookClientConfig {
            ca_bundle: Some(ByteString(ca.clone())),
            service: Some(ServiceReference {
                name: service.clone(),
                namespace: namespace.clone(),
                path: Some(PATH.to_owned()),
                port: Some(i32::from(*port)),
            }),
            url: None,
        },
        failure_policy: Some("Ignore".to_owned()),
        match_conditions: Some(vec![MatchCondition { name: "concerned".to_owned(), expression: condition.to_owned() }]),
        match_policy: Some("Equivalent".to_owned()),
        namespace_selector: Some(LabelSelector {
            match_expressions: Some([elsewhere].into_iter().chain(namespaces).collect()),
            match_labels: None,
        }),
        object_selector: None,
        // Others may change the pod after us; asked again, what is done already stays as it is.
        reinvocation_policy: Some("IfNeeded".to_owned()),
        rules: Some(vec![RuleWithOperations {
            api_groups: only(""),
            api_versions: only("v1"),
            operations: only("CREATE"),
            resources: only("pods"),
            scope: Some("Namespaced".to_owned()),
        }]),
        // Events, which are not written for what is only tried out.
        side_effects: "NoneOnDryRun".to_owned(),
        timeout_seconds: Some(TIMEOUT_SECONDS),
    }
}
