//! Whatever people write: nothing panics, everything gets a status, and nobody's mistake is another one's.

use proptest::prelude::*;
use proptest::sample::select;

use super::manifests::{add, world};
use super::report::{at, compiled, deployed, lines};
use crate::gateway::infrastructure::{Setup, plan};
use crate::gateway::{CONTROLLER_NAME, Compiled, status};
use crate::routing::Route;
use crate::world::World;

const HOSTS: [&str; 8] =
    ["''", "a.example", "'*.example'", "'*.a.example'", "b.a.example", "'*'", "A.Example", "'no host'"];
const PATHS: [&str; 7] = ["/", "/x", "/x/", "/x/y", "x", "/ü", "'/?'"];

fn listener() -> impl Strategy<Value = String> {
    let port = select(&[-1, 0, 80, 81, 443, 9900, 10_080, 65_535, 70_000][..]);
    let protocol = select(&["HTTP", "HTTP", "HTTP", "HTTPS", "TLS", "TCP", "UDP", "''"][..]);
    let more = select(
        &[
            "",
            ", allowedRoutes: {namespaces: {from: All}}",
            ", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: backend}}}}",
            ", allowedRoutes: {namespaces: {from: Selector}, kinds: [{kind: X}]}",
            ", tls: {certificateRefs: [{name: absent}]}",
            ", tls: {mode: Passthrough, options: {a: b}}",
        ][..],
    );
    let parts = (port, protocol, select(&HOSTS[..]), more);
    parts.prop_map(|(port, protocol, host, more)| format!("port: {port}, protocol: {protocol}, hostname: {host}{more}"))
}

fn gateway() -> impl Strategy<Value = String> {
    let more = select(
        &[
            "",
            "addresses: [{value: 10.96.0.9}, {type: X, value: z}], ",
            "addresses: [{type: IPAddress}, {value: '::1'}], ",
            "infrastructure: {parametersRef: {group: '', kind: ConfigMap, name: p}}, ",
            "infrastructure: {labels: {a: b}}, ",
        ][..],
    );
    (select(&["g1", "g2"][..]), proptest::collection::vec(listener(), 0..4), more).prop_map(|(name, listeners, more)| {
        let named = ["one", "two", "three"].iter().zip(listeners).map(|(name, rest)| format!("{{name: {name}, {rest}}}"));
        format!(
            "kind: Gateway\nmetadata: {{name: {name}, namespace: infra, uid: u, generation: 2}}\nspec: {{gatewayClassName: tidegate, {more}listeners: [{}]}}",
            named.collect::<Vec<_>>().join(", ")
        )
    })
}

fn rule() -> impl Strategy<Value = String> {
    let path = (select(&["Exact", "PathPrefix", "RegularExpression"][..]), select(&PATHS[..]));
    let matched = (path, select(&["", ", method: GET", ", headers: [{name: a, value: b}]"][..]));
    let matched = matched.prop_map(|((kind, path), more)| format!("{{path: {{type: {kind}, value: {path}}}{more}}}"));
    let backend = (
        select(&["v1", "v2", "absent", "outside"][..]),
        select(&["", ", namespace: app", ", kind: X"][..]),
        -1i32..4,
        8079i32..8082,
    );
    let backend = backend
        .prop_map(|(name, more, weight, port)| format!("{{name: {name}, port: {port}, weight: {weight}{more}}}"));
    let more = select(&["", "", "timeouts: {request: 1s}, ", "filters: [{type: CORS}], "][..]);
    let parts = (proptest::collection::vec(matched, 0..3), proptest::collection::vec(backend, 0..3), more);
    parts.prop_map(|(matches, backends, more)| {
        format!("{{{more}matches: [{}], backendRefs: [{}]}}", matches.join(", "), backends.join(", "))
    })
}

fn parent() -> impl Strategy<Value = String> {
    let more = select(&["", ", sectionName: one", ", port: 80", ", sectionName: two, port: 81", ", kind: Service"][..]);
    (select(&["g1", "g2", "absent"][..]), more)
        .prop_map(|(name, more)| format!("{{name: {name}, namespace: infra{more}}}"))
}

/// A route of a namespace, made at a second.
fn route(namespace: &'static str, second: u32) -> impl Strategy<Value = String> {
    let hosts = proptest::collection::vec(select(&HOSTS[1..]), 0..3);
    let parts = (0..3u8, proptest::collection::vec(parent(), 1..3), hosts, proptest::collection::vec(rule(), 0..3));
    parts.prop_map(move |(name, parents, hosts, rules)| {
        format!(
            "kind: HTTPRoute\nmetadata: {{name: r{name}, namespace: {namespace}, generation: 2, creationTimestamp: '2026-01-01T00:00:{second:02}Z'}}\nspec: {{parentRefs: [{}], hostnames: [{}], rules: [{}]}}",
            parents.join(", "),
            hosts.join(", "),
            rules.join(", ")
        )
    })
}

fn some_world() -> impl Strategy<Value = World> {
    let gateways = proptest::collection::vec(gateway(), 1..3);
    let routes = proptest::collection::vec(prop_oneof![route("infra", 1), route("web", 1)], 0..4);
    (gateways, routes).prop_map(|(gateways, routes)| world(&[gateways, routes].concat().join("\n---\n")))
}

/// Every object of ours has its conditions, each once and of the generation that was looked at.
fn complete(world: &World, compiled: &Compiled) {
    let setup =
        Setup { image: "i".into(), controller: "c".into(), ca_config_map: "m".into(), service_ranges: Vec::new() };
    assert_eq!(compiled.gateways.len(), world.gateways.len());
    for (key, compilation) in &compiled.gateways {
        let object = &world.gateways[key];
        let status = status::gateway(object, compilation, &deployed(), &at(1)).unwrap().status;
        assert_eq!(status.conditions.as_ref().map(Vec::len), Some(2));
        let listeners = status.listeners.unwrap();
        assert_eq!(listeners.len(), object.spec.listeners.len());
        assert!(listeners.iter().all(|listener| listener.conditions.len() == 4));
        let programmed = status.conditions.unwrap()[1].status == "True";
        assert_eq!(plan(object, compilation, &setup).is_some(), compilation.accepted.holds);
        assert!(!programmed || compilation.accepted.holds && !compilation.plan.listeners.is_empty());
        let named =
            |route: &Route| route.listeners.iter().all(|n| compilation.plan.listeners.iter().any(|l| l.name == *n));
        assert!(compilation.plan.routes.iter().all(named));
    }
    for (key, parents) in &compiled.http_routes {
        let status = status::http_route(&world.http_routes[key], parents, CONTROLLER_NAME, &at(1)).unwrap().status;
        assert!(!status.parents.is_empty());
        for parent in status.parents {
            assert!((2..=3).contains(&parent.conditions.len()));
            assert!(parent.conditions.iter().all(|c| c.observed_generation == Some(2) && !c.reason.is_empty()));
        }
    }
}

/// What a namespace's routes have come to; not those that give way to every other one, because the proxy cannot do what
/// they ask for.
fn of_namespace(world: &World, compiled: &Compiled, namespace: &str) -> (Vec<Route>, Vec<String>) {
    let routes = compiled.gateways.values().flat_map(|gateway| gateway.plan.routes.clone());
    let own = format!("{namespace}/");
    let routes =
        routes.filter(|route| route.precedence.object.starts_with(&own) && !route.precedence.widened).collect();
    let own = format!("route {namespace}/");
    (routes, lines(world, compiled).into_iter().filter(|line| line.starts_with(&own)).collect())
}

proptest! {
    #[test]
    fn every_object_gets_a_status(world in some_world()) {
        let compiled = compiled(&world);
        complete(&world, &compiled);
        // What is compiled follows from the objects alone.
        prop_assert_eq!(format!("{compiled:?}"), format!("{:?}", super::report::compiled(&world)));
    }

    /// A route that is younger, whatever it is, changes no route of another namespace and nothing that is said of it.
    #[test]
    fn a_route_of_one_namespace_changes_none_of_another(world in some_world(), bad in route("app", 2)) {
        let mut more = world.clone();
        add(&mut more, &bad);
        let (before, after) = (compiled(&world), compiled(&more));
        for namespace in ["infra", "web"] {
            prop_assert_eq!(of_namespace(&world, &before, namespace), of_namespace(&more, &after, namespace));
        }
    }

    /// No two routes of a listener have one host and path: which of them counts is decided here.
    #[test]
    fn nothing_is_left_to_the_order(world in some_world()) {
        for gateway in compiled(&world).gateways.values() {
            let mut seen = std::collections::BTreeSet::new();
            for route in &gateway.plan.routes {
                let path = serde_json::to_string(&route.path).unwrap().replace("/\"", "\"");
                for listener in &route.listeners {
                    prop_assert!(seen.insert((listener.clone(), route.host.clone(), path.clone())), "{route:?}");
                }
            }
        }
    }
}
