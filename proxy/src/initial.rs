//! PURE. The publication that no controller has made: what a proxy begins with. It has generation 0.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use tidegate_config::{
    Address, Admin, Arm, Config, Identity, Key, Limits, Listener, Name, PathMatch, Publication, Route, Service, Share,
    Split, Timeouts, Version, Visitor,
};

/// What the service and the version of a fallback are called in metrics; of several fallbacks each has its number as well.
const NAME: &str = "application";

/// A port of the application beside this proxy, and the address that stands before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fallback {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where the application does.
    pub application: SocketAddr,
}

/// Everything that comes to an address of `fallbacks` goes on to the application behind it: what a sidecar does until it
/// knows more. Nobody is given a cookie. Without any there is neither listener nor service: a proxy that waits.
pub fn publication(fallbacks: &[Fallback]) -> Publication {
    let numbered: Vec<(Name, &Fallback)> = fallbacks
        .iter()
        .enumerate()
        .filter_map(|(i, fallback)| {
            let name = if fallbacks.len() == 1 { NAME.to_owned() } else { format!("{NAME}-{}", i + 1) };
            Some((name.parse().ok()?, fallback))
        })
        .collect();
    let config = Config {
        listeners: numbered.iter().map(|(name, fallback)| listener(name, fallback.listen)).collect(),
        admin: Admin::default(),
        workers: None,
        access_log: None,
        routes: numbered.iter().map(|(name, _)| route(name)).collect(),
        services: numbered.iter().map(|(name, fallback)| (name.clone(), service(name, fallback.application))).collect(),
        timeouts: Timeouts::default(),
        limits: Limits::default(),
    };
    let splits = numbered.iter().map(|(name, _)| (name.clone(), split(name))).collect();
    Publication { generation: 0, cookie_key: Key([0; 16]), config: Arc::new(config), splits }
}

fn listener(name: &Name, address: SocketAddr) -> Listener {
    Listener { name: Some(name.clone()), address, host: None, tls: None }
}

/// Every request of the fallback's own listener.
fn route(name: &Name) -> Route {
    let listeners = Some(BTreeSet::from([name.clone()]));
    Route { host: None, path: PathMatch::default(), listeners, service: name.clone(), request_timeout: None }
}

fn service(name: &Name, application: SocketAddr) -> Service {
    let version = Version { endpoints: vec![Address::Ip(application)], ..Version::default() };
    Service {
        stable: Some(name.clone()),
        versions: BTreeMap::from([(name.clone(), version)]),
        visitor: Visitor { header: None, by: Identity::Request, overridable: false },
        ..Service::default()
    }
}

fn split(name: &Name) -> Split {
    Split::fixed(0, Key([0; 16]), vec![Arm::new(name.clone(), Share::ALL)], name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_leads_to_its_own_application() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let fallback = |listen, application| Fallback { listen: address(listen), application: address(application) };
        for (fallbacks, services) in [
            (vec![], vec![]),
            (vec![fallback(1, 2)], vec!["application"]),
            (vec![fallback(1, 2), fallback(3, 4)], vec!["application-1", "application-2"]),
        ] {
            let publication = publication(&fallbacks);
            assert_eq!((publication.check(), publication.generation), (Ok(()), 0));
            let names: Vec<_> = publication.config.services.keys().map(Name::as_str).collect();
            assert_eq!(names, services);
            for (route, fallback) in publication.config.routes.iter().zip(fallbacks) {
                let service = &publication.config.services[&route.service];
                assert_eq!(service.versions[&route.service].endpoints, [Address::Ip(fallback.application)]);
                let listeners = &publication.config.listeners;
                let door = listeners.iter().find(|it| it.name.as_ref() == Some(&route.service)).unwrap();
                assert_eq!(door.address, fallback.listen);
            }
        }
    }
}
