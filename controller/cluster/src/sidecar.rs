//! PURE. The sidecars of a world, and what each of them is told: one listener for each port that it has taken over, and who
//! answers there. That is the Service that aims at the port, where it is released by us; else the application in the same pod.
//!
//! Every endpoint is the port of an application, never one of a sidecar, so that no request can come to a second one. Most
//! sidecars of a workload are told the same to the letter: it is worked out once for all of them.

mod aims;
mod publication;
mod served;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use k8s_openapi::api::core::v1::Pod;
use tidegate_config::Publication;
use tidegate_controller::publish::Keys;
use tidegate_inject::{APPLICATION_ADDRESS, Takeover};

use crate::catalog::{Catalog, Found};
use crate::versions::{ip, takeovers};
use crate::world::{Key, World};
use aims::Aims;

pub use served::served;

/// What all sidecars of a world are told.
#[derive(Debug, Default)]
pub struct Sidecars {
    /// The publications, each for all sidecars that are told the same.
    pub publications: BTreeMap<Group, Publication>,
    /// Whose is which, by namespace and pod uid.
    pub pods: BTreeMap<(String, String), Group>,
}

/// What a publication follows from: sidecars of one group are told the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    doors: Vec<Door>,
}

/// A port of a sidecar.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Door {
    listen: u16,
    to: To,
}

/// Who answers there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum To {
    /// A port of a Service that is released by us.
    Service(Key, String),
    /// The application beside the sidecar.
    Application(SocketAddr),
}

/// The sidecars of the catalog's world.
pub fn sidecars(world: &World, catalog: &Catalog<'_>, keys: &Keys) -> Sidecars {
    let aims = Aims::of(world, catalog);
    let mut released: Released = BTreeMap::new();
    let mut all = Sidecars::default();
    for (key, pod) in world.with_sidecar().iter() {
        let Some(uid) = pod.metadata.uid.clone() else { continue };
        let Some(group) = takeovers(pod).and_then(|taken| group(pod, key, &taken, &aims, catalog, &mut released))
        else {
            continue;
        };
        all.pods.insert((key.namespace.clone(), uid), group.clone());
        all.publications.entry(group).or_insert_with_key(|group| publication::of(group, &released, keys));
    }
    all
}

/// What is known of the ports of released Services: each is worked out once.
type Released = BTreeMap<(Key, String), Option<Found>>;

fn group(
    pod: &Pod,
    key: &Key,
    taken: &[Takeover],
    aims: &Aims<'_>,
    catalog: &Catalog<'_>,
    released: &mut Released,
) -> Option<Group> {
    let doors = taken.iter().map(|port| {
        let mut services = aims.at(pod, &key.namespace, &port.name);
        let service = services.find(|(service, number)| {
            let entry = || catalog.released(service, Some(number));
            released.entry((service.clone(), number.clone())).or_insert_with(entry).is_some()
        });
        let to = match service {
            Some((service, number)) => To::Service(service, number),
            None => To::Application(SocketAddr::new(application(pod)?, port.application)),
        };
        Some(Door { listen: port.listen, to })
    });
    Some(Group { doors: doors.collect::<Option<Vec<_>>>()? })
}

/// Where the application beside a sidecar accepts it; `None` while its pod has no address yet.
fn application(pod: &Pod) -> Option<IpAddr> {
    let annotations = pod.metadata.annotations.as_ref();
    match annotations.and_then(|all| all.get(APPLICATION_ADDRESS)).map(String::as_str) {
        Some("pod") => ip(pod),
        _ => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
    }
}

#[cfg(test)]
impl Group {
    /// A group of sidecars with one port.
    pub(crate) fn of_port(listen: u16) -> Self {
        let to = To::Application(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
        Self { doors: vec![Door { listen, to }] }
    }
}

#[cfg(test)]
mod tests;
