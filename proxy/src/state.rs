//! The routing state in force, and the one way to change it.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use tidegate_config::policy::{Conversion, Policy};
use tidegate_config::{Address, Config, Name, Problems, Publication, Span, Split};

use crate::clock::now;
use crate::cohort::Window;
use crate::endpoint::Endpoint;
use crate::parked::Parked;
use crate::refused::Refused;
use crate::registry::Registry;
use crate::route::RouteTable;
use crate::snapshot::{Arm, Part, Refusal, Role, Service, Snapshot, Timeouts};
use crate::tls::{Keyring, TlsTable};
use crate::trip::Trip;

/// The addresses that DNS names stand for at the moment.
pub type Resolved = BTreeMap<Address, Vec<SocketAddr>>;

/// The addresses of the application beside this proxy, each with the one by which it is reached from here.
pub type Beside = BTreeMap<SocketAddr, SocketAddr>;

/// What workers read, and what their counters are kept in.
#[derive(Debug)]
pub struct State {
    current: ArcSwap<Snapshot>,
    registry: Arc<Mutex<Registry>>,
    refused: Refused,
    parked: Parked,
    workers: usize,
    origin: Instant,
    /// Serialises changes; holds what outlives a snapshot.
    carried: Mutex<Carried>,
}

#[derive(Debug, Default)]
struct Carried {
    endpoints: HashMap<(Name, Name, SocketAddr), Arc<Endpoint>>,
    next_endpoint: u64,
    routes: Option<Routes>,
    keyring: Keyring,
    beside: Beside,
}

/// A route table and what it was built from: a change of shares alone builds none.
#[derive(Debug)]
struct Routes {
    config: Arc<Config>,
    services: Vec<Name>,
    table: Arc<RouteTable>,
}

impl State {
    /// The state for `workers` workers, with a first publication in force.
    pub fn new(
        publication: &Publication,
        resolved: &Resolved,
        workers: usize,
        registry: Arc<Mutex<Registry>>,
    ) -> Result<Self, Problems> {
        let origin = now();
        let mut carried = Carried::default();
        let tls = carried.keyring.table(&publication.config)?;
        let snapshot = build(publication, resolved, workers, origin, tls, &mut lock(&registry), &mut carried);
        let current = ArcSwap::from_pointee(snapshot);
        let (refused, parked) = (Refused::new(workers), Parked::new(workers));
        Ok(Self { current, registry, refused, parked, workers, origin, carried: Mutex::new(carried) })
    }

    /// Reads the certificates of a configuration, as a publication of it will need them.
    pub(crate) fn prepare(&self, config: &Arc<Config>) -> Result<(), Problems> {
        self.carried().keyring.table(config).map(drop)
    }

    /// Puts a publication in force: requests that begin after this see it, requests under way end as they began.
    ///
    /// An older generation than the one in force is ignored, one with certificates that cannot be served refused.
    pub fn apply(&self, publication: &Publication, resolved: &Resolved) -> Result<(), Problems> {
        let mut carried = self.carried();
        if publication.generation < self.current.load().generation {
            return Ok(());
        }
        let tls = carried.keyring.table(&publication.config)?;
        let mut registry = lock(&self.registry);
        let snapshot = build(publication, resolved, self.workers, self.origin, tls, &mut registry, &mut carried);
        self.current.store(Arc::new(snapshot));
        Ok(())
    }

    /// Prefers the application beside this proxy from the next publication on: its version is served by it alone while it
    /// answers, and by others when it does not.
    pub(crate) fn prefer(&self, beside: Beside) {
        self.carried().beside = beside;
    }

    fn carried(&self) -> MutexGuard<'_, Carried> {
        self.carried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The snapshot in force.
    pub fn current(&self) -> &ArcSwap<Snapshot> {
        &self.current
    }

    /// The counters of requests that were refused before a route was found.
    pub(crate) fn refused(&self) -> &Refused {
        &self.refused
    }

    /// The requests that wait for somebody to answer them.
    pub(crate) fn parked(&self) -> &Parked {
        &self.parked
    }

    /// The counters.
    pub fn registry(&self) -> MutexGuard<'_, Registry> {
        lock(&self.registry)
    }
}

fn lock(registry: &Mutex<Registry>) -> MutexGuard<'_, Registry> {
    registry.lock().unwrap_or_else(PoisonError::into_inner)
}

fn build(
    publication: &Publication,
    resolved: &Resolved,
    workers: usize,
    origin: Instant,
    tls: Arc<TlsTable>,
    registry: &mut Registry,
    carried: &mut Carried,
) -> Snapshot {
    let config = &publication.config;
    let old = std::mem::take(&mut carried.endpoints);
    let mut services = Vec::new();
    for (name, split) in &publication.splits {
        let Some(configured) = config.services.get(name) else { continue };
        let slot = registry.slot(name);
        let versions: Vec<Name> = split.arms.iter().map(|arm| arm.version.clone()).collect();
        let Some(counters) = registry.services[slot].as_mut() else { continue };
        let shards = counters.enter_epoch(split.epoch, &versions, workers);
        counters.tidy();
        let mut arms = Vec::new();
        for (arm, shards) in split.arms.iter().zip(shards) {
            let told = configured.versions.get(&arm.version);
            let addresses = addresses_of(told.map_or(&[][..], |version| &version.endpoints), resolved);
            let beside = addresses.iter().position(|address| carried.beside.contains_key(address));
            let endpoints = carried.endpoints_of(&old, name, &arm.version, &addresses, origin);
            let outside = counters.outside(&arm.version, workers);
            let (role, version) = (role(split, &arm.version), arm.version.clone());
            let refusal = told.and_then(|version| version.refuse.as_ref()).and_then(Refusal::of);
            let vacant = role == Role::Canary && told.is_none_or(|it| it.endpoints.is_empty() && it.refuse.is_none());
            arms.push(Arm { version, role, share: arm.share, vacant, endpoints, beside, refusal, shards, outside });
        }
        let fallback = arms.iter().position(|arm| arm.role == Role::Stable).unwrap_or(arms.len().saturating_sub(1));
        let policy = configured.rollout.as_ref();
        let trips = counters.guard(split.epoch, || trips(split, &arms, policy));
        let conversion = policy.and_then(|policy| policy.conversion.clone());
        let window = conversion.as_ref().and_then(window);
        let facts_cookie = format!("{}-{:08x}", crate::cookie::VISITOR, short_hash(name));
        services.push(Service {
            name: name.clone(),
            slot,
            epoch: split.epoch,
            salt: split.salt,
            line: split.line().into_iter().map(|(arm, upper)| Part { arm, upper }).collect(),
            arms,
            rollout: split.rollout,
            rollout_began: split.rollout_began,
            visitor: configured.visitor.clone(),
            conversion,
            window,
            facts_cookie,
            trips,
            fallback,
            park: configured.parks().map(Into::into),
        });
    }
    registry.retain(|name| publication.splits.contains_key(name));
    let names = services.iter().map(|service| service.name.clone()).collect();
    Snapshot {
        generation: publication.generation,
        routes: carried.routes_of(config, names),
        tls,
        services,
        cookie_key: publication.cookie_key,
        timeouts: timeouts(config),
        limits: config.limits.clone(),
        access_log: config.access_log.is_some(),
    }
}

/// The guards of a rollout's visitors: one for each version that is tried.
fn trips(split: &Split, arms: &[Arm], policy: Option<&Policy>) -> Vec<Trip> {
    let of = |role| arms.iter().enumerate().filter(move |(_, arm)| arm.role == role);
    let place = |(at, arm): (usize, &Arm)| (at, arm.share.ppm());
    let stable = of(Role::Stable).next().map(place);
    let (Some(policy), Some(stable)) = (policy.filter(|_| split.rollout.is_some()), stable) else { return Vec::new() };
    of(Role::Canary).filter_map(|canary| Trip::new(place(canary), stable, &policy.errors)).collect()
}

fn window(conversion: &Conversion) -> Option<Window> {
    let seconds = |span: Span| u32::try_from(span.millis().div_ceil(1_000)).unwrap_or(u32::MAX);
    conversion.window.map(|window| Window { seconds: seconds(window) })
}

fn role(split: &Split, version: &Name) -> Role {
    if split.tried().any(|tried| tried == version) {
        Role::Canary
    } else if split.stable == *version {
        Role::Stable
    } else {
        Role::Other
    }
}

/// Names the facts cookie: short, and the same for a service wherever it is served.
fn short_hash(name: &Name) -> u32 {
    let draw = crate::assign::Draw::of(&tidegate_config::Key([0; 16]), name.as_str().as_bytes());
    draw.thinning()
}

fn timeouts(config: &Config) -> Timeouts {
    let tidegate_config::Timeouts {
        header_read,
        client_idle,
        connect,
        request: _,
        body_idle,
        endpoint_idle,
        upgrade_idle,
        drain,
    } = config.timeouts.clone();
    Timeouts {
        header_read: header_read.into(),
        client_idle: client_idle.into(),
        connect: connect.into(),
        body_idle: body_idle.into(),
        endpoint_idle: endpoint_idle.into(),
        upgrade_idle: upgrade_idle.into(),
        drain: drain.into(),
    }
}

fn addresses_of(addresses: &[Address], resolved: &Resolved) -> Vec<SocketAddr> {
    let mut all = Vec::new();
    for address in addresses {
        match address {
            Address::Ip(ip) => all.push(*ip),
            name @ Address::Dns { .. } => all.extend(resolved.get(name).into_iter().flatten()),
        }
    }
    all.truncate(tidegate_config::limits::ENDPOINTS_PER_VERSION_MAX);
    all
}

impl Carried {
    /// The routes of a configuration to the services in this order.
    fn routes_of(&mut self, config: &Arc<Config>, services: Vec<Name>) -> Arc<RouteTable> {
        let known = self.routes.take().filter(|it| Arc::ptr_eq(&it.config, config) && it.services == services);
        let routes = known.unwrap_or_else(|| {
            let index: HashMap<&Name, usize> = services.iter().enumerate().map(|(index, name)| (name, index)).collect();
            let table = Arc::new(RouteTable::new(config, |name| index.get(name).copied()));
            Routes { config: Arc::clone(config), services, table }
        });
        let table = Arc::clone(&routes.table);
        self.routes = Some(routes);
        table
    }

    /// The endpoints of a version: those known already keep their health and, by their id, their connections.
    fn endpoints_of(
        &mut self,
        old: &HashMap<(Name, Name, SocketAddr), Arc<Endpoint>>,
        service: &Name,
        version: &Name,
        addresses: &[SocketAddr],
        origin: Instant,
    ) -> Arc<[Arc<Endpoint>]> {
        let mut endpoint = |address: &SocketAddr| {
            let key = (service.clone(), version.clone(), *address);
            let known = self.endpoints.get(&key).or_else(|| old.get(&key)).cloned();
            let endpoint = known.unwrap_or_else(|| {
                self.next_endpoint += 1;
                let reached = self.beside.get(address).unwrap_or(address);
                Arc::new(Endpoint::new(*reached, self.next_endpoint, origin))
            });
            self.endpoints.insert(key, Arc::clone(&endpoint));
            endpoint
        };
        addresses.iter().map(&mut endpoint).collect()
    }
}
