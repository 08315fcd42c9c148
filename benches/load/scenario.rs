//! What is asked of a proxy: its routing table and the visitors that come.

use serde::Serialize;

/// Hosts in the large routing table.
pub(crate) const HOSTS: usize = 10;
/// Paths of each host: 100 routes in all.
pub(crate) const PATHS: usize = 10;
/// Returning visitors whose cookies are fetched from the proxy beforehand.
pub(crate) const VISITORS: usize = 1000;

/// One row of the comparison for each proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Scenario {
    /// One route, one backend.
    Bare,
    /// 100 routes, two versions 90:10, visitors that send the cookie they were given.
    Returning,
    /// The same, visitors that have no cookie: every response sets one.
    New,
}

impl Scenario {
    /// In the order of the report.
    pub(crate) const ALL: [Self; 3] = [Self::Bare, Self::Returning, Self::New];

    /// Its name in one line.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Bare => "bare: one route, one backend",
            Self::Returning => "100 routes, sticky 90:10, returning visitors",
            Self::New => "100 routes, sticky 90:10, visitors without a cookie",
        }
    }

    /// Whether the proxy has the large table and keeps visitors on their version.
    pub(crate) fn is_sticky(self) -> bool {
        self != Self::Bare
    }

    /// The requests that the generator cycles through, without cookies.
    pub(crate) fn requests(self) -> Vec<Request> {
        match self {
            Self::Bare => vec![Request::nth(0)],
            Self::New => (0..HOSTS * PATHS).map(Request::nth).collect(),
            Self::Returning => (0..VISITORS).map(Request::nth).collect(),
        }
    }
}

/// One request of the generator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) host: String,
    pub(crate) path: String,
    /// The value of the cookie header, if the visitor has one.
    pub(crate) cookie: Option<String>,
}

impl Request {
    /// A request that walks through the routing table as `number` grows.
    fn nth(number: usize) -> Self {
        Self { host: host(number % HOSTS), path: path(number / HOSTS % PATHS), cookie: None }
    }
}

/// Every host and path of the large routing table.
pub(crate) fn routes() -> impl Iterator<Item = (String, String)> {
    (0..HOSTS).flat_map(|h| (0..PATHS).map(move |p| (host(h), path(p))))
}

/// The name of a host in the routing table.
pub(crate) fn host(number: usize) -> String {
    format!("h{number}.example")
}

/// A path in the routing table.
pub(crate) fn path(number: usize) -> String {
    format!("/p{number}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_sticky_scenarios_use_every_route() {
        for scenario in [Scenario::Returning, Scenario::New] {
            let requests = scenario.requests();
            let routes: BTreeSet<_> = requests.iter().map(|request| (&request.host, &request.path)).collect();
            assert_eq!(routes.len(), 100, "{scenario:?}");
        }
    }
}
