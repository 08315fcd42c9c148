//! What the chart installs is what the controller expects: it may change its webhook's configuration and not make it.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::Value;
use tidegate_cluster::webhook::{Place, configuration};

/// The objects of a kind in `deploy/install.yaml`.
fn installed(kind: &str) -> Vec<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/install.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let objects = text.split("\n---\n").filter(|text| text.contains("\nkind: "));
    let objects: Vec<Value> = objects.map(|text| serde_saphyr::from_str(text).unwrap()).collect();
    assert!(objects.len() >= 15, "saw {} objects", objects.len());
    objects.into_iter().filter(|object| object["kind"] == kind).collect()
}

#[test]
fn the_webhook_is_installed_as_the_controller_has_it() {
    let place = Place {
        namespace: "tidegate-system".to_owned(),
        service: "tidegate-webhook".to_owned(),
        port: 443,
        ca: Vec::new(),
    };
    let mut ours = serde_json::to_value(configuration(&place)).unwrap();
    for webhook in ours["webhooks"].as_array_mut().unwrap() {
        // What the controller itself fills in.
        webhook["clientConfig"].as_object_mut().unwrap().remove("caBundle");
    }
    let installed = installed("MutatingWebhookConfiguration");
    assert_eq!(installed.len(), 1);
    assert_eq!(installed[0]["webhooks"], ours["webhooks"]);
    assert_eq!(installed[0]["metadata"]["name"], ours["metadata"]["name"]);
}

#[test]
fn the_class_is_installed_that_the_controller_serves() {
    let classes = installed("GatewayClass");
    assert_eq!(classes.len(), 1);
    assert_eq!(classes[0]["spec"]["controllerName"], tidegate_cluster::gateway::CONTROLLER_NAME);
}

#[test]
fn the_health_check_for_argo_cd_knows_every_phase() {
    let definition = &installed("CustomResourceDefinition")[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let phases = &definition["properties"]["status"]["properties"]["phase"]["enum"];
    let phases: Vec<&str> = phases.as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(phases.len() >= 7, "saw {phases:?}");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/argocd/argocd-cm.yaml");
    let check = std::fs::read_to_string(path).unwrap();
    for phase in phases {
        assert!(check.contains(&format!("phase == \"{phase}\"")), "{phase}");
    }
}
