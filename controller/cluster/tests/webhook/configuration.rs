//! What the API server is told to ask.

use serde_json::{Value, json};
use tidegate_cluster::webhook::{PATH, Place, configuration};

fn hooks() -> Vec<Value> {
    let place = Place {
        namespace: "tidegate-system".to_owned(),
        service: "tidegate-webhook".to_owned(),
        port: 443,
        ca: b"PEM".to_vec(),
    };
    let object = serde_json::to_value(configuration(&place)).unwrap();
    assert_eq!(object["kind"], "MutatingWebhookConfiguration");
    object["webhooks"].as_array().unwrap().clone()
}

#[test]
fn nobody_waits_long_and_nobody_is_refused() {
    for hook in hooks() {
        assert_eq!(hook["failurePolicy"], "Ignore");
        assert_eq!(hook["timeoutSeconds"], 2);
        assert_eq!(hook["reinvocationPolicy"], "IfNeeded");
        assert_eq!(hook["sideEffects"], "NoneOnDryRun");
        assert_eq!(hook["admissionReviewVersions"], json!(["v1"]));
        assert_eq!(hook["clientConfig"]["caBundle"], "UEVN");
        let service = json!({ "name": "tidegate-webhook", "namespace": "tidegate-system", "path": PATH, "port": 443 });
        assert_eq!(hook["clientConfig"]["service"], service);
        let rules = json!([{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "Namespaced",
        }]);
        assert_eq!(hook["rules"], rules);
        let own = json!({
            "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "tidegate-system"],
        });
        assert_eq!(hook["namespaceSelector"]["matchExpressions"][0], own);
        assert!(hook["name"].as_str().unwrap().split('.').count() >= 3, "fully qualified");
    }
}

#[test]
fn each_pod_is_asked_about_once_at_most() {
    let hooks = hooks();
    let [anywhere, labelled] = &hooks[..] else { panic!("{hooks:?}") };
    let condition = |hook: &Value| hook["matchConditions"][0]["expression"].as_str().unwrap().to_owned();
    assert_eq!(
        condition(anywhere),
        "(has(object.metadata.labels) && 'pod-template-hash' in object.metadata.labels) || \
         (has(object.metadata.labels) && 'controller-revision-hash' in object.metadata.labels) || \
         (has(object.metadata.annotations) && 'tidegate.dev/inject' in object.metadata.annotations)"
    );
    assert_eq!(condition(labelled), format!("!({})", condition(anywhere)));
    assert_eq!(anywhere["namespaceSelector"]["matchExpressions"].as_array().unwrap().len(), 1);
    let label = json!({ "key": "tidegate.dev/inject", "operator": "Exists" });
    assert_eq!(labelled["namespaceSelector"]["matchExpressions"][1], label);
}
