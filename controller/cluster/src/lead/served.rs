//! PURE. Which proxies serve a Service's visitors, and so tell how its versions do.

use std::collections::BTreeMap;
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

/// Who serves the Services, by the name that proxies know them by.
pub fn served(world: &World, compiled: &Compiled) -> BTreeMap<Name, Served> {
    let mut all: BTreeMap<Name, Served> = BTreeMap::new();
    for (gateway, compilation) in &compiled.gateways {
        let ready = proxies(world, gateway).filter(|pod| is_ready(pod)).filter_map(|pod| ip(pod));
        let targets: Targets = ready.map(|ip| SocketAddr::new(ip, ADMIN_PORT)).collect();
        for name in services(world, &compilation.plan) {
            let served = all.entry(name).or_default();
            served.managed = true;
            served.request_timeout = Timeouts::default().request;
            served.targets.extend(&targets);
        }
    }
    for served in all.values_mut() {
        served.targets.sort_unstable();
        served.targets.dedup();
    }
    all
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
