//! PURE. Which route takes a request: of the listeners at its address the one whose host is the most specific, of the routes
//! of that listener the one with the most specific host, then an exact path, then the longest prefix.
//!
//! Hosts and paths are looked up by hash, so the time does not grow with the number of listeners and routes. Which hosts are
//! whose is settled when the table is built: for each address, a host leads to the routes of its listener and to no other.

mod paths;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tidegate_config::{Config, Host, Listener, Name, PathMatch};

use crate::hosts::Hosts;
use paths::Paths;

/// What a route says about a request it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The service, as an index into the snapshot's services.
    pub service: usize,
    /// From the end of the request to the head of its response.
    pub request_timeout: Duration,
}

/// Why a request has no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// No route takes it.
    NoRoute,
    /// It came over a connection that was opened for another listener (RFC 9110 §15.5.20).
    Misdirected,
}

/// The routes of one snapshot.
#[derive(Debug)]
pub struct RouteTable {
    doors: Vec<(SocketAddr, Arc<Door>)>,
    elsewhere: Arc<Door>,
}

/// The routes of the listeners at one address.
#[derive(Debug, Default)]
pub struct Door {
    areas: Hosts<Area>,
}

/// The routes for one host, as its listener has them.
#[derive(Debug)]
struct Area {
    /// Which listener of the address.
    listener: usize,
    /// Those of the most specific host first.
    paths: Box<[Arc<Paths>]>,
}

impl RouteTable {
    /// Builds the table; `service` gives a service's index.
    pub fn new(config: &Config, service: impl Fn(&Name) -> Option<usize>) -> Self {
        let routes = Routes::of(config, service);
        let mut by_address = BTreeMap::<SocketAddr, Vec<&Listener>>::new();
        for listener in &config.listeners {
            by_address.entry(listener.address).or_default().push(listener);
        }
        // Addresses whose listeners have the same hosts and routes share one.
        let mut known = HashMap::<Vec<Part<'_>>, Arc<Door>>::new();
        let mut doors = Vec::new();
        for (address, listeners) in by_address {
            let parts: Vec<_> = listeners.into_iter().map(|listener| routes.part(listener)).collect();
            let door = known.entry(parts).or_insert_with_key(|parts| Arc::new(routes.door(parts)));
            doors.push((address, Arc::clone(door)));
        }
        let plain = vec![(None, None)];
        let elsewhere = known.remove(&plain).unwrap_or_else(|| Arc::new(routes.door(&plain)));
        Self { doors, elsewhere }
    }

    /// The routes at an address of a listener. Clients of one that is gone meet those that are for every listener.
    pub fn at(&self, address: SocketAddr) -> &Door {
        // A handful nearly always: comparing is faster than hashing.
        let found = self.doors.iter().find(|(known, _)| *known == address);
        found.map_or(&self.elsewhere, |(_, door)| door)
    }
}

impl Door {
    /// The target of a request. `host` is in lower case and without a port, and so is `sni`: whom the client asked for when it
    /// opened its connection, if it did.
    pub fn find(&self, host: &str, path: &str, sni: Option<&str>) -> Result<Target, Missed> {
        let area = self.areas.get(host).ok_or(Missed::NoRoute)?;
        if let Some(sni) = sni
            && self.areas.get(sni).map(|asked| asked.listener) != Some(area.listener)
        {
            return Err(Missed::Misdirected);
        }
        area.paths.iter().find_map(|paths| paths.find(path)).ok_or(Missed::NoRoute)
    }
}

/// A listener as far as routes are concerned: its host, and its name where there are routes for it alone.
type Part<'a> = (Option<&'a Host>, Option<&'a Name>);

/// By the host: conditions and targets.
type ByHost<'a> = BTreeMap<Option<&'a Host>, Vec<(&'a PathMatch, Target)>>;

/// The routes of a configuration.
struct Routes<'a> {
    /// Those for all listeners.
    common: ByHost<'a>,
    /// The same, ready to be shared.
    shared: BTreeMap<Option<&'a Host>, Arc<Paths>>,
    /// Those for one listener.
    named: BTreeMap<&'a Name, ByHost<'a>>,
}

impl<'a> Routes<'a> {
    fn of(config: &'a Config, service: impl Fn(&Name) -> Option<usize>) -> Self {
        let (mut common, mut named) = (ByHost::new(), BTreeMap::<_, ByHost<'_>>::new());
        for route in &config.routes {
            let Some(service) = service(&route.service) else { continue };
            let request_timeout = route.request_timeout.unwrap_or(config.timeouts.request).into();
            let rule = (&route.path, Target { service, request_timeout });
            match &route.listeners {
                None => common.entry(route.host.as_ref()).or_default().push(rule),
                Some(listeners) => listeners.iter().for_each(|name| {
                    named.entry(name).or_default().entry(route.host.as_ref()).or_default().push(rule);
                }),
            }
        }
        let shared = common.iter().map(|(host, rules)| (*host, Arc::new(paths(rules)))).collect();
        Self { common, shared, named }
    }

    fn part(&self, listener: &'a Listener) -> Part<'a> {
        let Listener { name, host, address: _, tls: _ } = listener;
        (host.as_ref(), name.as_ref().filter(|name| self.named.contains_key(name)))
    }

    /// The routes of listeners that share an address.
    fn door(&self, parts: &[Part<'_>]) -> Door {
        let mut owners = Hosts::default();
        parts.iter().enumerate().for_each(|(listener, (host, _))| owners.insert(*host, listener));
        let mut areas = Hosts::default();
        for (listener, (host, name)) in parts.iter().enumerate() {
            let by_host = self.by_host(*host, *name);
            let mut routes = Hosts::default();
            for (host, paths) in &by_host {
                routes.insert(*host, Arc::clone(paths));
            }
            let narrower = by_host.into_keys().filter(|route| is_within(*route, *host));
            for host in narrower.chain([*host]).collect::<BTreeSet<_>>() {
                // What another listener is more specific for is that one's.
                if owners.covering(host).next() == Some(&listener) {
                    let paths = routes.covering(host).cloned().collect();
                    areas.insert(host, Area { listener, paths });
                }
            }
        }
        Door { areas }
    }

    /// The routes of one listener, as far as its host and theirs have a request in common.
    fn by_host(&self, host: Option<&Host>, name: Option<&Name>) -> BTreeMap<Option<&'a Host>, Arc<Paths>> {
        let meets = |route: Option<&Host>| is_within(route, host) || is_within(host, route);
        let common = self.shared.iter().filter(|(route, _)| meets(**route));
        let mut routes: BTreeMap<_, _> = common.map(|(route, paths)| (*route, Arc::clone(paths))).collect();
        let named = name.and_then(|name| self.named.get(name)).into_iter().flatten();
        for (route, rules) in named.filter(|(route, _)| meets(**route)) {
            let common = self.common.get(route).into_iter().flatten();
            routes.insert(*route, Arc::new(paths(common.chain(rules))));
        }
        routes
    }
}

/// Whether all requests for a host are for the other one, too.
fn is_within(host: Option<&Host>, other: Option<&Host>) -> bool {
    other.is_none_or(|other| host.is_some_and(|host| host.is_within(other)))
}

fn paths<'a>(rules: impl IntoIterator<Item = &'a (&'a PathMatch, Target)>) -> Paths {
    let mut paths = Paths::default();
    rules.into_iter().for_each(|(path, target)| paths.add(path, *target));
    paths
}

#[cfg(test)]
mod tests;
