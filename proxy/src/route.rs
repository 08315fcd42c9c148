//! PURE. Which route takes a request: the most specific host first, then an exact path, then the longest prefix.
//!
//! Hosts and paths are looked up by hash, so the time does not grow with the number of routes.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::FixedState;
use tidegate_config::{Config, Host, Name, PathMatch};

type Map<V> = HashMap<Box<str>, V, FixedState>;

/// What a route says about a request it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The service, as an index into the snapshot's services.
    pub service: usize,
    /// From the end of the request to the head of its response.
    pub request_timeout: Duration,
}

/// The routes of one snapshot.
#[derive(Debug, Default)]
pub struct RouteTable {
    exact_hosts: Map<Paths>,
    /// Longest suffix first.
    suffix_hosts: Vec<(Box<str>, Paths)>,
    any_host: Paths,
}

/// The routes of one host.
#[derive(Debug, Default)]
struct Paths {
    exact: Map<Target>,
    /// Without a trailing slash; "" takes every path.
    prefixes: Map<Target>,
    longest_prefix: usize,
}

impl RouteTable {
    /// Builds the table; `service` gives a service's index.
    pub fn new(config: &Config, service: impl Fn(&Name) -> Option<usize>) -> Self {
        let mut table = Self::default();
        for route in &config.routes {
            let Some(service) = service(&route.service) else { continue };
            let request_timeout = route.request_timeout.unwrap_or(config.timeouts.request).into();
            let target = Target { service, request_timeout };
            table.paths_of(route.host.as_ref()).add(&route.path, target);
        }
        table.suffix_hosts.sort_by_key(|(suffix, _)| std::cmp::Reverse(suffix.len()));
        table
    }

    fn paths_of(&mut self, host: Option<&Host>) -> &mut Paths {
        match host {
            None => &mut self.any_host,
            Some(Host::Exact(name)) => self.exact_hosts.entry(name.as_str().into()).or_default(),
            Some(Host::Suffix(suffix)) => {
                let known = self.suffix_hosts.iter().position(|(known, _)| **known == **suffix);
                let index = known.unwrap_or_else(|| {
                    self.suffix_hosts.push((suffix.as_str().into(), Paths::default()));
                    self.suffix_hosts.len() - 1
                });
                &mut self.suffix_hosts[index].1
            }
        }
    }

    /// The target of a request. `host` is in lower case and without a port.
    pub fn find(&self, host: &str, path: &str) -> Option<Target> {
        if let Some(found) = self.exact_hosts.get(host).and_then(|paths| paths.find(path)) {
            return Some(found);
        }
        let mut suffixes = self.suffix_hosts.iter();
        // A wildcard stands for at least one label, so the suffix alone, which begins with a dot, does not match.
        let by_suffix = suffixes.find_map(|(suffix, paths)| {
            (host.len() > suffix.len() && host.ends_with(&**suffix)).then(|| paths.find(path)).flatten()
        });
        by_suffix.or_else(|| self.any_host.find(path))
    }
}

impl Paths {
    fn add(&mut self, path: &PathMatch, target: Target) {
        match path {
            PathMatch::Exact(path) => {
                self.exact.insert(path.as_str().into(), target);
            }
            PathMatch::Prefix(path) => {
                let prefix = path.as_str().trim_end_matches('/');
                self.longest_prefix = self.longest_prefix.max(prefix.len());
                self.prefixes.insert(prefix.into(), target);
            }
        }
    }

    fn find(&self, path: &str) -> Option<Target> {
        if !self.exact.is_empty()
            && let Some(found) = self.exact.get(path)
        {
            return Some(*found);
        }
        if self.prefixes.is_empty() {
            return None;
        }
        // Every prefix ends where a segment does. The longest is tried first; nothing beyond the longest known one.
        let mut end = path.len();
        while end > self.longest_prefix {
            end = path[..end].rfind('/')?;
        }
        loop {
            if let Some(found) = self.prefixes.get(&path[..end]) {
                return Some(*found);
            }
            end = path[..end].rfind('/')?;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn table(routes: &str) -> RouteTable {
        let service = |i| format!("s{i}: {{versions: {{v: {{endpoints: ['127.0.0.1:1']}}}}}}");
        let services = (0..8).map(service).collect::<Vec<_>>().join(", ");
        let text = format!("listeners: [{{address: '127.0.0.1:0'}}]\nroutes: [{routes}]\nservices: {{{services}}}");
        let config = Config::parse(&text).unwrap();
        RouteTable::new(&config, |name| name.as_str()[1..].parse().ok())
    }

    fn check(routes: &str, expected: &[(&str, &str, Option<usize>)]) {
        let table = table(routes);
        for (host, path, service) in expected {
            assert_eq!(table.find(host, path).map(|t| t.service), *service, "{host} {path} in {routes}");
        }
    }

    #[test]
    fn the_most_specific_route_wins() {
        let routes = "{service: s0}, {path: {prefix: /shop}, service: s1}, {path: {prefix: /shop/cart/}, service: s2}, \
             {path: {exact: /shop/cart}, service: s3}, {host: a.example, service: s4}, {host: '*.example', service: s5}, \
             {host: '*.b.example', path: {prefix: /x}, service: s6}";
        check(
            routes,
            &[
                ("other", "/", Some(0)),
                ("other", "/shopping", Some(0)),
                ("other", "/shop", Some(1)),
                ("other", "/shop/", Some(1)),
                ("other", "/shop/cart/1", Some(2)),
                ("other", "/shop/cart", Some(3)),
                ("a.example", "/shop", Some(4)),
                ("c.example", "/shop", Some(5)),
                ("c.b.example", "/x/y", Some(6)),
                ("c.b.example", "/y", Some(5)),
                ("example", "/", Some(0)),
            ],
        );
    }

    #[test]
    fn without_a_match_there_is_no_route() {
        check("{host: a, path: {prefix: /x}, service: s0}", &[("a", "/y", None), ("b", "/x", None), ("a", "", None)]);
    }

    proptest! {
        #[test]
        fn finds_what_a_plain_search_finds(path in "(/[ab]{0,2}){0,4}", prefixes in proptest::collection::btree_set("(/[ab]{1,2}){0,3}", 1..6)) {
            let prefixes: Vec<String> = prefixes.into_iter().take(8).collect();
            let routes: Vec<String> = prefixes.iter().enumerate()
                .map(|(i, p)| format!("{{path: {{prefix: '{}'}}, service: s{i}}}", if p.is_empty() { "/" } else { p })).collect();
            let matches = |p: &String| format!("{path}/").starts_with(&format!("{p}/"));
            let longest = prefixes.iter().enumerate().filter(|(_, p)| matches(p)).max_by_key(|(_, p)| p.len()).map(|(i, _)| i);
            prop_assert_eq!(table(&routes.join(", ")).find("h", &path).map(|t| t.service), longest);
        }
    }
}
