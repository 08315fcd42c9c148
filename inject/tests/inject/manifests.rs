//! Texts of YAML documents.

use serde_json::Value;
use tidegate_inject::{Service, manifests};

use super::setting::{KUBERNETES, options, yaml};

const TEXT: &str = "\
# The shop.
apiVersion: v1
kind: Service
metadata: { name: shop }   # in its own style
spec: { selector: { app: shop }, ports: [{ port: 80, targetPort: http }] }
--- # how many
apiVersion: apps/v1
kind: Deployment
metadata: { name: shop }
spec:
  replicas: 3
  selector: { matchLabels: { app: shop } }
  template:
    metadata: { labels: { app: shop } }
    spec:
      containers: [{ name: shop, image: 'shop:1', ports: [{ name: http, containerPort: 8080 }] }]
---
apiVersion: v1
kind: ConfigMap
metadata: { name: shop }
data: { greeting: \"yes\" }
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: store }
spec: { template: { metadata: { labels: { app: store } }, spec: { containers: [] } } }
";

fn inject(text: &str) -> Result<manifests::Manifests, String> {
    manifests::inject(text, &[], KUBERNETES, &options()).map_err(|problems| problems.to_string())
}

#[test]
fn only_what_changes_is_written_anew() {
    let after = inject(TEXT).unwrap();
    let [before_parts, after_parts] =
        [TEXT, &after.text].map(|text| text.split("\n---").map(str::to_owned).collect::<Vec<_>>());
    assert_eq!(after_parts.len(), 4, "{}", after.text);
    for unchanged in [0, 2, 3] {
        assert_eq!(before_parts[unchanged].trim_end(), after_parts[unchanged].trim_end());
    }
    let deployment = yaml(&after_parts[1]);
    assert_eq!(deployment["spec"]["replicas"], 3);
    assert_eq!(deployment["spec"]["template"]["spec"]["initContainers"][0]["name"], "tidegate-proxy");
    assert_eq!(deployment["spec"]["template"]["metadata"]["annotations"]["tidegate.dev/ca"], options().ca);
    let told: Vec<_> = after.workloads.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "document 2, Deployment shop has the sidecar",
            "document 4, StatefulSet store is left as it is: not wanted, or no Service here selects it"
        ]
    );
    // What comes out goes in again, and stays.
    assert_eq!(inject(&after.text).unwrap().text, after.text);
}

#[test]
fn items_of_a_list_and_other_namespaces_are_told_apart() {
    let deployment = |namespace: &str| {
        format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: shop, namespace: {namespace}}}, spec: {{template: \
             {{metadata: {{labels: {{app: shop}}}}, spec: {{containers: [{{name: c, ports: [{{name: http, containerPort: 80}}]}}]}}}}}}}}"
        )
    };
    let service = "{apiVersion: v1, kind: Service, metadata: {name: shop, namespace: a}, spec: {selector: {app: shop}, \
                   ports: [{port: 80, targetPort: http}]}}";
    let text = format!("{{apiVersion: v1, kind: List, items: [{service}, {}, {}]}}", deployment("a"), deployment("b"));
    let after = inject(&text).unwrap();
    let told: Vec<_> = after.workloads.iter().map(|one| (one.workload.as_str(), one.injected)).collect();
    assert_eq!(
        told,
        [("document 1, items[1], Deployment shop", true), ("document 1, items[2], Deployment shop", false)]
    );
    let list: Value = yaml(&after.text);
    assert!(list["items"][1]["spec"]["template"]["spec"]["initContainers"].is_array());
    assert!(list["items"][2]["spec"]["template"]["spec"]["initContainers"].is_null());
}

#[test]
fn a_service_may_be_given_by_its_port() {
    let alone = TEXT.split("\n---").nth(1).unwrap();
    assert!(!inject(alone).unwrap().workloads[0].injected);
    let services = [Service::of_ports(["http"])];
    let after = manifests::inject(alone, &services, KUBERNETES, &options()).unwrap();
    assert!(after.workloads[0].injected, "{}", after.text);
    let services = [Service::of_ports(["web"])];
    let problems = manifests::inject(alone, &services, KUBERNETES, &options()).unwrap_err().to_string();
    assert_eq!(
        problems,
        "document 1, Deployment shop: --service-port: spec.ports[0].targetPort: no container has a TCP port \"web\"; \
         allowed: one of the pod's: http"
    );
}

#[test]
fn pods_and_all_workloads_have_their_template_found() {
    let template =
        "metadata: {labels: {app: shop}}, spec: {containers: [{name: c, ports: [{name: http, containerPort: 80}]}]}";
    for (version, kind, spec) in [
        ("apps/v1", "Deployment", format!("spec: {{template: {{{template}}}}}")),
        ("apps/v1", "StatefulSet", format!("spec: {{template: {{{template}}}}}")),
        ("apps/v1", "DaemonSet", format!("spec: {{template: {{{template}}}}}")),
        ("apps/v1", "ReplicaSet", format!("spec: {{template: {{{template}}}}}")),
        ("batch/v1", "Job", format!("spec: {{template: {{{template}}}}}")),
        ("batch/v1", "CronJob", format!("spec: {{jobTemplate: {{spec: {{template: {{{template}}}}}}}}}")),
        ("v1", "Pod", template.to_owned()),
    ] {
        let services = [Service::of_ports(["http"])];
        let text = format!("{{apiVersion: {version}, kind: {kind}, {spec}}}\n");
        let after = manifests::inject(&text, &services, KUBERNETES, &options()).unwrap();
        assert!(after.workloads.len() == 1 && after.workloads[0].injected, "{kind}");
        let other = text.replace(version, "example.dev/v1");
        let after = manifests::inject(&other, &services, KUBERNETES, &options()).unwrap();
        assert!(after.workloads.is_empty() && after.text == other, "{kind} of another group");
    }
}

#[test]
fn every_mistake_has_its_document_and_field() {
    let rows = [
        (
            "ports: [{ name: http",
            "ports: [{ name: web",
            "document 2, Deployment shop: Service shop: spec.ports[0].targetPort: no container has a TCP port \"http\"; allowed: one of the pod's: web",
        ),
        (
            "    spec:\n      containers",
            "    spec:\n      hostNetwork: true\n      containers",
            "document 2, Deployment shop: spec.template.spec.hostNetwork: true; allowed: false: on the node's own network a port is everybody's",
        ),
        (
            "  template:\n    metadata",
            "  templates:\n    metadata",
            "document 2, Deployment shop: spec.template: is missing; allowed: a template of pods",
        ),
        (
            "ports: [{ port: 80",
            "ports: [{ port: many",
            "document 1, Service shop: spec.ports[0].port: the text \"many\"; allowed: a whole number from 0 to 65535",
        ),
        ("replicas: 3", "replicas: 3\n  replicas: 4", "document 2: "),
        (
            "{ labels: { app: shop } }",
            "{ labels: { app: shop }, annotations: { tidegate.dev/inject: 'True' } }",
            "document 2, Deployment shop: spec.template.metadata.annotations[tidegate.dev/inject]: \"True\"; allowed: \"true\" or \"false\"",
        ),
    ];
    for (from, to, problem) in rows {
        assert_eq!(TEXT.matches(from).count(), 1, "{from}");
        let problems = inject(&TEXT.replace(from, to)).unwrap_err();
        assert!(problems.starts_with(problem) && problems.lines().count() == 1, "{from} -> {to}: {problems}");
    }
    let problems = inject(&TEXT.replace("replicas: 3", "replicas: 3\n  replicas: 4")).unwrap_err();
    assert!(problems.contains("line 12"), "{problems}");
}
