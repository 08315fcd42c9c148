//! What was compiled, as lines that tests name: conditions, counts, and where requests go.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use tidegate_config::{Host, PathMatch};

use super::manifests::world;
use crate::gateway::status::{self, Deployed};
use crate::gateway::{CONTROLLER_NAME, Compilation, Compiled, Installation, address, compile};
use crate::routing::{Backend, Backends, Plan, Route};
use crate::world::{Key, World};

/// Compiles the base and these objects, and wants every one of the lines. A line that begins with `get` is a request:
/// `get GATEWAY PORT HOST PATH: WHO`.
pub(super) fn check(row: &str, manifests: &str, expected: &[&str]) {
    check_world(row, &world(manifests), expected);
}

pub(super) fn check_world(row: &str, world: &World, expected: &[&str]) {
    let compiled = compiled(world);
    let lines = lines(world, &compiled);
    for line in expected {
        let found = match line.strip_prefix("get ") {
            Some(request) => {
                let words: Vec<&str> = request.split([' ', ':']).collect();
                let gateway = &compiled.gateways[&Key::new("infra", words[0])];
                let answer = answer(&gateway.plan, words[1].parse().unwrap(), words[2], words[3]);
                format!("get {}: {answer}", words[..4].join(" ")) == **line
                    || panic!("{row}: {line}, but found {answer}\n{:#?}", gateway.plan.routes)
            }
            None => lines.iter().any(|known| known == line),
        };
        assert!(found, "{row}: no line\n{line}\nin\n{}", lines.join("\n"));
    }
}

/// An installation that may read the Secrets of two namespaces.
pub(super) fn installation() -> Installation {
    Installation { secret_namespaces: ["infra", "web"].map(str::to_owned).into(), ..Installation::default() }
}

pub(super) fn compiled(world: &World) -> Compiled {
    compile(world, CONTROLLER_NAME, &installation())
}

pub(super) fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

/// Proxies that serve at an address.
pub(super) fn deployed() -> Deployed {
    Deployed { addresses: vec![address("10.96.0.9")], serving: true }
}

/// Everything that the statuses say.
pub(super) fn lines(world: &World, compiled: &Compiled) -> Vec<String> {
    let mut lines = Vec::new();
    let mut say = |who: String, conditions: &[Condition]| {
        for Condition { type_, status, reason, .. } in conditions {
            lines.push(format!("{who} {type_}={status}/{reason}"));
        }
    };
    for (name, finding) in &compiled.classes {
        let object = &world.gateway_classes[&Key::new("", name)];
        let status = status::class(object, finding, &at(1)).unwrap().status;
        say(format!("class {name}"), &status.conditions.unwrap());
    }
    let mut counts = Vec::new();
    for (key, compilation) in &compiled.gateways {
        let status = status::gateway(&world.gateways[key], compilation, &deployed(), &at(1)).unwrap().status;
        say(format!("gateway {}", key.name), &status.conditions.unwrap());
        for listener in status.listeners.unwrap() {
            let kinds: Vec<_> = listener.supported_kinds.unwrap().into_iter().map(|kind| kind.kind).collect();
            let who = format!("listener {} {}", key.name, listener.name);
            counts.push(format!("{who} attached={} kinds={}", listener.attached_routes, kinds.join("+")));
            say(who, &listener.conditions);
        }
    }
    for (key, parents) in &compiled.http_routes {
        let status = status::http_route(&world.http_routes[key], parents, CONTROLLER_NAME, &at(1)).unwrap().status;
        for parent in status.parents.iter().filter(|parent| parent.controller_name == CONTROLLER_NAME) {
            let section = parent.parent_ref.section_name.as_deref().map_or(String::new(), |name| format!("#{name}"));
            say(
                format!("route {}/{} at {}{section}", key.namespace, key.name, parent.parent_ref.name),
                &parent.conditions,
            );
        }
    }
    lines.extend(counts);
    lines
}

/// Who answers a request, found without any cleverness.
fn answer(plan: &Plan, port: u16, host: &str, path: &str) -> String {
    let at_port = |route: &&Route| {
        let mut listeners = plan.listeners.iter().filter(|listener| listener.port == port);
        listeners.any(|listener| route.listeners.contains(&listener.name))
    };
    let takes = |route: &&Route| match &route.host {
        None => true,
        Some(Host::Exact(name)) => name == host,
        Some(Host::Suffix(suffix)) => host.len() > suffix.len() && host.ends_with(suffix.as_str()),
    };
    let rank = |route: &&Route| {
        let host = match &route.host {
            None => (0, 0),
            Some(Host::Suffix(suffix)) => (1, suffix.len()),
            Some(Host::Exact(name)) => (2, name.len()),
        };
        match &route.path {
            PathMatch::Exact(_) => (host, 1, 0),
            PathMatch::Prefix(path) => (host, 0, path.as_str().trim_end_matches('/').len()),
        }
    };
    let candidates = plan.routes.iter().filter(at_port).filter(takes).filter(|route| route.path.takes(path));
    candidates.max_by_key(rank).map_or("404".to_owned(), |route| backends(&route.backends))
}

fn backends(backends: &Backends) -> String {
    let one = |backend: &Backend| match backend {
        Backend::Service(service) => format!("{}/{}", service.namespace, service.name),
        Backend::Failure(failure) => failure.status().to_string(),
    };
    match backends {
        Backends::One(backend) => one(backend),
        Backends::Weighted(weighted) => {
            let parts = weighted.iter().map(|part| format!("{}*{}", part.weight, one(&part.backend)));
            parts.collect::<Vec<_>>().join("+")
        }
    }
}

/// The one Gateway of a world.
pub(super) fn only(compiled: &Compiled) -> &Compilation {
    assert_eq!(compiled.gateways.len(), 1);
    compiled.gateways.values().next().unwrap()
}
