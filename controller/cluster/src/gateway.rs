//! PURE. The Gateway API as a front end: what its objects in the [`World`] mean for routing, for the proxies that must
//! exist, and for the status of each object.
//!
//! [`compile`] does all of it that follows from the objects alone. [`infrastructure`] and [`status`] add what only the
//! installation and the moment know.

mod address;
mod backend;
mod certificate;
mod class;
mod finding;
mod grants;
pub mod infrastructure;
mod installation;
mod listener;
mod namespaces;
mod parameters;
mod ports;
mod quantity;
mod references;
mod route;
mod rule;
pub mod status;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use gateway_api::gateways::Gateway;
use tidegate_config::limits::ROUTES_MAX;

pub use address::{Asked, Range, address, addresses};
pub use class::SUPPORTED_FEATURES;
pub use finding::Finding;
pub use installation::Installation;
pub use parameters::{Parameters, ServiceType};
pub use ports::{ADMIN_PORT, UNPRIVILEGED};
pub use quantity::{Cpu, Memory};
pub use references::references;
pub use route::Parent;

use crate::routing::{Plan, Route, isolate, resolve};
use crate::world::{Key, World};
use listener::Listener;

/// The name of this controller, which a `GatewayClass` gives in `spec.controllerName`.
pub const CONTROLLER_NAME: &str = "tidegate.dev/gateway-controller";

/// Listeners of a Gateway (`Gateway.spec.listeners`), for each of which there may be one route of our own.
const LISTENERS_MAX: usize = 64;

/// What the Gateway API's objects mean.
#[derive(Debug, Clone, Default)]
pub struct Compiled {
    /// Our classes by name, each with whether it is accepted.
    pub classes: BTreeMap<String, Finding>,
    /// The Gateways of our classes.
    pub gateways: BTreeMap<Key, Compilation>,
    /// The HTTP routes that have such a Gateway for a parent, with all of those parents.
    pub http_routes: BTreeMap<Key, Vec<Parent>>,
}

/// What one Gateway means.
#[derive(Debug, Clone)]
pub struct Compilation {
    /// What its proxies serve. It is served even where the Gateway is not accepted: a mistake in it takes no traffic away
    /// from proxies that run.
    pub plan: Plan,
    /// The condition `Accepted`.
    pub accepted: Finding,
    /// Its listeners as written, in their order.
    pub listeners: Vec<JudgedListener>,
    /// How its proxies are deployed; `None` where the Gateway is not accepted: what is there stays as it is.
    pub parameters: Option<Parameters>,
    /// The addresses it asks for.
    pub asked: Asked,
}

/// What is found about a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedListener {
    /// Its name.
    pub name: String,
    /// The port that clients use, if it is one that the proxy can open.
    pub port: Option<u16>,
    /// Whether the listener takes HTTP routes.
    pub http_routes: bool,
    /// `Accepted`, `Conflicted` and `ResolvedRefs`.
    pub findings: Vec<Finding>,
    /// Whether it is among the plan's listeners.
    pub served: bool,
    /// How many routes are accepted for it.
    pub attached: usize,
}

/// Compiles everything that is of a class of `controller`.
pub fn compile(world: &World, controller: &str, installation: &Installation) -> Compiled {
    let classes = class::judge(world, controller);
    let ours = world.gateways.iter().filter(|(_, gateway)| classes.contains_key(&gateway.spec.gateway_class_name));
    let listeners: BTreeMap<Key, Vec<Listener>> =
        ours.map(|(key, gateway)| (key.clone(), listener::judge(world, installation, gateway))).collect();
    let mut http_routes = BTreeMap::new();
    let mut gathered: BTreeMap<Key, Gathered> = BTreeMap::new();
    // Those that were there first have their place first.
    let mut by_age: Vec<_> = world.http_routes.iter().collect();
    by_age.sort_by_cached_key(|(key, object)| (route::created(object), key.to_string()));
    for (key, object) in by_age {
        let (mut parents, attached) = route::attach(world, &listeners, key, object);
        for (gateway, attached) in attached {
            if !gathered.entry(gateway.clone()).or_default().add(attached) {
                parents.iter_mut().filter(|parent| parent.gateway == gateway).for_each(Parent::turn_away);
            }
        }
        if !parents.is_empty() {
            http_routes.insert(key.clone(), parents);
        }
    }
    let gateways = listeners.into_iter().filter_map(|(key, listeners)| {
        let gateway = world.gateways.get(&key)?;
        let gathered = gathered.remove(&key).unwrap_or_default();
        Some((key.clone(), Compilation::new(world, key, gateway, listeners, gathered, &installation.parameters)))
    });
    let gateways = gateways.collect();
    Compiled { classes, gateways, http_routes }
}

/// What all routes come to for one Gateway.
#[derive(Debug, Default)]
struct Gathered {
    /// How large `routes` is, each counted once for each of its listeners.
    size: usize,
    /// How many are attached, by listener.
    counts: BTreeMap<String, usize>,
    routes: Vec<Route>,
}

impl Gathered {
    /// Adds what one route has become, if there is room for it.
    fn add(&mut self, attached: route::Attached) -> bool {
        let added: usize = attached.routes.iter().map(|route| route.listeners.len()).sum();
        if self.size + added > ROUTES_MAX - LISTENERS_MAX {
            return false;
        }
        self.size += added;
        for listener in attached.listeners {
            *self.counts.entry(listener).or_default() += 1;
        }
        self.routes.extend(attached.routes);
        true
    }
}

impl Compilation {
    fn new(
        world: &World,
        key: Key,
        gateway: &Gateway,
        listeners: Vec<Listener>,
        gathered: Gathered,
        defaults: &Parameters,
    ) -> Self {
        let asked = Asked::parse(gateway.spec.addresses.as_deref());
        let parameters = parameters::of(world, gateway, defaults);
        let accepted = accepted(gateway, &listeners, &asked, &parameters);
        let served: Vec<_> = listeners.iter().filter_map(|listener| listener.served.clone()).collect();
        let routes = isolate(&served, resolve(gathered.routes));
        let judged = |listener: Listener| JudgedListener {
            port: u16::try_from(listener.port).ok().filter(|_| listener.accepted.holds),
            http_routes: listener.http_routes,
            served: listener.served.is_some(),
            attached: gathered.counts.get(&listener.name).copied().unwrap_or_default(),
            name: listener.name,
            findings: vec![listener.accepted, listener.conflicted, listener.resolved],
        };
        Self {
            plan: Plan { gateway: key, listeners: served, routes },
            parameters: parameters.ok().filter(|_| accepted.holds),
            accepted,
            listeners: listeners.into_iter().map(judged).collect(),
            asked: asked.unwrap_or_default(),
        }
    }

    /// The ports that clients use, of listeners that are accepted.
    pub fn ports(&self) -> BTreeSet<u16> {
        self.listeners.iter().filter_map(|listener| listener.port).collect()
    }
}

/// Whether a Gateway is accepted as a whole.
fn accepted(
    gateway: &Gateway,
    listeners: &[Listener],
    asked: &Result<Asked, String>,
    parameters: &Result<Parameters, String>,
) -> Finding {
    let fails = |reason, message: &str| Finding::fails("Accepted", reason, message);
    if let Err(wrong) = asked {
        return fails("UnsupportedAddress", wrong);
    }
    if let Err(wrong) = parameters {
        return fails("InvalidParameters", wrong);
    }
    if let Err(wrong) = infrastructure::metadata(gateway) {
        return fails("InvalidParameters", &wrong);
    }
    if gateway.spec.tls.as_ref().is_some_and(|tls| tls.backend.is_some()) {
        return fails("Invalid", "spec.tls.backend: client certificates for backends are not supported; allowed: none");
    }
    let refused: Vec<&str> = listeners.iter().filter(|l| !l.accepted.holds).map(|l| l.name.as_str()).collect();
    let message = format!("spec.listeners: {} not accepted, see their conditions", refused.join(", "));
    if refused.is_empty() {
        Finding::holds("Accepted", "Accepted")
    } else if refused.len() == listeners.len() {
        fails("ListenersNotValid", &message)
    } else {
        Finding { about: "Accepted", holds: true, reason: "ListenersNotValid", message }
    }
}
