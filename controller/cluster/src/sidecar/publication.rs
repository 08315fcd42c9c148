//! PURE. What the sidecars of a group are told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tidegate_config::{Address, Identity, Key as Secret, Listener, Name, PathMatch, Publication, Route, Visitor};
use tidegate_controller::publish::Keys;

use super::{Door, Group, Released, To};
use crate::catalog::Entry;
use crate::publish::assemble;

/// The publication of a group. Of the Services in it `released` knows every one.
pub(super) fn of(group: &Group, released: &Released, keys: &Keys) -> Publication {
    let (mut listeners, mut routes) = (Vec::new(), Vec::new());
    let mut services = BTreeMap::new();
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
        services.insert(service, entry);
    }
    assemble(listeners, routes, services, keys)
}

fn answers(door: &Door, number: usize, doors: usize, released: &Released) -> Option<(Name, Arc<Entry>)> {
    match &door.to {
        To::Service(service, port) => {
            let found = released.get(&(service.clone(), port.clone()))?.as_ref()?;
            Some((found.name.clone(), Arc::clone(&found.entry)))
        }
        To::Application(address) => {
            // As the proxy calls it before it is told anything.
            let name = if doors == 1 { "application".to_owned() } else { format!("application-{}", number + 1) };
            let name: Name = name.parse().ok()?;
            Some((name.clone(), Arc::new(alone(name, *address))))
        }
    }
}

/// The application beside the sidecar: nobody is told apart.
fn alone(name: Name, address: SocketAddr) -> Entry {
    let visitor = Visitor { header: None, by: Identity::Request, overridable: false };
    Entry::only(name, vec![Address::Ip(address)], visitor, Secret([0; 16]))
}
