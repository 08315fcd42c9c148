//! PURE. A request belongs to one listener of its port, that with the most specific host, and no route of another one
//! may take it (Gateway API, `Listener.hostname`). Proxies look for the most specific host over all routes of a port, so
//! that has to be brought about by the routes themselves.

use super::hosts::covers;
use super::precedence::{every_path, takes_every_path};
use super::{Backend, Backends, Failure, Listener, Precedence, Route};

/// Takes every route away from listeners that are not among `listeners` and from those whose requests would never be its
/// own, and answers 404 for a listener whose routes do not take all of its requests while those of a less specific one
/// would.
pub fn isolate(listeners: &[Listener], routes: Vec<Route>) -> Vec<Route> {
    let mut kept: Vec<Route> = routes.into_iter().filter_map(|route| own(listeners, route)).collect();
    let guards: Vec<Route> = listeners.iter().filter_map(|listener| guard(listeners, &kept, listener)).collect();
    kept.extend(guards);
    kept
}

/// The route, for those of its listeners where it can be met.
fn own(listeners: &[Listener], mut route: Route) -> Option<Route> {
    route.listeners.retain(|name| {
        let listener = listeners.iter().find(|listener| listener.name == *name);
        listener.is_some_and(|listener| {
            let host = route.host.as_ref();
            !listeners.iter().any(|other| narrower(other, listener) && covers(other.host.as_ref(), host))
        })
    });
    (!route.listeners.is_empty()).then_some(route)
}

/// Whether `other` is at the same port, for less hosts.
fn narrower(other: &Listener, listener: &Listener) -> bool {
    other.port == listener.port && other.host != listener.host && covers(listener.host.as_ref(), other.host.as_ref())
}

fn guard(listeners: &[Listener], routes: &[Route], listener: &Listener) -> Option<Route> {
    let below = listeners.iter().any(|other| narrower(listener, other));
    let complete = routes.iter().any(|route| {
        route.host == listener.host && takes_every_path(&route.path) && route.listeners.contains(&listener.name)
    });
    (below && !complete).then(|| Route {
        listeners: vec![listener.name.clone()],
        host: listener.host.clone(),
        path: every_path(),
        precedence: Precedence { widened: true, created: i64::MAX, object: "".into(), rule: 0, matched: 0 },
        backends: Backends::One(Backend::Failure(Failure::NoRoute)),
    })
}
