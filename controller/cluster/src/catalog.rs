//! PURE. The services that proxies are told of: those that are released by us with their versions and the shares that are
//! written down for them, all others as one version with the ready addresses of their slices.

mod entries;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Service as KubeService, ServicePort};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use tidegate_config::{Address, Arm, Key as Secret, Name, Service, Share, Split, Version, Visitor};
use tidegate_controller::publish::{Keys, salt, whole_seconds};
use tidegate_controller::service_record::ServiceRecord;

use crate::lead::Asked;
use crate::rollout_object::Memory;
use crate::site::{Ask, site};
use crate::versions::{Held, Usable, address, is_open, is_ready, selected, service_port, stays};
use crate::world::{Key, List, World};

pub use entries::{Entries, Found};
use entries::{Of, Pods};

/// The label that says whose an `EndpointSlice` is (`kubernetes.io/service-name`).
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The only version of a Service that is not released by us.
const ONLY: &str = "all";

/// The Service that a slice is of.
pub(crate) fn service_of(slice: &EndpointSlice) -> Option<Key> {
    let service = slice.metadata.labels.as_ref()?.get(SERVICE_NAME)?;
    Some(Key::new(slice.metadata.namespace.clone().unwrap_or_default(), service.clone()))
}

/// The rollout objects, by the Service they are for.
pub type Released = BTreeMap<Key, (Arc<Asked>, Arc<Memory>)>;

/// A service as proxies are told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its versions.
    pub service: Service,
    /// How its visitors are divided.
    pub split: Split,
}

impl Entry {
    /// A service of one version, which has all visitors.
    pub(crate) fn only(version: Name, endpoints: Vec<Address>, visitor: Visitor, salt: Secret) -> Self {
        let found = Version { endpoints, ..Version::default() };
        let versions = BTreeMap::from([(version.clone(), found)]);
        let service = Service { stable: Some(version.clone()), versions, visitor, ..Service::default() };
        let arms = vec![Arm::new(version.clone(), Share::ALL)];
        let split = Split::fixed(0, salt, arms, version);
        Self { service, split }
    }
}

/// What the services of a moment are made of.
#[derive(Debug)]
pub struct Catalog<'a> {
    world: &'a World,
    released: &'a Released,
    keys: &'a Keys,
    entries: RefCell<Entries>,
    workloads: World,
}

/// What a Service's port is called by proxies: `NAME.NAMESPACE`, and `.PORT` where the Service has several. `None` where it
/// has no such port, or its name is none.
pub fn name_of(key: &Key, service: &KubeService, port: Option<&str>) -> Option<Name> {
    let found = service_port(service, port)?;
    let several = service.spec.as_ref()?.ports.as_ref()?.len() > 1;
    let Key { namespace, name } = key;
    let text = match &found.name {
        Some(port) if several => format!("{name}.{namespace}.{port}"),
        _ => format!("{name}.{namespace}"),
    };
    text.parse().ok()
}

impl<'a> Catalog<'a> {
    /// The catalog of a world, given the entries of the one before.
    pub fn new(world: &'a World, released: &'a Released, keys: &'a Keys, entries: Entries) -> Self {
        Self { world, released, keys, entries: RefCell::new(entries), workloads: world.of_workloads() }
    }

    /// The entries that were asked for.
    pub fn into_entries(self) -> Entries {
        let mut entries = self.entries.into_inner();
        entries.forget();
        entries
    }

    /// A port of a Service; `None` where there is no such.
    pub fn entry(&self, key: &Key, port: Option<&str>) -> Option<Found> {
        let service = self.world.services.get(key)?;
        let released = self.released.get(key).map(|(asked, memory)| (Arc::clone(asked), Arc::clone(memory)));
        let slices = self.world.slices_of(key);
        let pods = (released.is_some() || !are_served(&slices))
            .then(|| Pods { selected: selected(self.world, key), workloads: self.workloads.clone() });
        let of = Of { service: Arc::clone(service), slices, released, pods };
        self.entries.borrow_mut().get(key, port, of, || {
            let name = name_of(key, service, port)?;
            let divided = self.divided(key, service, port, &name);
            let released = divided.is_some();
            let entry = divided.or_else(|| self.plain(key, service, port, &name))?;
            Some(Found { name, entry: Arc::new(entry), released })
        })
    }

    /// A port of a Service whose shares are written down, and of no other.
    pub fn released(&self, key: &Key, port: Option<&str>) -> Option<Found> {
        self.entry(key, port).filter(|found| found.released)
    }

    /// The Services that may be such.
    pub fn services(&self) -> impl Iterator<Item = &'a Key> {
        self.released.keys()
    }

    /// A Service whose shares are written down.
    fn divided(&self, key: &Key, object: &KubeService, port: Option<&str>, name: &Name) -> Option<Entry> {
        let (asked, memory) = self.released.get(key)?;
        let newest = memory.record.epochs.newest()?;
        let ask = Ask { port, ..asked.ask(memory) };
        let seen = site(self.world, &ask, memory.stable.as_ref(), &memory.trusted).ok()?;
        let mut service = seen.service;
        // Shares that are written down stay in force, whatever has become of a version meanwhile.
        let status = memory.record.under_way();
        for arm in &newest.arms {
            let is_empty = service.versions.entry(arm.version.clone()).or_default().endpoints.is_empty();
            // A canary's visitors have the stable version to go to. Others would have nobody, until somebody leads and
            // writes down what the cluster has put in the place of their version.
            let of_canary = status.is_some() && memory.record.tried().any(|status| status.canary == arm.version);
            if is_empty && !of_canary && !seen.left.contains(&arm.version) {
                let endpoints = self.instead(key, &service, service_port(object, port)?);
                service.versions.entry(arm.version.clone()).or_default().endpoints = endpoints;
            }
        }
        let split = split(&memory.record, newest.number, &newest.arms, &service, self.keys, name)?;
        if let Some(status) = status {
            service.rollout = Some(status.policy.clone());
        }
        Some(Entry { service, split })
    }

    /// Who answers for a version of which nothing is left: the stable one, or whoever is ready. These are ports of
    /// applications: a slice may name those of sidecars, which would send the visitors on to each other for ever.
    fn instead(&self, key: &Key, service: &Service, port: &ServicePort) -> Vec<Address> {
        let stable = service.stable.as_ref().and_then(|stable| service.versions.get(stable));
        if let Some(stable) = stable.filter(|stable| !stable.endpoints.is_empty()) {
            return stable.endpoints.clone();
        }
        let pods = selected(self.world, key);
        let ready = pods.iter().filter(|pod| is_ready(pod) && stays(pod));
        let ready: Vec<Address> = ready.filter_map(|pod| address(pod, port)).map(Address::Ip).collect();
        if ready.is_empty() { self.unheard(key, port) } else { ready }
    }

    /// Who serves on nodes that nobody hears from: for a Service of which nobody else is left.
    fn unheard(&self, key: &Key, port: &ServicePort) -> Vec<Address> {
        let pods = selected(self.world, key);
        let usable = Usable::of(self.world, pods.iter());
        let there = pods.iter().filter(|pod| usable.has(pod) && is_open(pod) != Held::Shut);
        there.filter_map(|pod| address(pod, port)).map(Address::Ip).collect()
    }

    fn plain(&self, key: &Key, service: &KubeService, port: Option<&str>, name: &Name) -> Option<Entry> {
        let endpoints = self.ready(key, service_port(service, port)?);
        let only: Name = ONLY.parse().ok()?;
        let mut entry = Entry::only(only, endpoints, Visitor::default(), salt(&self.keys.master, name, None));
        entry.service.park = self.released.get(key).and_then(|(asked, _)| asked.parks());
        Some(entry)
    }

    /// Where the cluster itself sends requests for a port.
    fn ready(&self, key: &Key, port: &ServicePort) -> Vec<Address> {
        let wanted = port.name.as_deref().unwrap_or_default();
        let slices = self.world.slices_of(key);
        let mut endpoints: Vec<Address> = slices.iter().flat_map(|slice| addresses(slice, wanted)).collect();
        if !are_served(&slices) {
            endpoints = self.unheard(key, port);
        }
        endpoints.sort();
        endpoints.dedup();
        endpoints
    }
}

/// The split that a record has written down.
fn split(
    record: &ServiceRecord,
    epoch: u64,
    arms: &[Arm],
    service: &Service,
    keys: &Keys,
    name: &Name,
) -> Option<Split> {
    let status = record.under_way();
    let is_arm = |version: &&Name| arms.iter().any(|arm| arm.version == **version);
    let now = status.map(|status| &status.stable).or(service.stable.as_ref()).filter(is_arm);
    // The last one was stable when the shares were written down.
    let stable = now.or_else(|| arms.last().map(|arm| &arm.version)).cloned()?;
    let rollout = status.map(|status| status.rollout);
    Some(Split {
        epoch,
        salt: salt(&keys.master, name, rollout),
        arms: arms.to_vec(),
        stable,
        canary: status.map(|status| status.canary.clone()),
        rivals: status.into_iter().flat_map(|_| &record.rivals).map(|status| status.canary.clone()).collect(),
        rollout,
        rollout_began: status.map_or(0, |status| whole_seconds(status.started.millis())),
    })
}

/// Whether an endpoint takes requests (`endpoints[].conditions.ready`: unset is ready).
fn is_served(endpoint: &Endpoint) -> bool {
    endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true)
}

/// Whether the cluster itself sends requests to anybody in these slices.
fn are_served(slices: &List<EndpointSlice>) -> bool {
    slices.iter().any(|slice| slice.endpoints.iter().any(is_served))
}

/// The addresses of a slice that take requests on a port.
fn addresses(slice: &EndpointSlice, port: &str) -> Vec<Address> {
    let ports = slice.ports.iter().flatten();
    let found = ports.into_iter().find(|it| it.name.as_deref().unwrap_or_default() == port).and_then(|it| it.port);
    let Some(number) = found.and_then(|port| u16::try_from(port).ok()) else { return Vec::new() };
    let ready = slice.endpoints.iter().filter(|endpoint| is_served(endpoint));
    let ips = ready.flat_map(|endpoint| &endpoint.addresses).filter_map(|ip| ip.parse().ok());
    ips.map(|ip| Address::Ip(std::net::SocketAddr::new(ip, number))).collect()
}

#[cfg(test)]
mod tests;
