//! Every reason for which a pod stays as it is, with its place and what would be allowed.

use std::collections::BTreeMap;

use tidegate_inject::{KubernetesVersion, Namespace, Service, inject};

use super::setting::{KUBERNETES, POD, SERVICE, injected, namespace, options, reasons, yaml};

/// What of the pod or the Service is replaced by what, and the one problem that follows.
type Row = (&'static str, &'static str, &'static str);

const OF_THE_SERVICE: [Row; 11] = [
    (
        "targetPort: http",
        "targetPort: 8080",
        "Service shop: spec.ports[0].targetPort: 8080 is a number; allowed: the name of a port of the pod: a sidecar can take over a name, not a number",
    ),
    (
        ", targetPort: http",
        "",
        "Service shop: spec.ports[0].targetPort: is not given, which means 80; allowed: the name of a port of the pod: a sidecar can take over a name, not a number",
    ),
    (
        "targetPort: http",
        "targetPort: web",
        "Service shop: spec.ports[0].targetPort: no container has a TCP port \"web\"; allowed: one of the pod's: http",
    ),
    (
        "clusterIP: 10.0.0.1",
        "clusterIP: None",
        "Service shop: spec.clusterIP: None; allowed: a cluster IP: pods of a headless Service are called by their addresses, past the sidecar",
    ),
    ("port: 80", "port: 80, protocol: UDP", "Service shop: spec.ports[0].protocol: UDP is not HTTP; allowed: TCP"),
    (
        "port: 80",
        "port: 80, appProtocol: https",
        "Service shop: spec.ports[0].appProtocol: \"https\" is not HTTP/1.1 in the clear; allowed: http, kubernetes.io/ws, or none: then it is taken for HTTP/1.1",
    ),
    (
        "port: 80",
        "port: 80, appProtocol: kubernetes.io/h2c",
        "Service shop: spec.ports[0].appProtocol: \"kubernetes.io/h2c\" is not HTTP/1.1 in the clear; allowed: http, kubernetes.io/ws, or none: then it is taken for HTTP/1.1",
    ),
    (
        "port: 80",
        "port: 443, name: https",
        "Service shop: spec.ports[0].name: \"https\" is the name of a port with TLS, which the sidecar cannot read; allowed: another name, or appProtocol: http if there is no TLS",
    ),
    (
        "[{ port: 80, targetPort: http }]",
        "[]",
        "Service shop: spec.ports: is empty; allowed: the ports to be taken over",
    ),
    (
        "selector: { app: shop }",
        "selector: { app: other }",
        "metadata.labels: no Service of the namespace selects them; allowed: a Service that does, there before the pod: its ports are taken over",
    ),
    (
        "selector: { app: shop }",
        "type: ExternalName\n  selector: { app: shop }",
        "metadata.labels: no Service of the namespace selects them; allowed: a Service that does, there before the pod: its ports are taken over",
    ),
];

const OF_THE_POD: [Row; 18] = [
    (
        "spec:",
        "spec:\n  hostNetwork: true",
        "spec.hostNetwork: true; allowed: false: on the node's own network a port is everybody's",
    ),
    ("spec:", "spec:\n  os: { name: windows }", "spec.os.name: windows; allowed: linux"),
    (
        "spec:",
        "spec:\n  nodeSelector: { kubernetes.io/os: windows }",
        "spec.nodeSelector[kubernetes.io/os]: windows; allowed: linux",
    ),
    (
        "spec:",
        "spec:\n  initContainers: [{ name: tidegate-proxy }]",
        "spec.initContainers[0].name: tidegate-proxy is the sidecar's; allowed: another name",
    ),
    (
        "spec:",
        "spec:\n  volumes: [{ name: data }, { name: tidegate-state }]",
        "spec.volumes[1].name: tidegate-state is the sidecar's; allowed: another name",
    ),
    ("'true'", "'yes'", "metadata.annotations[tidegate.dev/inject]: \"yes\"; allowed: \"true\" or \"false\""),
    (
        "annotations: {",
        "labels: {",
        "metadata.labels[tidegate.dev/inject]: \"true\" is not looked at here; allowed: a pod says it with an annotation of this name",
    ),
    (
        "'true' }",
        "'true', tidegate.dev/application-address: 10.0.0.1 }",
        "metadata.annotations[tidegate.dev/application-address]: \"10.0.0.1\"; allowed: \"loopback\" (the default) or \"pod\"",
    ),
    (
        "'true' }",
        "'true', linkerd.io/inject: enabled }",
        "metadata.annotations[linkerd.io/inject]: \"enabled\" is another mesh's; allowed: a pod in no other mesh: only one proxy can take its inbound traffic",
    ),
    (
        "app: shop }",
        "app: shop, sidecar.istio.io/inject: 'true' }",
        "metadata.labels[sidecar.istio.io/inject]: \"true\" is another mesh's; allowed: a pod in no other mesh: only one proxy can take its inbound traffic",
    ),
    (
        "spec:",
        "spec:\n  initContainers: [{ name: istio-proxy }]",
        "spec.initContainers[0].name: istio-proxy is another mesh's; allowed: a pod in no other mesh: only one proxy can take its inbound traffic",
    ),
    (
        "[{ name: http",
        "[{ name: http-app, containerPort: 1 }, { name: http",
        "spec.containers[0].ports[0].name: \"http-app\" is what port \"http\" would be called; allowed: another name",
    ),
    (
        "containerPort: 8080",
        "containerPort: 15090",
        "spec.containers[0].ports[0].containerPort: 15090 is the sidecar's, for its metrics; allowed: another port",
    ),
    (
        "containerPort: 8080 }]",
        "containerPort: 8080 }]\n      livenessProbe: { httpGet: { port: http, scheme: HTTPS } }",
        "Service shop: spec.ports[0].targetPort: \"http\" is asked by a probe of container shop with scheme HTTPS; allowed: a port without TLS, which the sidecar cannot read",
    ),
    (
        "containerPort: 8080",
        "containerPort: 8080, protocol: UDP",
        "Service shop: spec.ports[0].targetPort: no container has a TCP port \"http\"; allowed: one of the pod's: http",
    ),
    (
        "containerPort: 8080",
        "containerPort: eighty",
        "spec.containers[0].ports[0].containerPort: the text \"eighty\"; allowed: a whole number from 0 to 65535",
    ),
    ("containers:", "initContainers:", "spec.containers: missing; allowed: this field must be given"),
    (
        "name: http,",
        "name: HTTP,",
        "Service shop: spec.ports[0].targetPort: no container has a TCP port \"http\"; allowed: one of the pod's: HTTP",
    ),
];

#[test]
fn each_reason_is_told_with_its_place() {
    for (from, to, problem) in OF_THE_SERVICE {
        assert_eq!(SERVICE.matches(from).count(), 1, "{from}");
        let problems = reasons(injected(&yaml(POD), &[yaml(&SERVICE.replace(from, to))]));
        assert_eq!(problems.to_string(), problem, "{from} -> {to}");
    }
    for (from, to, problem) in OF_THE_POD {
        assert_eq!(POD.matches(from).count(), 1, "{from}");
        // A second `labels:` would be a mistake of another kind.
        let pod = if to == "labels: {" { POD.replace("  labels: { app: shop }\n", "") } else { POD.to_owned() };
        let problems = reasons(injected(&yaml(&pod.replace(from, to)), &[yaml(SERVICE)]));
        assert_eq!(problems.to_string(), problem, "{from} -> {to}");
    }
}

#[test]
fn all_reasons_are_told_at_once() {
    let pod = POD.replace("spec:", "spec:\n  hostNetwork: true");
    let other = SERVICE.replace("name: shop", "name: other").replace("10.0.0.1", "None");
    let problems = reasons(injected(&yaml(&pod), &[yaml(&SERVICE.replace(": http }", ": 8080 }")), yaml(&other)]));
    assert_eq!(problems.len(), 3, "{problems}");
}

#[test]
fn a_name_must_leave_room() {
    let long = "twelve-chars";
    let (pod, service) = (
        POD.replace("name: http", &format!("name: {long}")),
        SERVICE.replace("targetPort: http", &format!("targetPort: {long}")),
    );
    let problems = reasons(injected(&yaml(&pod), &[yaml(&service)])).to_string();
    assert_eq!(
        problems,
        "spec.containers[0].ports[0].name: \"twelve-chars\" would become \"twelve-chars-app\", of more than 15 characters; \
         allowed: at most 11 characters"
    );
    assert!(injected(&yaml(&pod.replace(long, "just-eleven")), &[yaml(&service.replace(long, "just-eleven"))]).is_ok());
}

#[test]
fn an_old_cluster_would_not_find_the_sidecar() {
    let services = [Service::read(&yaml(SERVICE)).unwrap()];
    let with =
        |minor| inject(&yaml(POD), &Namespace::default(), &services, KubernetesVersion::new(1, minor), &options());
    assert!(with(33).is_ok());
    assert_eq!(
        reasons(with(32)).to_string(),
        "the cluster's version: 1.32; allowed: 1.33 or newer: before, Services do not find ports of sidecars"
    );
}

#[test]
fn a_namespace_in_another_mesh_is_told_unless_the_pod_is_out_of_it() {
    let services = [Service::read(&yaml(SERVICE)).unwrap()];
    let with = |pod: &str, namespace: &Namespace| inject(&yaml(pod), namespace, &services, KUBERNETES, &options());
    let istio = namespace("{ istio-injection: enabled }");
    let problems = reasons(with(POD, &istio)).to_string();
    assert!(problems.starts_with("the namespace's metadata.labels[istio-injection]: \"enabled\""), "{problems}");
    assert!(with(&POD.replace("app: shop }", "app: shop, sidecar.istio.io/inject: 'false' }"), &istio).is_ok());
    assert!(with(POD, &namespace("{ istio-injection: disabled }")).is_ok());
    let silent = POD.replace("annotations: { tidegate.dev/inject: 'true' }", "");
    let annotations = BTreeMap::from([("tidegate.dev/inject".to_owned(), "true".to_owned())]);
    let problems = reasons(with(&silent, &Namespace { annotations, ..Namespace::default() })).to_string();
    assert!(problems.contains("a namespace says it with a label"), "{problems}");
    let wrong = reasons(with(&silent, &namespace("{ tidegate.dev/inject: enabled }"))).to_string();
    assert_eq!(
        wrong,
        "the namespace's metadata.labels[tidegate.dev/inject]: \"enabled\"; allowed: \"true\" or \"false\""
    );
}
