//! What becomes of a pod.

use std::sync::Arc;

use serde_json::{Value, json};
use tidegate_cluster::webhook::{Gate, MIGRATION, PROMOTED, Review, Standing, Why, review};
use tidegate_cluster::world::Key;
use tidegate_config::limits::{NOTICE_BYTES_MAX, WARNINGS_MAX};

use super::setting::{SERVICE, known, pod, question, request};

const NO_GATE: Gate = Gate::None(Why::Exempt(Standing::Stable));

/// The pod after a review, by the patch alone.
fn patched(pod: &Value, review: &Review) -> Value {
    let mut pod = pod.clone();
    json_patch::patch(&mut pod, &review.patch).unwrap();
    pod
}

#[test]
fn a_patch_adds_the_sidecar_and_the_gates() {
    let before = pod("new");
    let review_of = |pod: &Value, gate: &Gate| review(&request(question(pod)), &known(SERVICE), gate);
    let after = patched(&before, &review_of(&before, &Gate::Hold { before_start: true }));
    assert_eq!(after["spec"]["initContainers"][0]["name"], "tidegate-proxy");
    assert_eq!(after["spec"]["containers"][0]["ports"][0]["name"], "http-app");
    assert_eq!(after["spec"]["readinessGates"], json!([{ "conditionType": PROMOTED }]));
    assert_eq!(after["spec"]["schedulingGates"], json!([{ "name": MIGRATION }]));
    assert_eq!(after["spec"]["fieldOfTheFuture"], json!({ "a": 1 }));
    assert_eq!(after["metadata"]["ownerReferences"], before["metadata"]["ownerReferences"]);
    let again = review_of(&after, &Gate::Hold { before_start: true });
    assert_eq!(again, Review::default(), "asked again, nothing is to be done");
    let after = patched(&before, &review_of(&before, &Gate::Hold { before_start: false }));
    assert!(after["spec"]["readinessGates"].is_array() && after["spec"]["schedulingGates"].is_null());
    for gate in [NO_GATE, Gate::Unseen] {
        let after = patched(&before, &review_of(&before, &gate));
        assert!(after["spec"]["readinessGates"].is_null(), "{gate:?}");
    }
}

#[test]
fn gates_of_others_stay_and_a_node_is_no_contradiction() {
    let mut before = pod("new");
    before["spec"]["readinessGates"] = json!([{ "conditionType": "example.dev/ready" }]);
    before["spec"]["nodeName"] = "node-1".into();
    let review = review(&request(question(&before)), &known(SERVICE), &Gate::Hold { before_start: true });
    let after = patched(&before, &review);
    let both = json!([{ "conditionType": "example.dev/ready" }, { "conditionType": PROMOTED }]);
    assert_eq!(after["spec"]["readinessGates"], both);
    assert!(after["spec"]["schedulingGates"].is_null(), "the API server would refuse the pod");
}

#[test]
fn a_refused_sidecar_is_told_and_the_gate_is_set_all_the_same() {
    let service = SERVICE.replace("targetPort: http", "targetPort: 8080");
    let before = pod("new");
    let told = review(&request(question(&before)), &known(&service), &Gate::Hold { before_start: false });
    let after = patched(&before, &told);
    assert!(after["spec"]["readinessGates"].is_array() && after["spec"]["initContainers"].is_null());
    let reason = "Service shop: spec.ports[0].targetPort: 8080 is a number; allowed: the name of a port of the pod: a \
                  sidecar can take over a name, not a number";
    assert_eq!(told.warnings, [format!("tidegate: no sidecar: {reason}")]);
    let [notice] = &told.notices[..] else { panic!("{:?}", told.notices) };
    assert_eq!(notice.reason, "SidecarNotInjected");
    assert_eq!(notice.message, format!("A pod was created without the sidecar. {reason}"));
    let named = |pod: &Value| {
        let regarding = review(&request(question(pod)), &known(&service), &NO_GATE).notices.remove(0).regarding;
        (regarding.kind.unwrap(), regarding.name.unwrap(), regarding.uid.unwrap_or_default())
    };
    assert_eq!(named(&before), ("Deployment".to_owned(), "shop".to_owned(), "uid-shop".to_owned()));
    assert_eq!(named(&pod("old")), ("ReplicaSet".to_owned(), "shop-old".to_owned(), "uid-old".to_owned()));
    let mut trial = question(&before);
    trial["request"]["dryRun"] = true.into();
    let tried = review(&request(trial), &known(&service), &NO_GATE);
    assert!(tried.notices.is_empty() && tried.warnings.len() == 1, "nothing happened: {tried:?}");
}

#[test]
fn a_service_asks_for_the_sidecar_in_its_pods() {
    let mut silent = pod("old");
    silent["metadata"]["annotations"] = Value::Null;
    let mut refusing = pod("old");
    refusing["metadata"]["annotations"]["tidegate.dev/inject"] = "false".into();
    for (pod, asks, expected) in [
        (&silent, Some(("market", "shop")), true),
        (&silent, Some(("other", "shop")), false),
        (&silent, None, false),
        (&refusing, Some(("market", "shop")), false),
    ] {
        let mut known = known(SERVICE);
        known.asking = Arc::new(asks.map(|(namespace, name)| Key::new(namespace, name)).into_iter().collect());
        let after = patched(pod, &review(&request(question(pod)), &known, &NO_GATE));
        assert_eq!(after["spec"]["initContainers"].is_array(), expected, "{asks:?} {pod}");
    }
}

#[test]
fn what_is_told_has_an_end() {
    let ports: Vec<_> =
        (1..200).map(|port| format!("{{ port: {port}, targetPort: {port}, protocol: TCP, name: ü{port} }}")).collect();
    let service = SERVICE.replace("{ port: 80, targetPort: http, protocol: TCP }", &ports.join(", "));
    let told = review(&request(question(&pod("new"))), &known(&service), &NO_GATE);
    assert_eq!(told.warnings.len(), WARNINGS_MAX);
    let message = &told.notices[0].message;
    assert!(message.len() <= NOTICE_BYTES_MAX && message.ends_with('…'), "{message}");
}

#[test]
fn only_new_pods_are_changed() {
    let hold = Gate::Hold { before_start: false };
    for (field, value) in [
        ("operation", json!("UPDATE")),
        ("subResource", json!("status")),
        ("resource", json!({ "group": "", "version": "v1", "resource": "services" })),
        ("resource", json!({ "group": "metrics.k8s.io", "version": "v1", "resource": "pods" })),
        ("object", Value::Null),
    ] {
        let mut question = question(&pod("new"));
        question["request"][field] = value;
        assert_eq!(review(&request(question), &known(SERVICE), &hold), Review::default(), "{field}");
    }
    let mut plain = pod("old");
    plain["metadata"]["annotations"] = Value::Null;
    assert_eq!(review(&request(question(&plain)), &known(SERVICE), &NO_GATE), Review::default());
}
