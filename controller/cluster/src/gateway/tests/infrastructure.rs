//! What must exist for a Gateway.

use k8s_openapi::api::core::v1::{Container, PodSpec, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::manifests::world;
use super::report::{check, compiled, only};
use crate::gateway::infrastructure::{GATEWAY_LABEL, Infrastructure, Setup, plan};
use crate::gateway::{CONTROLLER_NAME, Installation, Parameters, ServiceType, compile};
use crate::world::Key;

const GATEWAY: &str = "
kind: Gateway
metadata: {name: web, namespace: infra, uid: 7-7}
spec: {gatewayClassName: tidegate, listeners: [
  {name: a, port: 80, protocol: HTTP, hostname: a.example}, {name: b, port: 80, protocol: HTTP},
  {name: c, port: 8080, protocol: HTTP}, {name: bad, port: 1111, protocol: INVALID}]}";

/// A Gateway that takes its parameters from these lines of a config map.
fn with(data: &str) -> String {
    GATEWAY.replace("spec: {", "spec: {infrastructure: {parametersRef: {group: '', kind: ConfigMap, name: p}}, ")
        + &format!("\n---\nkind: ConfigMap\nmetadata: {{name: p, namespace: infra}}\ndata: {{{data}}}")
}

fn setup() -> Setup {
    Setup {
        image: "example.com/tidegate-proxy:1".to_owned(),
        controller: "https://controller:9443".to_owned(),
        ca_config_map: "tidegate-ca".to_owned(),
        service_ranges: vec!["10.96.0.0/12".parse().unwrap()],
    }
}

fn planned(manifests: &str) -> Option<Infrastructure> {
    let world = world(manifests);
    let compiled = compiled(&world);
    plan(&world.gateways[&Key::new("infra", "web")], only(&compiled), &setup())
}

fn service(manifests: &str) -> ServiceSpec {
    planned(manifests).unwrap().service.spec.unwrap()
}

fn pod(manifests: &str) -> PodSpec {
    planned(manifests).unwrap().deployment.spec.unwrap().template.spec.unwrap()
}

fn env(container: &Container, name: &str) -> String {
    let mut env = container.env.iter().flatten();
    env.find(|variable| variable.name == name).and_then(|variable| variable.value.clone()).unwrap_or_default()
}

#[test]
fn everything_belongs_to_the_gateway_and_carries_its_labels() {
    let infrastructure = "infrastructure: {labels: {key2: value2}, annotations: {key1: value1}}, ";
    let made = planned(&GATEWAY.replace("spec: {", &format!("spec: {{{infrastructure}"))).unwrap();
    let Infrastructure { service_account, service, deployment, disruption_budget } = made;
    let template = deployment.spec.as_ref().unwrap().template.metadata.clone().unwrap();
    let budget = disruption_budget.unwrap();
    let owned = [&service_account.metadata, &service.metadata, &deployment.metadata, &budget.metadata];
    for metadata in owned {
        let reference = &metadata.owner_references.as_ref().unwrap()[0];
        assert_eq!(
            (reference.kind.as_str(), reference.name.as_str(), reference.uid.as_str()),
            ("Gateway", "web", "7-7")
        );
        assert_eq!(
            (reference.controller, reference.api_version.as_str()),
            (Some(true), "gateway.networking.k8s.io/v1")
        );
        assert_eq!(metadata.name.as_deref(), Some("tidegate-web"));
        assert_eq!(metadata.namespace.as_deref(), Some("infra"));
    }
    for metadata in owned.into_iter().chain([&template]) {
        let labels = metadata.labels.as_ref().unwrap();
        assert_eq!((&*labels["key2"], &*labels[GATEWAY_LABEL]), ("value2", "web"));
        assert_eq!(metadata.annotations.as_ref().unwrap()["key1"], "value1");
    }
    // A selector never changes, so nothing of the user's is in it.
    let selector = deployment.spec.unwrap().selector.match_labels.unwrap();
    assert!(!selector.contains_key("key2") && selector[GATEWAY_LABEL] == "web");
    assert_eq!(service.spec.unwrap().selector.unwrap(), selector);
}

#[test]
fn the_service_has_the_ports_of_accepted_listeners() {
    let spec = service(GATEWAY);
    let ports: Vec<_> = spec.ports.unwrap().into_iter().map(|port| (port.port, port.target_port.unwrap())).collect();
    assert_eq!(ports, [(80, IntOrString::Int(10_080)), (8080, IntOrString::Int(8080))]);
    assert_eq!(spec.type_.as_deref(), Some("LoadBalancer"));
    assert_eq!(spec.external_traffic_policy.as_deref(), Some("Local"));
    assert_eq!(service(&with("serviceType: NodePort")).external_traffic_policy.as_deref(), Some("Local"));
    assert_eq!(service(&with("serviceType: ClusterIP")).external_traffic_policy, None);
}

#[test]
fn addresses_that_are_asked_for() {
    for (kind, addresses, cluster, balancer) in [
        ("ClusterIP", "{value: 10.96.0.9}", Some("10.96.0.9"), None),
        ("ClusterIP", "{value: 192.0.2.1}, {value: 10.96.0.9}", Some("10.96.0.9"), None),
        ("LoadBalancer", "{value: 192.0.2.1}, {value: 10.96.0.9}", Some("10.96.0.9"), Some("192.0.2.1")),
        ("LoadBalancer", "{type: IPAddress}", None, None),
    ] {
        let manifests = with(&format!("serviceType: {kind}"))
            .replace("gatewayClassName:", &format!("addresses: [{addresses}], gatewayClassName:"));
        let spec = service(&manifests);
        let found = (spec.cluster_ip.as_deref(), spec.load_balancer_ip.as_deref());
        assert_eq!(found, (cluster, balancer), "{kind} {addresses}");
    }
}

#[test]
fn proxies_have_no_privileges() {
    let pod = pod(GATEWAY);
    let container = &pod.containers[0];
    assert_eq!((pod.containers.len(), container.name.as_str()), (1, "proxy"));
    assert_eq!(pod.automount_service_account_token, Some(false));
    let security = pod.security_context.as_ref().unwrap();
    assert_eq!(
        (security.run_as_non_root, security.seccomp_profile.as_ref().unwrap().type_.as_str()),
        (Some(true), "RuntimeDefault")
    );
    let security = container.security_context.as_ref().unwrap();
    assert_eq!((security.read_only_root_filesystem, security.allow_privilege_escalation), (Some(true), Some(false)));
    assert_eq!(security.capabilities.as_ref().unwrap().drop.as_deref(), Some(&["ALL".to_owned()][..]));
    // Longer than it takes to leave the Service and to drain.
    assert_eq!(env(container, "TIDEGATE_LEAVE"), "5");
    assert!(pod.termination_grace_period_seconds.unwrap() > 30 + 5);
    let probes = [&container.readiness_probe, &container.liveness_probe];
    let probes = probes.map(|probe| probe.as_ref().unwrap().http_get.clone().unwrap());
    assert_eq!(
        probes.map(|get| (get.path.unwrap(), get.port)),
        [("/readyz".to_owned(), IntOrString::Int(9900)), ("/healthz".to_owned(), IntOrString::Int(9900)),]
    );
}

#[test]
fn what_the_environment_names_is_mounted() {
    let pod = pod(GATEWAY);
    let container = &pod.containers[0];
    let mounts = container.volume_mounts.as_ref().unwrap();
    let volumes = pod.volumes.as_ref().unwrap();
    for (variable, volume) in [("TIDEGATE_CA", "ca"), ("TIDEGATE_TOKEN", "token"), ("TIDEGATE_STATE_DIR", "state")] {
        let mount = mounts.iter().find(|mount| mount.name == volume).unwrap();
        assert!(env(container, variable).starts_with(&mount.mount_path), "{variable}");
        assert_eq!(mount.read_only, (volume != "state").then_some(true));
        assert!(volumes.iter().any(|known| known.name == volume));
    }
    assert_eq!(env(container, "TIDEGATE_CONTROLLER"), "https://controller:9443");
    assert_eq!(env(container, "TIDEGATE_ADMIN"), "0.0.0.0:9900");
    assert_eq!(env(container, "MIMALLOC_ALLOW_THP"), "0");
    let token = volumes[1].projected.as_ref().unwrap().sources.as_ref().unwrap()[0].service_account_token.as_ref();
    let token = token.unwrap();
    assert_eq!((token.audience.as_deref(), token.expiration_seconds), (Some("tidegate"), Some(3600)));
    assert_eq!(volumes[0].config_map.as_ref().unwrap().name, "tidegate-ca");
}

#[test]
fn parameters() {
    let data = "serviceType: LoadBalancer, loadBalancerClass: example.com/lb, replicas: '3', cpu: '0.5', cpuLimit: '2', memory: 1Gi, \
                nodeSelector: 'zone=a, example.com/pool=edge', tolerations: 'edge=yes:NoSchedule,spot:NoExecute', priorityClassName: high";
    let made = planned(&with(data)).unwrap();
    let spec = made.deployment.spec.unwrap();
    assert_eq!((spec.replicas, made.disruption_budget.is_some()), (Some(3), true));
    assert_eq!(made.service.spec.unwrap().load_balancer_class.as_deref(), Some("example.com/lb"));
    let pod = spec.template.spec.unwrap();
    let resources = serde_json::to_value(pod.containers[0].resources.as_ref().unwrap()).unwrap();
    let expected = r#"{"limits":{"cpu":"2","memory":"1Gi"},"requests":{"cpu":"500m","memory":"1Gi"}}"#;
    assert_eq!(resources.to_string(), expected);
    assert_eq!(pod.node_selector.unwrap()["example.com/pool"], "edge");
    assert_eq!(pod.priority_class_name.as_deref(), Some("high"));
    let tolerations = serde_json::to_string(&pod.tolerations).unwrap();
    let expected = r#"[{"effect":"NoSchedule","key":"edge","operator":"Equal","value":"yes"},{"effect":"NoExecute","key":"spot","operator":"Exists"}]"#;
    assert_eq!(tolerations, expected);
    assert!(planned(&with("replicas: '1'")).unwrap().disruption_budget.is_none());
    // The installation's defaults are beneath.
    let world = world(&with("replicas: '4'"));
    let parameters = Parameters::parse(r#"{"serviceType": "ClusterIP", "replicas": "1"}"#).unwrap();
    let compiled = compile(&world, CONTROLLER_NAME, &Installation { parameters, ..Installation::default() });
    let found = only(&compiled).parameters.clone().unwrap();
    assert_eq!((found.service_type, found.replicas), (ServiceType::ClusterIp, 4));
}

#[test]
fn wrong_defaults_are_named() {
    for (text, said) in [
        (r#"{"replicas": "0", "cpu": "x"}"#, "cpu: \"x\" is not an amount of CPU"),
        (r#"{"replicas": 3}"#, "allowed: an object of texts"),
        (r#"{"size": "3"}"#, "size: unknown; allowed: serviceType"),
    ] {
        let error = Parameters::parse(text).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn wrong_parameters_are_named_and_change_nothing() {
    for (data, said) in [
        ("replica: '3'", "replica: unknown; allowed: serviceType"),
        ("replicas: '0'", "replicas: \"0\" is no number of replicas; allowed: 1 to 100"),
        ("replicas: many", "replicas: \"many\""),
        ("serviceType: ExternalName", "serviceType: \"ExternalName\" is no type of Service; allowed: ClusterIP"),
        ("cpu: lots", "cpu: \"lots\" is not an amount of CPU; allowed: cores"),
        ("memory: 1Ki", "memory: \"1Ki\" is not an amount of memory; allowed: bytes"),
        ("cpu: '2', cpuLimit: 500m", "cpuLimit: 500m is less than cpu; allowed: 2 or more"),
        ("nodeSelector: zone", "nodeSelector: \"zone\" is no label; allowed: KEY=VALUE"),
        ("nodeSelector: 'zone=a b'", "nodeSelector: \"a b\" is not the value of a label"),
        ("tolerations: 'edge:Never'", "tolerations: \"edge:Never\" is no toleration; allowed: KEY=VALUE:EFFECT"),
        ("loadBalancerClass: 'a/b/c'", "loadBalancerClass: \"a/b/c\" is not a name"),
    ] {
        let manifests = with(data);
        check(
            data,
            &manifests,
            &["gateway web Accepted=False/InvalidParameters", "gateway web Programmed=False/Invalid"],
        );
        let compiled = compiled(&world(&manifests));
        let message = &only(&compiled).accepted.message;
        assert!(message.contains(said) && message.contains("ConfigMap infra/p"), "{message}");
        assert_eq!(planned(&manifests), None, "{data}");
    }
    let both = compiled(&world(&with("replicas: '0', cpu: x")));
    assert!(only(&both).accepted.message.matches("; allowed").count() >= 2);
    for reference in
        ["{group: invalid.io, kind: InvalidParameters, name: p}", "{group: '', kind: ConfigMap, name: absent}"]
    {
        let written = with("").replace("{group: '', kind: ConfigMap, name: p}", reference);
        check("GatewayInvalidParametersRef", &written, &["gateway web Accepted=False/InvalidParameters"]);
    }
    for reserved in [
        "labels: {tidegate.dev/component: x}",
        "annotations: {tidegate.dev/strategy: canary}",
        "labels: {gateway.networking.k8s.io/gateway-name: x}",
    ] {
        let written = GATEWAY.replace("spec: {", &format!("spec: {{infrastructure: {{{reserved}}}, "));
        check(reserved, &written, &["gateway web Accepted=False/InvalidParameters"]);
    }
}

#[test]
fn a_name_of_any_length_has_infrastructure() {
    let name = "g".repeat(253);
    let world = world(&GATEWAY.replace("name: web", &format!("name: {name}")));
    let compiled = compiled(&world);
    let made = plan(&world.gateways[&Key::new("infra", &name)], only(&compiled), &setup()).unwrap();
    assert!(made.service.metadata.name.unwrap().len() <= 63);
    let labels = made.service_account.metadata.labels.unwrap();
    assert!(labels.values().all(|value| value.len() <= 63), "GatewayNameMaximumLength: {labels:?}");
    // One listener more restarts no proxy.
    let more = GATEWAY.replace("listeners: [", "listeners: [{name: more, port: 81, protocol: HTTP}, ");
    assert_eq!(planned(GATEWAY).unwrap().deployment, planned(&more).unwrap().deployment);
}
