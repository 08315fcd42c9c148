//! A cluster with a shop, of which a candidate is on its way.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::core::DynamicObject;
use kube::core::admission::{AdmissionRequest, AdmissionReview};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tidegate_cluster::webhook::{Gating, Known, Standing, Valve, Valves};
use tidegate_cluster::world::{Key, World};
use tidegate_inject::{InjectionOptions, KubernetesVersion, Resources};

/// Reads YAML as any type.
pub(crate) fn yaml<T: DeserializeOwned>(text: &str) -> T {
    let value: Value = serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A pod of the shop as its replica set makes it; of the revision `hash`.
pub(crate) fn pod(hash: &str) -> Value {
    yaml(&format!(
        "
apiVersion: v1
kind: Pod
metadata:
  generateName: shop-{hash}-
  creationTimestamp: null
  labels: {{ app: shop, pod-template-hash: {hash} }}
  annotations: {{ tidegate.dev/inject: 'true' }}
  ownerReferences: [{{ apiVersion: apps/v1, kind: ReplicaSet, name: shop-{hash}, uid: uid-{hash}, controller: true }}]
spec:
  containers: [{{ name: shop, image: shop, ports: [{{ name: http, containerPort: 8080, protocol: TCP }}] }}]
  fieldOfTheFuture: {{ a: 1 }}
"
    ))
}

/// What the API server asks.
pub(crate) fn question(pod: &Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "question-1",
            "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "namespace": "market",
            "operation": "CREATE",
            "userInfo": { "username": "system:serviceaccount:kube-system:replicaset-controller" },
            "object": pod,
            "oldObject": null,
            "dryRun": false,
        },
    })
}

/// The same, as it is read.
pub(crate) fn request(question: Value) -> AdmissionRequest<DynamicObject> {
    let review: AdmissionReview<DynamicObject> = serde_json::from_value(question).unwrap();
    review.try_into().unwrap()
}

/// The shop's record: `old` is stable and `new` its candidate.
pub(crate) fn valves() -> Valves {
    let revisions = [("uid-old", Standing::Stable), ("uid-new", Standing::Candidate)];
    let revisions = revisions.map(|(uid, standing)| (uid.to_owned(), standing)).into();
    let valve = Valve { gating: Gating::On, before_start: false, revisions };
    Valves { deployments: [(Key::new("market", "shop"), valve)].into(), services: Vec::new() }
}

pub(crate) const SERVICE: &str = "
metadata: { name: shop, namespace: market }
spec: { clusterIP: 10.0.0.1, selector: { app: shop }, ports: [{ port: 80, targetPort: http, protocol: TCP }] }
";

pub(crate) const REPLICA_SET: &str = "
metadata:
  name: shop-new
  namespace: market
  uid: uid-new
  ownerReferences: [{ apiVersion: apps/v1, kind: Deployment, name: shop, uid: uid-shop, controller: true }]
spec: { selector: {} }
";

/// A cluster with a Service.
pub(crate) fn world(service: &str) -> World {
    let service: Service = yaml(service);
    let elsewhere: Service =
        yaml("metadata: { name: a, namespace: other }\nspec: { selector: { app: shop }, clusterIP: None }");
    let namespace: Namespace = yaml("metadata: { name: market }");
    let set: ReplicaSet = yaml(REPLICA_SET);
    World {
        namespaces: [(Key::of(&namespace), Arc::new(namespace))].into_iter().collect(),
        services: [service, elsewhere].into_iter().map(|service| (Key::of(&service), Arc::new(service))).collect(),
        replica_sets: [(Key::of(&set), Arc::new(set))].into_iter().collect(),
        ..World::default()
    }
}

/// What answers are made from.
pub(crate) fn known(service: &str) -> Known {
    let pair = |request: &str, limit: &str| (request.parse().unwrap(), limit.parse().unwrap());
    let options = InjectionOptions {
        image: "tidegate-proxy:1".to_owned(),
        controller: "https://tidegate-controller.tidegate-system.svc:8443".to_owned(),
        ca: "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".to_owned(),
        audience: InjectionOptions::AUDIENCE.to_owned(),
        resources: Resources::new(pair("50m", "1"), pair("32Mi", "128Mi")).unwrap(),
    };
    Known {
        world: Arc::new(world(service)),
        valves: Arc::new(valves()),
        asking: Arc::default(),
        options: Arc::new(options),
        kubernetes: KubernetesVersion::new(1, 36),
    }
}
