//! PURE. Which proxies serve a Service's visitors, and so tell how its versions do.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use tidegate_config::{Name, Span, Timeouts};

use crate::catalog::name_of;
use crate::gateway::infrastructure::proxies;
use crate::gateway::{ADMIN_PORT, Compiled};
use crate::routing::{Backend, Backends, Plan};
use crate::versions::{ip, is_ready};
use crate::world::{Key, World};

/// The addresses at which the proxies that serve a Service are read.
pub type Targets = Vec<SocketAddr>;

/// Who serves a Service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Served {
    /// Whether its traffic passes us.
    pub managed: bool,
    /// Where its proxies are read.
    pub targets: Targets,
    /// The longest request timeout of the routes to it.
    pub request_timeout: Span,
}

/// The Gateways that lead to a Service whole, by the name that proxies know it by.
pub type Routed = BTreeMap<Name, BTreeSet<Key>>;

/// What the routes of a world come to; it follows from them and from Services alone.
pub fn routed(world: &World, compiled: &Compiled) -> Routed {
    let mut all = Routed::new();
    for (gateway, compilation) in &compiled.gateways {
        for name in services(world, &compilation.plan) {
            all.entry(name).or_default().insert(gateway.clone());
        }
    }
    all
}

/// Who serves these Services.
pub fn served<'a>(world: &World, routed: &Routed, names: impl Iterator<Item = &'a Name>) -> BTreeMap<Name, Served> {
    let mut found: BTreeMap<&Key, Targets> = BTreeMap::new();
    let mut all = BTreeMap::new();
    for name in names {
        let Some(gateways) = routed.get(name) else { continue };
        let mut targets = Targets::new();
        for gateway in gateways {
            targets.extend(found.entry(gateway).or_insert_with(|| read_at(world, gateway)).iter());
        }
        targets.sort_unstable();
        targets.dedup();
        let served = Served { managed: true, targets, request_timeout: Timeouts::default().request };
        all.insert(name.clone(), served);
    }
    all
}

/// Where the proxies of a Gateway are read.
fn read_at(world: &World, gateway: &Key) -> Targets {
    let ready = proxies(world, gateway).filter(|pod| is_ready(pod)).filter_map(|pod| ip(pod));
    ready.map(|ip| SocketAddr::new(ip, ADMIN_PORT)).collect()
}

/// The Services to which a route of a plan leads whole. One that has a part of a route's requests is drawn per request, and
/// a route of another namespace steers nothing.
fn services<'a>(world: &'a World, plan: &'a Plan) -> impl Iterator<Item = Name> + 'a {
    plan.routes.iter().filter_map(|route| match &route.backends {
        Backends::One(Backend::Service(to)) if to.local => {
            let key = Key::new(&to.namespace, &to.name);
            name_of(&key, world.services.get(&key)?, Some(&to.port.to_string()))
        }
        _ => None,
    })
}
