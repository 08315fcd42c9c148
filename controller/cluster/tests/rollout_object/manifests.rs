//! Manifests as users write them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tidegate_cluster::rollout_object::{Before, Rollout, RolloutSpec};
use tidegate_config::policy::{Policy, Strategy};
use tidegate_config::{Capacity, OnFailure};

/// The manifests in the documents are good: the annotations of Services, and Rollouts.
#[test]
fn manifests_in_the_documents_are_good() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/kubernetes.md");
    let document = fs::read_to_string(path).unwrap();
    let (mut services, mut rollouts) = (0, 0);
    for block in document.split("```yaml\n").skip(1) {
        let manifest: Value = serde_saphyr::from_str(block.split("```").next().unwrap()).unwrap();
        match manifest["kind"].as_str() {
            Some("Service") => {
                let annotations: BTreeMap<String, String> =
                    serde_json::from_value(manifest["metadata"]["annotations"].clone()).unwrap();
                let service = manifest["metadata"]["name"].as_str().unwrap().parse().unwrap();
                assert!(RolloutSpec::of_annotations(&service, &annotations).unwrap().is_some());
                services += 1;
            }
            Some("Rollout") => {
                let rollout: Rollout = serde_json::from_value(manifest).unwrap();
                assert_eq!(rollout.spec.check(), Ok(()));
                rollouts += 1;
            }
            other => panic!("a manifest of kind {other:?}"),
        }
    }
    assert!(services >= 1 && rollouts >= 1, "saw {services} Services and {rollouts} Rollouts");
}

fn rollout(spec: &str) -> Rollout {
    let text = format!("{{apiVersion: tidegate.dev/v1alpha1, kind: Rollout, metadata: {{name: shop}}, spec: {spec}}}");
    serde_saphyr::from_str(&text).unwrap()
}

#[test]
fn a_short_manifest_means_a_whole_rollout() {
    let spec = rollout("{service: shop, strategy: canary}").spec;
    assert_eq!((spec.service.as_str(), &spec.policy), ("shop", &Policy::of(Strategy::Canary)));
    assert_eq!(spec.check(), Ok(()));
}

#[test]
fn every_option_has_its_place() {
    let spec = rollout(
        "{service: shop, strategy: canary, steps: [10%, 50% approve, 100%], visitor: {by: address}, onFailure: undo,
          capacity: follow, versionLabel: app.example/version, gates: [{name: migrate, before: start, job: {template:
          {spec: {restartPolicy: Never, containers: [{name: a, image: b}]}}}}]}",
    )
    .spec;
    assert_eq!(spec.check(), Ok(()));
    assert_eq!((spec.options.on_failure, spec.options.capacity), (OnFailure::Undo, Capacity::Follow));
    assert_eq!((spec.policy.steps().len(), spec.gates[0].before), (3, Before::Start));
    assert_eq!(spec.gates[0].job.spec().unwrap().template.spec.unwrap().containers.len(), 1);
    // And goes back as it came.
    let again: RolloutSpec = serde_json::from_value(serde_json::to_value(&spec).unwrap()).unwrap();
    assert_eq!(again, spec);
}

#[test]
fn what_no_schema_can_say_is_told_by_its_path() {
    for (spec, place) in [
        ("deadline: 1m", "spec.deadline"),
        ("capacity: follow", "spec.capacity"),
        ("gates: [{name: a, job: {template: {spec: 1}}}]", "spec.gates[0].job.template.spec"),
        ("gates: [{name: a, job: {template: {}}}]", "spec.gates[0].job.template.spec.containers"),
        (
            "gates: [{name: a, job: {template: {spec: {restartPolicy: Always, containers: [{name: a}]}}}}]",
            "spec.gates[0].job.template.spec.restartPolicy",
        ),
        ("gates: [{name: a, job: {backoffLimit: many, template: {}}}]", "spec.gates[0].job.backoffLimit"),
    ] {
        let strategy = if spec.contains("follow") { "blueGreen" } else { "canary" };
        let problems = rollout(&format!("{{service: shop, strategy: {strategy}, {spec}}}")).spec.check().unwrap_err();
        assert!(problems.iter().any(|problem| problem.path == place), "{spec}: {problems}");
    }
}

#[test]
fn annotations_and_objects_say_the_same() {
    let annotations: BTreeMap<String, String> = [
        ("tidegate.dev/strategy", "canary"),
        ("tidegate.dev/steps", "10%, 100%"),
        ("tidegate.dev/on-failure", "undo"),
        ("tidegate.dev/visitor.by", "address"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let service = "shop".parse().unwrap();
    let spec = RolloutSpec::of_annotations(&service, &annotations).unwrap().unwrap();
    let written =
        rollout("{service: shop, strategy: canary, steps: [10%, 100%], onFailure: undo, visitor: {by: address}}");
    assert_eq!(spec, written.spec);
    assert_eq!(spec.annotations(), annotations);
    assert_eq!(RolloutSpec::of_annotations(&service, &BTreeMap::new()), Ok(None));
    let object = serde_json::to_value(&spec).unwrap();
    assert_eq!((&object["onFailure"], &object["steps"]), (&json!("undo"), &json!(["10%", "100%"])));
}
