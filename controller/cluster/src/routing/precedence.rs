//! PURE. Which of several routes of one host and path wins (Gateway API, `HTTPRouteRule.matches`).

use std::sync::Arc;

use tidegate_config::{Host, Path, PathMatch};

use super::Route;

/// Where a route is from; the smaller one wins.
///
/// The fields stand in the order in which they decide. A condition beyond host and path will have its place before the
/// age: the more conditions, the earlier.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Precedence {
    /// Whether the rule has conditions that the proxy cannot check, so that this takes more than the rule asks for. It
    /// gives way to every route that means what it takes.
    pub widened: bool,
    /// When the route's object was made, in seconds since the Unix epoch: the oldest wins.
    pub created: i64,
    /// `NAMESPACE/NAME` of that object: the first by alphabet wins.
    pub object: Arc<str>,
    /// The place of the rule in the object: the first wins.
    pub rule: usize,
    /// The place of the match in the rule.
    pub matched: usize,
}

/// A path as the proxy tells it from others: a prefix with and without its last `/` is the same.
fn place(path: &PathMatch) -> (bool, &str) {
    match path {
        PathMatch::Exact(path) => (false, path.as_str()),
        PathMatch::Prefix(path) => (true, path.as_str().trim_end_matches('/')),
    }
}

/// What the proxy tells routes apart by.
fn slot(route: &Route) -> (Option<&Host>, (bool, &str), &[String]) {
    (route.host.as_ref(), place(&route.path), &route.listeners)
}

/// Leaves one route for each listener, host and path, and brings them in an order that does not depend on how the routes
/// were found. The listeners of a route that is the same for all of them are put together.
pub fn resolve(routes: Vec<Route>) -> Vec<Route> {
    let mut single: Vec<Route> = routes.into_iter().flat_map(by_listener).collect();
    single.sort_unstable_by(|a, b| slot(a).cmp(&slot(b)).then_with(|| a.precedence.cmp(&b.precedence)));
    single.dedup_by(|loser, winner| slot(loser) == slot(winner));
    // Now neighbours of one rule differ in the listener alone.
    single.dedup_by(|next, known| {
        let same = (&known.host, &known.precedence) == (&next.host, &next.precedence);
        if same {
            known.listeners.append(&mut next.listeners);
        }
        same
    });
    single
}

/// The same route for each of its listeners alone.
fn by_listener(mut route: Route) -> impl Iterator<Item = Route> {
    let last = route.listeners.pop();
    let others = std::mem::take(&mut route.listeners);
    let others: Vec<Route> =
        others.into_iter().map(|listener| Route { listeners: vec![listener], ..route.clone() }).collect();
    others.into_iter().chain(last.map(|listener| Route { listeners: vec![listener], ..route }))
}

/// The prefix that takes every path.
pub(super) fn every_path() -> PathMatch {
    PathMatch::default()
}

/// Whether a condition takes every path.
pub(super) fn takes_every_path(path: &PathMatch) -> bool {
    matches!(path, PathMatch::Prefix(prefix) if Path::as_str(prefix).trim_end_matches('/').is_empty())
}
