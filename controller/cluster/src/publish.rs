//! PURE. From a plan of routes and the catalog of services to what a set of proxies is told.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use siphasher::sip::SipHasher13;
use tidegate_config::{
    Admin, Arm, Certificate, Config, Identity, Limits, Listener, Name, PrivateKey, Publication, Refuse, Route, Service,
    Share, Split, Timeouts, Tls, Version, Visitor,
};
use tidegate_controller::publish::{Keys, salt};

use crate::catalog::{Catalog, Entry};
use crate::routing::{self, Backend, Backends, Failure, Plan, ServicePort, Weighted};
use crate::world::Key;

/// The service that answers each route of a plan, in their order; `None` where there is none.
pub type Answers = Vec<Option<Answer>>;

/// A service under its name.
type Answer = (Name, Arc<Entry>);

/// Who answers the routes of a plan.
pub fn answers(plan: &Plan, catalog: &Catalog<'_>, keys: &Keys) -> Answers {
    let services = Services { catalog, keys };
    plan.routes.iter().map(|route| services.answer(route)).collect()
}

/// Whether these are the very same services.
pub fn are_same(one: &Answers, other: &Answers) -> bool {
    let same = |pair: (&Option<Answer>, &Option<Answer>)| match pair {
        (Some((one, known)), Some((other, entry))) => one == other && Arc::ptr_eq(known, entry),
        (one, other) => one.is_none() && other.is_none(),
    };
    one.len() == other.len() && one.iter().zip(other).all(same)
}

/// What the proxies of a plan are told. `None` where the plan has nothing to serve: what they have stays in force.
pub fn publication(plan: &Plan, answers: &Answers, keys: &Keys) -> Option<Publication> {
    if plan.listeners.is_empty() {
        return None;
    }
    let names: BTreeMap<&str, Name> = plan
        .listeners
        .iter()
        .enumerate()
        .filter_map(|(number, listener)| Some((listener.name.as_str(), format!("l{number}").parse().ok()?)))
        .collect();
    let routes = plan.routes.iter().zip(answers).filter_map(|(it, answer)| Some(route(it, answer.as_ref()?, &names)));
    let routes = routes.collect();
    let listeners = plan.listeners.iter().map(|it| listener(it, names.get(it.name.as_str()).cloned())).collect();
    Some(assemble(listeners, routes, answers.iter().flatten().cloned().collect(), keys))
}

fn route(route: &routing::Route, (service, _): &Answer, listeners: &BTreeMap<&str, Name>) -> Route {
    let listeners: BTreeSet<Name> =
        route.listeners.iter().filter_map(|name| listeners.get(name.as_str()).cloned()).collect();
    Route {
        host: route.host.clone(),
        path: route.path.clone(),
        listeners: Some(listeners),
        service: service.clone(),
        request_timeout: None,
    }
}

/// A publication of these routes and services, without a generation yet; all else as it is without a word about it.
pub(crate) fn assemble(
    listeners: Vec<Listener>,
    routes: Vec<Route>,
    found: BTreeMap<Name, Arc<Entry>>,
    keys: &Keys,
) -> Publication {
    let parts = |(name, entry): Answer| {
        let Entry { service, split } = Arc::unwrap_or_clone(entry);
        ((name.clone(), service), (name, split))
    };
    let (services, splits) = found.into_iter().map(parts).unzip();
    let config = Config {
        listeners,
        admin: Admin::default(),
        workers: None,
        access_log: None,
        routes,
        services,
        timeouts: Timeouts::default(),
        limits: Limits::default(),
    };
    Publication { generation: 0, cookie_key: keys.cookie, config: Arc::new(config), splits }
}

fn listener(listener: &routing::Listener, name: Option<Name>) -> Listener {
    let inline = |it: &routing::Certificate| Certificate::Inline {
        certificate: it.chain.clone(),
        key: PrivateKey(it.key.clone()),
    };
    let certificates: Vec<Certificate> = listener.certificates.iter().map(inline).collect();
    Listener {
        name,
        address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, listener.socket)),
        host: listener.host.clone(),
        tls: (listener.protocol == routing::Protocol::Https).then_some(Tls { certificates }),
    }
}

/// Where services come from.
struct Services<'a> {
    catalog: &'a Catalog<'a>,
    keys: &'a Keys,
}

impl Services<'_> {
    fn answer(&self, route: &routing::Route) -> Option<Answer> {
        match &route.backends {
            Backends::One(backend) => self.one(backend),
            Backends::Weighted(parts) => self.weighted(parts),
        }
    }

    fn one(&self, backend: &Backend) -> Option<Answer> {
        match backend {
            Backend::Service(service) => self.service(service).or_else(|| self.refusing(Failure::NotFound)),
            Backend::Failure(failure) => self.refusing(*failure),
        }
    }

    fn service(&self, service: &ServicePort) -> Option<Answer> {
        let key = Key::new(service.namespace.clone(), service.name.clone());
        let found = self.catalog.entry(&key, Some(&service.port.to_string()))?;
        Some((found.name, found.entry))
    }

    /// A service that only says why nobody answers.
    fn refusing(&self, failure: Failure) -> Option<Answer> {
        let reason: Name = failure.reason().parse().ok()?;
        let refuse = Some(Refuse { status: failure.status(), reason: reason.clone() });
        let versions = BTreeMap::from([(reason.clone(), Version { refuse, ..Version::default() })]);
        let name: Name = format!("refuse.{reason}").parse().ok()?;
        let arms = vec![Arm::new(reason, Share::ALL)];
        let entry = self.fixed(&name, versions, arms)?;
        Some((name, entry))
    }

    /// Several backends as the versions of one service, each request for itself. The versions of a backend that has several
    /// are versions of their own.
    fn weighted(&self, parts: &[Weighted]) -> Option<Answer> {
        let total: u64 = parts.iter().map(|part| u64::from(part.weight)).sum();
        let (mut versions, mut arms, mut before) = (BTreeMap::new(), Vec::new(), 0u64);
        let mut name = SipHasher13::new_with_keys(0, 0);
        for (number, part) in parts.iter().enumerate() {
            let (service, entry) = self.one(&part.backend)?;
            name.write(service.as_str().as_bytes());
            name.write_u32(part.weight);
            let from = before;
            before += u64::from(part.weight);
            // Whole parts per million that add up to all of them.
            let place = |weight: u64| weight * 1_000_000 / total.max(1);
            let width = place(before) - place(from);
            let mut used = 0;
            for (index, arm) in entry.split.arms.iter().enumerate() {
                let last = index + 1 == entry.split.arms.len();
                let share = if last { width - used } else { width * u64::from(arm.share.ppm()) / 1_000_000 };
                used += share;
                let version: Name = format!("b{number}.{index}").parse().ok()?;
                let found = entry.service.versions.get(&arm.version).cloned().unwrap_or_default();
                versions.insert(version.clone(), Version { share: Share::ZERO, ..found });
                arms.push(Arm::new(version, Share::from_ppm(u32::try_from(share).ok()?)?));
            }
        }
        let name: Name = format!("weighted.{:016x}", name.finish()).parse().ok()?;
        let entry = self.fixed(&name, versions, arms)?;
        Some((name, entry))
    }

    /// A service whose shares nobody moves. Every request is drawn for itself.
    fn fixed(&self, name: &Name, versions: BTreeMap<Name, Version>, arms: Vec<Arm>) -> Option<Arc<Entry>> {
        let stable = arms.last()?.version.clone();
        let service = Service {
            stable: Some(stable.clone()),
            versions,
            visitor: Visitor { by: Identity::Request, ..Visitor::default() },
            ..Service::default()
        };
        let salt = salt(&self.keys.master, name, None);
        let split = Split::fixed(0, salt, arms, stable);
        Some(Arc::new(Entry { service, split }))
    }
}
