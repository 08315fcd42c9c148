//! PURE. What the sidecars of a group are told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tidegate_config::{
    Address, Admin, Arm, Config, Identity, Key as Secret, Limits, Listener, Name, PathMatch, Publication, Route,
    Service, Share, Split, Timeouts, Version, Visitor,
};
use tidegate_controller::publish::Keys;

use super::{Door, Group, Released, To};
use crate::catalog::Entry;

/// The publication of a group. Of the Services in it `released` knows every one.
pub(super) fn of(group: &Group, released: &Released, keys: &Keys) -> Publication {
    let (mut listeners, mut routes) = (Vec::new(), Vec::new());
    let (mut services, mut splits) = (BTreeMap::new(), BTreeMap::new());
    for (number, door) in group.doors.iter().enumerate() {
        let Ok(listener) = format!("l{number}").parse::<Name>() else { continue };
        let Some((service, entry)) = answers(door, number, group.doors.len(), released) else { continue };
        listeners.push(Listener {
            name: Some(listener.clone()),
            address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, door.listen)),
            host: None,
            tls: None,
        });
        routes.push(Route {
            host: None,
            path: PathMatch::default(),
            listeners: Some(BTreeSet::from([listener])),
            service: service.clone(),
            request_timeout: None,
        });
        services.insert(service.clone(), entry.service);
        splits.insert(service, entry.split);
    }
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

fn answers(door: &Door, number: usize, doors: usize, released: &Released) -> Option<(Name, Entry)> {
    match &door.to {
        To::Service(service, port) => released.get(&(service.clone(), port.clone()))?.clone(),
        To::Application(address) => {
            // As the proxy calls it before it is told anything.
            let name = if doors == 1 { "application".to_owned() } else { format!("application-{}", number + 1) };
            let name: Name = name.parse().ok()?;
            Some((name.clone(), alone(name, *address)))
        }
    }
}

/// The application beside the sidecar: nobody is told apart.
fn alone(name: Name, address: SocketAddr) -> Entry {
    let version = Version { endpoints: vec![Address::Ip(address)], ..Version::default() };
    let service = Service {
        stable: Some(name.clone()),
        canary: None,
        versions: BTreeMap::from([(name.clone(), version)]),
        rollout: None,
        visitor: Visitor { header: None, by: Identity::Request, overridable: false },
    };
    let arms = vec![Arm { version: name.clone(), share: Share::ALL }];
    let salt = Secret([0; 16]);
    let split = Split { epoch: 0, salt, arms, stable: name, canary: None, rollout: None, rollout_began: 0 };
    Entry { service, split }
}
