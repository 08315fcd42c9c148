//! Manifests as users write them.

use std::collections::BTreeMap;

use serde_json::json;
use tidegate_cluster::rollout_object::{Before, Rollout, RolloutSpec};
use tidegate_config::policy::{Policy, Strategy};
use tidegate_config::{Capacity, OnFailure};

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
        ("gates: [{name: a, job: {template: {spec: 1}}}]", "spec.gates[0].job.template.spec"),
        ("gates: [{name: a, job: {template: {}}}]", "spec.gates[0].job.template.spec.containers"),
        (
            "gates: [{name: a, job: {template: {spec: {restartPolicy: Always, containers: [{name: a}]}}}}]",
            "spec.gates[0].job.template.spec.restartPolicy",
        ),
        ("gates: [{name: a, job: {backoffLimit: many, template: {}}}]", "spec.gates[0].job.backoffLimit"),
    ] {
        let problems = rollout(&format!("{{service: shop, strategy: canary, {spec}}}")).spec.check().unwrap_err();
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
