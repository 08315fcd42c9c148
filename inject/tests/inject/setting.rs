//! A shop with a Service, in a cluster that is new enough, and the rules by which Kubernetes finds a port.

use serde_json::Value;
use tidegate_config::Problems;
use tidegate_inject::{InjectionOptions, KubernetesVersion, Namespace, NotInjected, Resources, Service, inject};

pub(crate) const POD: &str = "
metadata:
  labels: { app: shop }
  annotations: { tidegate.dev/inject: 'true' }
spec:
  containers:
    - name: shop
      image: shop:1
      ports: [{ name: http, containerPort: 8080 }]
";

pub(crate) const SERVICE: &str = "
metadata: { name: shop }
spec:
  clusterIP: 10.0.0.1
  selector: { app: shop }
  ports: [{ port: 80, targetPort: http }]
";

pub(crate) fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

pub(crate) fn options() -> InjectionOptions {
    let pair = |request: &str, limit: &str| (request.parse().unwrap(), limit.parse().unwrap());
    InjectionOptions {
        image: "tidegate-proxy:1".to_owned(),
        controller: "https://tidegate-controller.tidegate-system.svc:8443".to_owned(),
        ca: "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".to_owned(),
        audience: InjectionOptions::AUDIENCE.to_owned(),
        resources: Resources::new(pair("50m", "1"), pair("32Mi", "128Mi")).unwrap(),
    }
}

pub(crate) const KUBERNETES: KubernetesVersion = KubernetesVersion::new(1, 36);

/// A namespace with labels, as YAML.
pub(crate) fn namespace(labels: &str) -> Namespace {
    let labels = yaml(labels);
    let labels = labels.as_object().unwrap().iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().into()));
    Namespace { labels: labels.collect(), ..Namespace::default() }
}

/// Injects into a pod with its Services.
pub(crate) fn injected(pod: &Value, services: &[Value]) -> Result<Value, NotInjected> {
    let services: Vec<_> = services.iter().map(|service| Service::read(service).unwrap()).collect();
    inject(pod, &Namespace::default(), &services, KUBERNETES, &options())
}

/// The reasons of a refusal.
pub(crate) fn reasons(result: Result<Value, NotInjected>) -> Problems {
    match result {
        Err(NotInjected::Refused(problems)) => problems,
        other => panic!("not refused: {other:?}"),
    }
}

/// The port that a Service finds in a pod: the rule of Kubernetes 1.33 and later, written down once more on JSON.
pub(crate) fn resolved(pod: &Value, name: &str) -> Option<u64> {
    let list = |field: &str| pod["spec"][field].as_array().cloned().unwrap_or_default();
    let sidecars = list("initContainers").into_iter().filter(|container| container["restartPolicy"] == "Always");
    let ports = list("containers")
        .into_iter()
        .chain(sidecars)
        .flat_map(|container| container["ports"].as_array().cloned().unwrap_or_default());
    let mut fitting = ports
        .filter(|port| port["name"] == name && ["TCP", ""].contains(&port["protocol"].as_str().unwrap_or_default()));
    fitting.next().and_then(|port| port["containerPort"].as_u64())
}
