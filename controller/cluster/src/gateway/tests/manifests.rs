//! Worlds made from manifests.

use std::sync::Arc;

use k8s_openapi::ByteString;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::world::{Key, Objects, World};

/// What most tests need: a class of ours and one of somebody else's, three namespaces, Services in two of them.
const BASE: &str = r"
kind: GatewayClass
metadata: {name: tidegate, generation: 1}
spec: {controllerName: tidegate.dev/gateway-controller}
---
kind: GatewayClass
metadata: {name: foreign, generation: 1}
spec: {controllerName: example.com/other}
---
kind: Namespace
metadata: {name: infra, labels: {team: infra}}
---
kind: Namespace
metadata: {name: app, labels: {team: backend}}
---
kind: Namespace
metadata: {name: web, labels: {team: backend}}
---
kind: Service
metadata: {name: v1, namespace: infra}
spec: {ports: [{name: http, port: 8080}, {name: h2c, port: 8081, appProtocol: kubernetes.io/h2c}]}
---
kind: Service
metadata: {name: v2, namespace: infra}
spec: {ports: [{port: 8080, appProtocol: http}, {name: dns, port: 53, protocol: UDP}]}
---
kind: Service
metadata: {name: v3, namespace: infra}
spec: {clusterIP: None, ports: [{port: 8080}]}
---
kind: Service
metadata: {name: outside, namespace: infra}
spec: {type: ExternalName, externalName: example.com, ports: [{port: 8080}]}
---
kind: Service
metadata: {name: v1, namespace: app}
spec: {ports: [{port: 8080}]}
---
kind: Service
metadata: {name: v2, namespace: app}
spec: {ports: [{port: 8080}]}
";

/// A world of the base and these objects.
pub(super) fn world(manifests: &str) -> World {
    let mut world = World::default();
    add(&mut world, BASE);
    add(&mut world, manifests);
    world
}

/// Adds objects, or replaces them.
pub(super) fn add(world: &mut World, manifests: &str) {
    for text in manifests.split("\n---\n").filter(|text| !text.trim().is_empty()) {
        let object: Value = serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let kind = object["kind"].as_str().unwrap_or_else(|| panic!("no kind in {text}")).to_owned();
        match kind.as_str() {
            "GatewayClass" => put(&mut world.gateway_classes, object),
            "Gateway" => put(&mut world.gateways, object),
            "HTTPRoute" => put(&mut world.http_routes, object),
            "ReferenceGrant" => put(&mut world.reference_grants, object),
            "Namespace" => put(&mut world.namespaces, object),
            "Service" => put(&mut world.services, object),
            "Secret" => put(&mut world.secrets, object),
            "ConfigMap" => put(&mut world.config_maps, object),
            other => panic!("{other} is not known here"),
        }
    }
}

fn put<K: DeserializeOwned>(objects: &mut Objects<K>, mut object: Value) {
    // The types want to know where they are from.
    let group = match object["kind"].as_str().unwrap_or_default() {
        "Namespace" | "Service" | "Secret" | "ConfigMap" => "v1",
        _ => "gateway.networking.k8s.io/v1",
    };
    object["apiVersion"] = group.into();
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    let key = Key::new(text("namespace"), text("name"));
    let parsed = serde_json::from_value(object.clone()).unwrap_or_else(|error| panic!("{error}\n{object}"));
    objects.insert(key, Arc::new(parsed));
}

/// A Secret with a certificate for a host and its key, of this type.
pub(super) fn secret(namespace: &str, name: &str, kind: &str, (chain, key): (&str, &str)) -> String {
    let data = |text: &str| serde_json::to_string(&ByteString(text.as_bytes().to_vec())).unwrap();
    let data = format!("{{tls.crt: {}, tls.key: {}}}", data(chain), data(key));
    format!("\n---\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\ntype: {kind}\ndata: {data}")
}

/// A certificate and its key, as PEM.
pub(super) fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}
