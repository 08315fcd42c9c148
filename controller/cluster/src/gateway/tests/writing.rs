//! Statuses as they are written, and when they are not.

use serde_json::{Value, json};

use super::manifests::{add, world};
use super::report::{at, compiled, deployed, only};
use crate::gateway::status::{self, Deployed};
use crate::gateway::{CONTROLLER_NAME, SUPPORTED_FEATURES};
use crate::world::{Key, World};

const OBJECTS: &str = "
kind: Gateway
metadata: {name: web, namespace: infra, uid: u-1, resourceVersion: '5', generation: 3}
spec: {gatewayClassName: tidegate, listeners: [{name: http, port: 80, protocol: HTTP}]}
status: {conditions: [
  {type: Accepted, status: Unknown, reason: Pending, message: Waiting, lastTransitionTime: '1970-01-01T00:00:00Z'},
  {type: Programmed, status: Unknown, reason: Pending, message: Waiting, lastTransitionTime: '1970-01-01T00:00:00Z'}]}
---
kind: HTTPRoute
metadata: {name: r, namespace: infra, uid: u-2, resourceVersion: '6', generation: 4}
spec: {parentRefs: [{name: web}, {name: elsewhere}], rules: [{backendRefs: [{name: v1, port: 8080}]}]}
status: {parents: [
  {controllerName: tidegate.dev/gateway-controller, parentRef: {name: gone}, conditions: []},
  {controllerName: example.com/other, parentRef: {name: web}, conditions: []},
  {controllerName: example.com/other, parentRef: {name: elsewhere}, conditions: [{type: Accepted, status: 'True',
    reason: Accepted, message: '', lastTransitionTime: '1970-01-01T00:00:01Z', observedGeneration: 2}]}]}";

fn gateway(world: &World, deployed: &Deployed, now: i64) -> Option<Value> {
    let compiled = compiled(world);
    let object = &world.gateways[&Key::new("infra", "web")];
    status::gateway(object, only(&compiled), deployed, &at(now)).map(|patch| patch.body())
}

fn route(world: &World, now: i64) -> Option<Value> {
    let compiled = compiled(world);
    let key = Key::new("infra", "r");
    let parents = compiled.http_routes.get(&key).cloned().unwrap_or_default();
    status::http_route(&world.http_routes[&key], &parents, CONTROLLER_NAME, &at(now)).map(|patch| patch.body())
}

/// Writes a patch as an API server does, which rounds times to seconds and counts versions.
fn write(world: &mut World, kind: &str, name: &str, patch: &Value) {
    let key = Key::new("infra", name);
    let object = match kind {
        "Gateway" => serde_json::to_value(world.gateways[&key].as_ref()),
        _ => serde_json::to_value(world.http_routes[&key].as_ref()),
    };
    let mut object = object.unwrap();
    object["kind"] = kind.into();
    object["status"] = patch["status"].clone();
    add(world, &object.to_string());
}

#[test]
fn a_gateway_is_written_once() {
    let mut world = world(OBJECTS);
    let first = gateway(&world, &deployed(), 10).unwrap();
    assert_eq!(first["metadata"], json!({"uid": "u-1", "resourceVersion": "5"}));
    let status = &first["status"];
    assert_eq!(status["addresses"], json!([{"type": "IPAddress", "value": "10.96.0.9"}]));
    for conditions in [&status["conditions"], &status["listeners"][0]["conditions"]] {
        for condition in conditions.as_array().unwrap() {
            assert_eq!(
                (condition["observedGeneration"].as_i64(), &condition["lastTransitionTime"]),
                (Some(3), &json!("1970-01-01T00:00:10Z"))
            );
        }
    }
    write(&mut world, "Gateway", "web", &first);
    assert_eq!(gateway(&world, &deployed(), 20), None);
    // Losing its address changes one condition, and the time of that one alone.
    let lost = Deployed { addresses: Vec::new(), serving: true };
    let second = gateway(&world, &lost, 30).unwrap();
    let times = second["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["type"].clone(), c["lastTransitionTime"].clone()));
    let expected =
        [(json!("Accepted"), json!("1970-01-01T00:00:10Z")), (json!("Programmed"), json!("1970-01-01T00:00:30Z"))];
    assert_eq!(times.collect::<Vec<_>>(), expected);
    assert_eq!(second["status"]["conditions"][1]["reason"], "AddressNotAssigned");
    // A merge patch takes away only what it names.
    assert_eq!(second["status"]["addresses"], json!([]));
    let idle = Deployed { serving: false, ..deployed() };
    assert_eq!(gateway(&world, &idle, 30).unwrap()["status"]["conditions"][1]["reason"], "Pending");
}

#[test]
fn a_route_keeps_what_others_said() {
    let mut world = world(OBJECTS);
    let first = route(&world, 10).unwrap();
    assert_eq!(first["metadata"], json!({"uid": "u-2", "resourceVersion": "6"}));
    let parents = first["status"]["parents"].as_array().unwrap();
    let names: Vec<_> = parents.iter().map(|parent| parent["parentRef"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["web", "elsewhere", "web"]);
    assert_eq!(parents[1]["conditions"][0]["observedGeneration"], 2);
    assert_eq!(parents[2]["parentRef"], json!({"name": "web"}));
    assert!(parents[2]["conditions"].as_array().unwrap().iter().all(|condition| condition["observedGeneration"] == 4));
    write(&mut world, "HTTPRoute", "r", &first);
    assert_eq!(route(&world, 20), None);
    // Another controller that puts its entry last is not fought.
    let mut turned = first.clone();
    turned["status"]["parents"].as_array_mut().unwrap().reverse();
    write(&mut world, "HTTPRoute", "r", &turned);
    assert_eq!(route(&world, 20), None);
    // With the Gateway gone, so is what we said, and that once.
    world.gateways.clear();
    let last = route(&world, 30).unwrap();
    assert_eq!(last["status"]["parents"].as_array().unwrap().len(), 2);
    write(&mut world, "HTTPRoute", "r", &last);
    assert_eq!(route(&world, 40), None);
}

#[test]
fn partly_wrong_is_taken_back() {
    let mut world = world(OBJECTS);
    let rules = |timeouts: &str| {
        let backends = "backendRefs: [{name: v1, port: 8080}]";
        OBJECTS.split("---\n").nth(1).unwrap().replace("rules: [", &format!("rules: [{{{timeouts}{backends}}}, "))
    };
    add(&mut world, &rules("timeouts: {request: 1s}, "));
    let first = route(&world, 10).unwrap();
    let types = |patch: &Value| {
        let conditions = patch["status"]["parents"][2]["conditions"].as_array().unwrap().clone();
        conditions.into_iter().map(|condition| condition["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(types(&first), ["Accepted", "ResolvedRefs", "PartiallyInvalid"]);
    add(&mut world, &rules(""));
    write(&mut world, "HTTPRoute", "r", &first);
    assert_eq!(types(&route(&world, 20).unwrap()), ["Accepted", "ResolvedRefs"]);
}

#[test]
fn a_class_says_what_it_can() {
    let mut world = world(OBJECTS);
    let key = Key::new("", "tidegate");
    let patch = status::class(&world.gateway_classes[&key], &compiled(&world).classes["tidegate"], &at(10)).unwrap();
    let body = patch.body();
    assert_eq!(body["status"]["conditions"][0]["observedGeneration"], 1);
    let mut sorted = SUPPORTED_FEATURES;
    sorted.sort_unstable();
    assert_eq!(sorted, SUPPORTED_FEATURES);
    let mut object = serde_json::to_value(world.gateway_classes[&key].as_ref()).unwrap();
    object["kind"] = "GatewayClass".into();
    object["status"] = body["status"].clone();
    add(&mut world, &object.to_string());
    let compiled = compiled(&world);
    assert_eq!(status::class(&world.gateway_classes[&key], &compiled.classes["tidegate"], &at(20)), None);
}
