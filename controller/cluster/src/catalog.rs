//! PURE. The services that proxies are told of: those that are released by us with their versions and the shares that are
//! written down for them, all others as one version with the ready addresses of their slices.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service as KubeService;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use tidegate_config::{Address, Arm, Key as Secret, Name, Service, Share, Split, Version, Visitor};
use tidegate_controller::publish::{Keys, salt, whole_seconds};
use tidegate_controller::service_record::ServiceRecord;

use crate::lead::Asked;
use crate::rollout_object::Memory;
use crate::site::{Ask, site};
use crate::versions::service_port;
use crate::world::{Key, World};

/// The label that says whose an `EndpointSlice` is (`kubernetes.io/service-name`).
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The only version of a Service that is not released by us.
const ONLY: &str = "all";

/// The rollout objects, by the Service they are for.
pub type Released = BTreeMap<Key, (Asked, Arc<Memory>)>;

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
        let service = Service {
            stable: Some(version.clone()),
            canary: None,
            versions: BTreeMap::from([(version.clone(), found)]),
            rollout: None,
            visitor,
        };
        let arms = vec![Arm { version: version.clone(), share: Share::ALL }];
        let split = Split { epoch: 0, salt, arms, stable: version, canary: None, rollout: None, rollout_began: 0 };
        Self { service, split }
    }
}

/// What the services of a moment are made of.
#[derive(Debug)]
pub struct Catalog<'a> {
    world: &'a World,
    released: &'a Released,
    keys: &'a Keys,
    slices: BTreeMap<Key, Vec<&'a EndpointSlice>>,
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
    /// The catalog of a world.
    pub fn new(world: &'a World, released: &'a Released, keys: &'a Keys) -> Self {
        let mut slices: BTreeMap<Key, Vec<&EndpointSlice>> = BTreeMap::new();
        for (key, slice) in &world.endpoint_slices {
            if let Some(service) = slice.metadata.labels.as_ref().and_then(|labels| labels.get(SERVICE_NAME)) {
                slices.entry(Key::new(key.namespace.clone(), service.clone())).or_default().push(slice);
            }
        }
        Self { world, released, keys, slices }
    }

    /// A port of a Service; `None` where there is no such.
    pub fn entry(&self, key: &Key, port: Option<&str>) -> Option<(Name, Entry)> {
        let service = self.world.services.get(key)?;
        let name = name_of(key, service, port)?;
        let entry = self.divided(key, port, &name).or_else(|| self.plain(key, service, port, &name))?;
        Some((name, entry))
    }

    /// A port of a Service whose shares are written down, and of no other.
    pub fn released(&self, key: &Key, port: Option<&str>) -> Option<(Name, Entry)> {
        let name = name_of(key, self.world.services.get(key)?, port)?;
        let entry = self.divided(key, port, &name)?;
        Some((name, entry))
    }

    /// The Services that may be such.
    pub fn services(&self) -> impl Iterator<Item = &'a Key> {
        self.released.keys()
    }

    /// A Service whose shares are written down.
    fn divided(&self, key: &Key, port: Option<&str>, name: &Name) -> Option<Entry> {
        let (asked, memory) = self.released.get(key)?;
        let newest = memory.record.epochs.newest()?;
        let ask = Ask { port, ..asked.ask(memory) };
        let seen = site(self.world, &ask, memory.stable.as_ref(), &memory.trusted).ok()?;
        let mut service = seen.service;
        // Shares that are written down stay in force, whatever has become of a version meanwhile.
        for arm in &newest.arms {
            service.versions.entry(arm.version.clone()).or_default();
        }
        let split = split(&memory.record, newest.number, &newest.arms, &service, self.keys, name)?;
        if let Some(status) = memory.record.under_way() {
            service.rollout = Some(status.policy.clone());
        }
        Some(Entry { service, split })
    }

    fn plain(&self, key: &Key, service: &KubeService, port: Option<&str>, name: &Name) -> Option<Entry> {
        let wanted = service_port(service, port)?.name.as_deref().unwrap_or_default();
        let slices = self.slices.get(key).into_iter().flatten();
        let mut endpoints: Vec<Address> = slices.flat_map(|slice| addresses(slice, wanted)).collect();
        endpoints.sort();
        endpoints.dedup();
        let only: Name = ONLY.parse().ok()?;
        Some(Entry::only(only, endpoints, Visitor::default(), salt(&self.keys.master, name, None)))
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
    let stable = status.map(|status| status.stable.clone()).or_else(|| service.stable.clone())?;
    let rollout = status.map(|status| status.rollout);
    Some(Split {
        epoch,
        salt: salt(&keys.master, name, rollout),
        arms: arms.to_vec(),
        stable,
        canary: status.map(|status| status.canary.clone()),
        rollout,
        rollout_began: status.map_or(0, |status| whole_seconds(status.started.millis())),
    })
}

/// The addresses of a slice that take requests on a port (`endpoints[].conditions.ready`: unset is ready).
fn addresses(slice: &EndpointSlice, port: &str) -> Vec<Address> {
    let ports = slice.ports.iter().flatten();
    let found = ports.into_iter().find(|it| it.name.as_deref().unwrap_or_default() == port).and_then(|it| it.port);
    let Some(number) = found.and_then(|port| u16::try_from(port).ok()) else { return Vec::new() };
    let ready = slice
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true));
    let ips = ready.flat_map(|endpoint| &endpoint.addresses).filter_map(|ip| ip.parse().ok());
    ips.map(|ip| Address::Ip(std::net::SocketAddr::new(ip, number))).collect()
}

#[cfg(test)]
mod tests;
