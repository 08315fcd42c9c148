//! Worlds made of manifests, for tests.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use k8s_openapi::serde::de::DeserializeOwned;
use kube::Resource;
use tidegate_config::Visitor;
use tidegate_config::policy::{Policy, Strategy};

use tidegate_controller::engine::Timestamp;
use tidegate_controller::proxies::Proxies;

use crate::lead::{Asked, Moment, Owner, Served};
use crate::reflect::Kept;
use crate::world::{Key, World};

/// The world of these manifests, each trimmed as a watch would.
pub(crate) fn world(manifests: &str) -> World {
    let mut world = World::default();
    add(&mut world, manifests);
    world
}

/// Adds manifests to a world; those of known objects replace them.
pub(crate) fn add(world: &mut World, manifests: &str) {
    for text in manifests.split("\n---").filter(|text| !text.trim().is_empty()) {
        let value: serde_json::Value = serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        match value["kind"].as_str().unwrap() {
            "Namespace" => put::<k8s_openapi::api::core::v1::Namespace>(world, value),
            "Node" => put::<k8s_openapi::api::core::v1::Node>(world, value),
            "Service" => put::<k8s_openapi::api::core::v1::Service>(world, value),
            "EndpointSlice" => put::<k8s_openapi::api::discovery::v1::EndpointSlice>(world, value),
            "Pod" => put::<k8s_openapi::api::core::v1::Pod>(world, value),
            "Deployment" => put::<k8s_openapi::api::apps::v1::Deployment>(world, value),
            "ReplicaSet" => put::<k8s_openapi::api::apps::v1::ReplicaSet>(world, value),
            "Job" => put::<k8s_openapi::api::batch::v1::Job>(world, value),
            "Rollout" => put::<kube::core::DeserializeGuard<crate::rollout_object::Rollout>>(world, value),
            "StatefulSet" => put::<k8s_openapi::api::apps::v1::StatefulSet>(world, value),
            other => panic!("a manifest of kind {other}"),
        }
    }
}

fn put<K: Kept + Resource + DeserializeOwned>(world: &mut World, value: serde_json::Value) {
    let mut object: K = serde_json::from_value(value).unwrap();
    object.trim();
    K::objects(world).insert(Key::of(&object), Arc::new(object));
}

/// A Service `shop` in `default` that selects `app: shop`.
pub(crate) const SERVICE: &str = "
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: default}
spec: {selector: {app: shop}, ports: [{port: 80, targetPort: http}]}
";

/// What a rollout object asks for that names a Service of `default` and nothing else.
pub(crate) fn asked(service: &str) -> Asked {
    Asked {
        service: Key::new("default", service),
        name: format!("{service}.default").parse().unwrap(),
        policy: Policy::of(Strategy::Canary),
        visitor: Visitor::default(),
        park: None,
        label: "version".into(),
        port: None,
        stable: None,
        canaries: Vec::new(),
        inject: false,
        capacity: tidegate_config::Capacity::Wait,
        gates: Vec::new().into(),
        on_failure: tidegate_config::OnFailure::Hold,
        scale_down: false,
    }
}

/// A moment of the Rollout `shop` in `default`.
pub(crate) fn moment<'a>(world: &'a World, proxies: &'a Proxies, served: &'a Served, now: Timestamp) -> Moment<'a> {
    static SHOP: LazyLock<Key> = LazyLock::new(|| Key::new("default", "shop"));
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    Moment { world, owner: Owner { key: &SHOP, uid: "u1" }, refused: &NONE, proxies, served, fault: None, now }
}

/// A Deployment `shop` in an update: three stable pods `aa` and one pod `bb` that is tried.
pub(crate) fn updating() -> World {
    let mut text = SERVICE.to_owned() + &deployment("shop", 3, 1, "2026-01-01T00:00:00Z");
    text += &(replica_set("shop", "aa", 1, 3) + &replica_set("shop", "bb", 2, 1) + &pod("shop-bb", 0, "", "shut"));
    (0..3).for_each(|i| text += &pod("shop-aa", i, "", "none"));
    world(&text)
}

/// A Deployment in `default`, complete unless `updated` says otherwise.
pub(crate) fn deployment(name: &str, replicas: u32, updated: u32, made: &str) -> String {
    format!(
        "\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: default, generation: 1, \
         creationTimestamp: '{made}'}}\nspec: {{replicas: {replicas}, selector: {{matchLabels: {{app: shop}}}}, template: \
         {{metadata: {{labels: {{app: shop}}}}}}}}\nstatus: {{observedGeneration: 1, replicas: {replicas}, \
         updatedReplicas: {updated}, availableReplicas: {replicas}}}\n"
    )
}

/// A revision of a Deployment.
pub(crate) fn replica_set(deployment: &str, hash: &str, revision: u32, replicas: u32) -> String {
    format!(
        "\n---\napiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {{name: {deployment}-{hash}, namespace: default, labels: \
         {{pod-template-hash: {hash}}}, annotations: {{deployment.kubernetes.io/revision: '{revision}'}}, \
         ownerReferences: [{{apiVersion: apps/v1, kind: Deployment, name: {deployment}, uid: u, controller: true}}]}}\n\
         spec: {{replicas: {replicas}, selector: {{matchLabels: {{app: shop}}}}}}\n"
    )
}

/// A pod of a revision that is ready, as far as `gate` lets it: `none`, `shut` or `open`.
pub(crate) fn pod(set: &str, number: u32, labels: &str, gate: &str) -> String {
    let hash = set.rsplit('-').next().unwrap();
    let gates = if gate == "none" { "" } else { "readinessGates: [{conditionType: tidegate.dev/promoted}], " };
    let open = if gate == "open" { ", {type: tidegate.dev/promoted, status: 'True'}" } else { "" };
    let last = number + u32::from(hash.as_bytes()[0]) * 8 % 200;
    format!(
        "\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {set}-{number}, namespace: default, labels: {{app: shop, \
         pod-template-hash: {hash}{labels}}}, ownerReferences: [{{apiVersion: apps/v1, kind: ReplicaSet, name: {set}, \
         uid: u, controller: true}}]}}\nspec: {{{gates}containers: [{{name: app, image: shop, ports: [{{name: http, \
         containerPort: 8080}}]}}]}}\nstatus: {{phase: Running, podIP: 10.0.0.{last}, conditions: \
         [{{type: ContainersReady, status: 'True'}}{open}]}}\n"
    )
}
