//! PURE. Which of several routes of one host and path wins (Gateway API, `HTTPRouteRule.matches`).

use std::collections::BTreeMap;

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
    pub object: String,
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

/// Leaves one route for each listener, host and path, and brings them in an order that does not depend on how the routes
/// were found. The listeners of a route that is the same for all of them are put together.
pub fn resolve(mut routes: Vec<Route>) -> Vec<Route> {
    routes.sort_by(|a, b| a.precedence.cmp(&b.precedence));
    let mut winners: BTreeMap<(Option<Host>, bool, String, String), Route> = BTreeMap::new();
    for Route { listeners, host, path, precedence, backends } in routes {
        for listener in listeners {
            let (prefix, text) = place(&path);
            winners.entry((host.clone(), prefix, text.to_owned(), listener.clone())).or_insert_with(|| Route {
                listeners: vec![listener],
                host: host.clone(),
                path: path.clone(),
                precedence: precedence.clone(),
                backends: backends.clone(),
            });
        }
    }
    let mut resolved: Vec<Route> = Vec::with_capacity(winners.len());
    for route in winners.into_values() {
        // Neighbours differ in the listener alone, so those of one rule are found here.
        let same = |known: &&mut Route| (&known.host, &known.precedence) == (&route.host, &route.precedence);
        match resolved.last_mut().filter(same) {
            Some(known) => known.listeners.extend(route.listeners),
            None => resolved.push(route),
        }
    }
    resolved
}

/// The prefix that takes every path.
pub(super) fn every_path() -> PathMatch {
    PathMatch::default()
}

/// Whether a condition takes every path.
pub(super) fn takes_every_path(path: &PathMatch) -> bool {
    matches!(path, PathMatch::Prefix(prefix) if Path::as_str(prefix).trim_end_matches('/').is_empty())
}
