//! PURE. HTTP routes: which listeners of which Gateways each of them belongs to, what it becomes there, and what is found
//! about it for each of its parents.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gateway_api::experimental::httproutes::{HttpRoute, HttpRouteParentRefs, HttpRouteRules};
use tidegate_config::Host;
use tidegate_config::limits::ROUTES_MAX;

use super::finding::{Finding, wrong};
use super::grants::GROUP;
use super::listener::{Listener, resolved};
use super::rule::{self, Rule};
use crate::routing::{Precedence, Route, intersect};
use crate::world::{Key, World};

/// One of a route's parents that is a Gateway of ours, and what is found about the route there.
#[derive(Debug, Clone, PartialEq)]
pub struct Parent {
    /// The reference as it is written in the route.
    pub reference: HttpRouteParentRefs,
    /// The Gateway.
    pub gateway: Key,
    /// `Accepted`, `ResolvedRefs`, and `PartiallyInvalid` if it is.
    pub findings: Vec<Finding>,
}

impl Parent {
    /// Takes back that the route is accepted there, where the Gateway has no room for it.
    pub(super) fn turn_away(&mut self) {
        self.findings.retain(|finding| finding.about == "ResolvedRefs");
        let message = format!(
            "the Gateway has all the routes it can take; allowed: {ROUTES_MAX}, counted for each host and path of a rule at \
             each listener, the oldest HTTPRoutes first"
        );
        self.findings.insert(0, Finding::fails("Accepted", "TooManyRoutes", message));
    }
}

/// When an object was made, in seconds since the Unix epoch; later than all others, if that is not known.
pub(super) fn created(object: &HttpRoute) -> i64 {
    object.metadata.creation_timestamp.as_ref().map_or(i64::MAX, |time| time.0.as_second())
}

/// A route, read once for all of its parents.
struct Read<'a> {
    object: &'a HttpRoute,
    key: &'a Key,
    hosts: Vec<Host>,
    rules: Vec<Rule>,
    /// What the proxy cannot do, by rule; hosts are nobody's rule.
    unsupported: Vec<String>,
    /// Whether nothing of the route can be served.
    useless: bool,
}

/// A listener, and the hosts that it and a route have both.
type Place<'l> = (&'l Listener, Vec<Option<Host>>);

/// What a route is to a Gateway.
#[derive(Debug, Default)]
pub(super) struct Attached {
    /// The listeners that it counts for.
    pub(super) listeners: BTreeSet<String>,
    /// What it becomes.
    pub(super) routes: Vec<Route>,
}

/// The parents of a route that are among `gateways`, and what it adds to each of these.
pub(super) fn attach(
    world: &World,
    gateways: &BTreeMap<Key, Vec<Listener>>,
    key: &Key,
    object: &HttpRoute,
) -> (Vec<Parent>, BTreeMap<Key, Attached>) {
    let references = object.spec.parent_refs.iter().flatten();
    let ours = references.filter_map(|reference| {
        let gateway = parent(reference, &key.namespace)?;
        let listeners = gateways.get(&gateway)?;
        Some((reference, gateway, listeners))
    });
    let (mut read, mut parents, mut attached) = (None, Vec::new(), BTreeMap::<Key, Attached>::new());
    for (reference, gateway, listeners) in ours {
        let read = read.get_or_insert_with(|| Read::new(world, key, object));
        let place = place(world, &gateway.namespace, listeners, reference, read);
        let findings = read.findings(place.as_ref().err());
        if let Ok(places) = place.as_ref()
            && !read.useless
        {
            let attached = attached.entry(gateway.clone()).or_default();
            attached.listeners.extend(places.iter().map(|(listener, _)| listener.name.clone()));
            attached.routes.extend(read.routes(places));
        }
        parents.push(Parent { reference: reference.clone(), gateway, findings });
    }
    (parents, attached)
}

/// The Gateway that a reference names, if it names one.
fn parent(reference: &HttpRouteParentRefs, namespace: &str) -> Option<Key> {
    let group = reference.group.as_deref().unwrap_or(GROUP);
    let kind = reference.kind.as_deref().unwrap_or("Gateway");
    let namespace = reference.namespace.as_deref().unwrap_or(namespace);
    (group == GROUP && kind == "Gateway").then(|| Key::new(namespace, &reference.name))
}

/// The listeners of a Gateway that take the route, each with the hosts that both have; or why there is none.
fn place<'l>(
    world: &World,
    home: &str,
    listeners: &'l [Listener],
    reference: &HttpRouteParentRefs,
    read: &Read<'_>,
) -> Result<Vec<Place<'l>>, Finding> {
    let HttpRouteParentRefs { section_name, port, .. } = reference;
    let named = |listener: &&Listener| {
        section_name.as_ref().is_none_or(|name| *name == listener.name) && port.is_none_or(|port| port == listener.port)
    };
    let candidates: Vec<&Listener> = listeners.iter().filter(named).collect();
    if candidates.is_empty() {
        let known: Vec<String> = listeners.iter().map(|l| format!("{} on port {}", l.name, l.port)).collect();
        let message = format!("no listener has this sectionName and port; allowed: {}", known.join(", "));
        return Err(Finding::fails("Accepted", "NoMatchingParent", message));
    }
    let takes = |listener: &Listener| {
        listener.routes.as_ref().is_some_and(|namespaces| namespaces.contain(world, home, &read.key.namespace))
    };
    let allowed: Vec<&Listener> = candidates.into_iter().filter(|listener| takes(listener)).collect();
    if allowed.is_empty() {
        let namespace = &read.key.namespace;
        let message =
            format!("no listener takes HTTPRoutes of namespace {namespace}; allowed: as their allowedRoutes say");
        return Err(Finding::fails("Accepted", "NotAllowedByListeners", message));
    }
    let met = allowed.iter().map(|listener| (*listener, read.hosts_at(listener)));
    let met: Vec<_> = met.filter(|(_, hosts)| !hosts.is_empty()).collect();
    if met.is_empty() {
        let hosts = allowed.iter().filter_map(|listener| listener.host.as_ref().map(ToString::to_string));
        let message =
            format!("spec.hostnames: none is of a listener; allowed: {}", hosts.collect::<Vec<_>>().join(", "));
        return Err(Finding::fails("Accepted", "NoMatchingListenerHostname", message));
    }
    Ok(met)
}

impl<'a> Read<'a> {
    fn new(world: &World, key: &'a Key, object: &'a HttpRoute) -> Self {
        let mut unsupported = Vec::new();
        let mut hosts = Vec::new();
        for (i, written) in object.spec.hostnames.iter().flatten().enumerate() {
            match written.parse() {
                Ok(host) => hosts.push(host),
                Err(error) => unsupported.push(format!("spec.hostnames[{i}]: {}", wrong(&error))),
            }
        }
        let no_host_left = hosts.is_empty() && !unsupported.is_empty();
        // What the API server fills in where there are no rules.
        let every_path = [HttpRouteRules::default()];
        let written = object.spec.rules.as_deref().filter(|rules| !rules.is_empty()).unwrap_or(&every_path);
        let rules: Vec<Rule> = written.iter().map(|written| rule::read(world, &key.namespace, written)).collect();
        for (i, rule) in rules.iter().enumerate() {
            unsupported.extend(rule.unsupported.iter().map(|wrong| format!("spec.rules[{i}].{wrong}")));
        }
        let useless = no_host_left || rules.iter().all(|rule| !rule.unsupported.is_empty());
        Self { object, key, hosts, rules, unsupported, useless }
    }

    /// The hosts that a listener and the route have both.
    fn hosts_at(&self, listener: &Listener) -> Vec<Option<Host>> {
        if self.hosts.is_empty() {
            return vec![listener.host.clone()];
        }
        let both = self.hosts.iter().filter_map(|host| intersect(listener.host.as_ref(), Some(host)));
        both.collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn findings(&self, refused: Option<&Finding>) -> Vec<Finding> {
        let unsupported = || self.unsupported.join("; ");
        let accepted = match refused {
            Some(refused) => refused.clone(),
            None if self.useless => Finding::fails("Accepted", "UnsupportedValue", unsupported()),
            None => Finding::holds("Accepted", "Accepted"),
        };
        let partly = accepted.holds && !self.unsupported.is_empty();
        let faults = self.rules.iter().enumerate().flat_map(|(i, rule)| {
            let message = move |j, wrong: &str| format!("spec.rules[{i}].backendRefs[{j}]: {wrong}");
            rule.faults.iter().map(move |(j, fault)| (fault.reason(), message(*j, &fault.message)))
        });
        let mut findings = vec![accepted, resolved(&faults.collect::<Vec<_>>())];
        if partly {
            let message = format!("rules answered with 500, and hosts left out: {}", unsupported());
            let reason = "UnsupportedValue";
            findings.push(Finding { about: "PartiallyInvalid", holds: true, reason, message });
        }
        findings
    }

    /// What the route is at these listeners, whether they can serve or not.
    fn routes(&self, places: &[Place<'_>]) -> Vec<Route> {
        let mut hosts: BTreeMap<&Option<Host>, Vec<String>> = BTreeMap::new();
        for (listener, met) in places {
            for host in met {
                hosts.entry(host).or_default().push(listener.name.clone());
            }
        }
        let (created, name) = (created(self.object), Arc::<str>::from(self.key.to_string()));
        let mut routes = Vec::new();
        for (i, rule) in self.rules.iter().enumerate() {
            for (j, matched) in rule.matches.iter().enumerate() {
                routes.extend(hosts.iter().map(|(host, listeners)| Route {
                    listeners: listeners.clone(),
                    host: (*host).clone(),
                    path: matched.path.clone(),
                    precedence: Precedence {
                        widened: matched.widened,
                        created,
                        object: Arc::clone(&name),
                        rule: i,
                        matched: j,
                    },
                    backends: rule.backends.clone(),
                }));
            }
        }
        routes
    }
}
