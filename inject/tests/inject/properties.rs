//! Of any pod and any Services.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tidegate_inject::{NotInjected, PORTS, Takeover};

use super::setting::{injected, resolved};

/// What fits stands there several times.
const NAMES: [&str; 9] =
    ["http", "http", "http", "http", "web", "metrics", "http-app", "name-of-twelve", "tidegate-admin"];

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(NAMES.as_slice())
}

/// A number that often collides.
fn number() -> impl Strategy<Value = u16> {
    prop_oneof![15_000..15_004_u16, Just(15_090), 8_080..8_082_u16]
}

fn port() -> impl Strategy<Value = Value> {
    let protocol = prop::option::of(prop::sample::select(["TCP", "TCP", "TCP", "UDP"].as_slice()));
    (prop::option::weighted(0.9, name()), number(), protocol).prop_map(|(name, number, protocol)| {
        let mut port = json!({ "containerPort": number });
        if let Some(name) = name {
            port["name"] = name.into();
        }
        if let Some(protocol) = protocol {
            port["protocol"] = protocol.into();
        }
        port
    })
}

fn action() -> impl Strategy<Value = Value> {
    let port = prop_oneof![name().prop_map(Value::from), number().prop_map(Value::from)];
    (prop::sample::select(["httpGet", "tcpSocket"].as_slice()), port)
        .prop_map(|(kind, port)| json!({ kind: { "port": port }, "periodSeconds": 3 }))
}

fn container() -> impl Strategy<Value = Value> {
    let ports = prop::collection::vec(port(), 0..4);
    (ports, prop::option::of(action()), prop::option::of(action()), any::<bool>()).prop_map(
        |(ports, probe, hook, restarts)| {
            let mut container = json!({ "name": "c", "image": "i", "ports": ports });
            if let Some(probe) = probe {
                container["readinessProbe"] = probe;
            }
            if let Some(hook) = hook {
                container["lifecycle"] = json!({ "preStop": hook });
            }
            if restarts {
                container["restartPolicy"] = "Always".into();
            }
            container
        },
    )
}

fn pod() -> impl Strategy<Value = Value> {
    let containers = prop::collection::vec(container(), 1..3);
    (containers, prop::collection::vec(container(), 0..2), any::<bool>()).prop_map(|(containers, init, more)| {
        let mut spec = Map::new();
        spec.insert("containers".to_owned(), containers.into());
        if !init.is_empty() {
            spec.insert("initContainers".to_owned(), init.into());
        }
        if more {
            spec.insert("volumes".to_owned(), json!([{ "name": "data", "emptyDir": {} }]));
        }
        let annotations = json!({ "tidegate.dev/inject": "true" });
        json!({ "metadata": { "labels": { "app": "shop" }, "annotations": annotations }, "spec": spec })
    })
}

fn service() -> impl Strategy<Value = Value> {
    let port = name().prop_map(|name| json!({ "port": 80, "targetPort": name }));
    prop::collection::vec(port, 1..3).prop_map(
        |ports| json!({ "metadata": { "name": "shop" }, "spec": { "selector": { "app": "shop" }, "ports": ports } }),
    )
}

/// Every number that some container listens on, or is asked for.
fn numbers(containers: &Value) -> BTreeSet<u64> {
    let containers = containers.as_array().cloned().unwrap_or_default();
    let ports = containers.iter().flat_map(|c| c["ports"].as_array().cloned().unwrap_or_default());
    ports.filter_map(|port| port["containerPort"].as_u64()).collect()
}

/// What Services aim at.
fn aims(services: &[Value]) -> BTreeSet<String> {
    let ports = services.iter().flat_map(|service| service["spec"]["ports"].as_array().unwrap());
    ports.map(|port| port["targetPort"].as_str().unwrap().to_owned()).collect()
}

fn check(pod: &Value, services: &[Value], after: &Value) -> Result<(), TestCaseError> {
    let taken = Takeover::read(after["metadata"]["annotations"][PORTS].as_str().unwrap()).unwrap();
    let listens: BTreeSet<_> = taken.iter().map(|port| u64::from(port.listen)).collect();
    prop_assert_eq!(listens.len(), taken.len(), "each its own port");
    let used: BTreeSet<_> =
        numbers(&pod["spec"]["containers"]).union(&numbers(&pod["spec"]["initContainers"])).copied().collect();
    prop_assert!(listens.is_disjoint(&used), "a port of the pod's own: {taken:?}");
    prop_assert_eq!(aims(services), taken.iter().map(|port| port.name.clone()).collect(), "all names or none");
    for port in &taken {
        prop_assert!(port.listen >= 15_000 && port.listen != 15_090);
        prop_assert_eq!(resolved(pod, &port.name), Some(port.application.into()), "found the application before");
        prop_assert_eq!(resolved(after, &port.name), Some(port.listen.into()), "finds the sidecar now");
    }
    // What a probe asked, it asks.
    for list in ["containers", "initContainers"] {
        let skipped = usize::from(list == "initContainers");
        let before = pod["spec"][list].as_array().into_iter().flatten();
        for (old, new) in before.zip(after["spec"][list].as_array().unwrap().iter().skip(skipped)) {
            for (old_action, new_action) in [
                (&old["readinessProbe"], &new["readinessProbe"]),
                (&old["lifecycle"]["preStop"], &new["lifecycle"]["preStop"]),
            ] {
                let before = asked(old, old_action);
                prop_assert!(before.is_none() || before == asked(new, new_action), "{old_action} {new_action}");
            }
        }
    }
    Ok(())
}

/// The port that a probe asks: it finds a name in its own container.
fn asked(container: &Value, action: &Value) -> Option<u64> {
    let port = ["httpGet", "tcpSocket"].iter().map(|kind| &action[kind]["port"]).find(|port| !port.is_null())?;
    let named = || container["ports"].as_array()?.iter().find(|own| own["name"] == *port)?["containerPort"].as_u64();
    port.as_u64().or_else(named)
}

/// A pod without what injection adds and with the names that it had.
fn without_sidecar(after: &Value, before: &Value) -> Value {
    let mut pod = after.clone();
    for list in ["containers", "initContainers"] {
        pod["spec"][list] = before["spec"][list].clone();
    }
    pod["spec"]["volumes"] = before["spec"]["volumes"].clone();
    pod["metadata"]["annotations"] = before["metadata"]["annotations"].clone();
    for list in ["initContainers", "volumes"] {
        if pod["spec"][list].is_null() {
            pod["spec"].as_object_mut().unwrap().remove(list);
        }
    }
    pod
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_pod_is_served_through_the_sidecar_or_left_alone(
        pod in pod(), services in prop::collection::vec(service(), 1..3),
    ) {
        match injected(&pod, &services) {
            Ok(after) => {
                check(&pod, &services, &after)?;
                prop_assert_eq!(injected(&after, &services), Ok(after.clone()), "twice is once");
                prop_assert_eq!(without_sidecar(&after, &pod), pod, "nothing else is touched");
            }
            Err(NotInjected::Refused(problems)) => prop_assert!(!problems.is_empty()),
            Err(NotInjected::NotAsked) => prop_assert!(false, "it was asked for"),
        }
    }

    #[test]
    fn any_json_is_answered(words in prop::collection::vec("[a-z{}\\[\\]:,\"0-9]{0,8}", 0..12)) {
        let mut pod: Value = serde_json::from_str(&words.concat()).unwrap_or_else(|_| json!(words));
        let _ = injected(&pod, &[]);
        pod = json!({ "metadata": { "annotations": { "tidegate.dev/inject": "true" } }, "spec": pod });
        prop_assert!(injected(&pod, &[]).is_err());
    }
}

#[test]
fn the_drawn_pods_are_of_both_kinds() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut injections, mut refusals) = (0, 0);
    for _ in 0..1_000 {
        let (pod, service) = (pod(), service()).new_tree(&mut runner).unwrap().current();
        *if injected(&pod, &[service]).is_ok() { &mut injections } else { &mut refusals } += 1;
    }
    assert!(injections > 50 && refusals > 50, "{injections} injections, {refusals} refusals");
}
