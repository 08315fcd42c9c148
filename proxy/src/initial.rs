//! PURE. Publications that no controller has made: what a proxy begins with. Both have generation 0.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tidegate_config::{
    Address, Admin, Arm, Config, Identity, Key, Limits, Listener, Name, PathMatch, Publication, Route, Service, Share,
    Split, Timeouts, Version, Visitor,
};

/// Neither listener nor service: a proxy that waits.
pub fn nothing() -> Publication {
    let config = Config {
        listeners: Vec::new(),
        admin: Admin::default(),
        workers: None,
        access_log: None,
        routes: Vec::new(),
        services: BTreeMap::new(),
        timeouts: Timeouts::default(),
        limits: Limits::default(),
    };
    Publication { generation: 0, cookie_key: Key([0; 16]), config: Arc::new(config), splits: BTreeMap::new() }
}

/// Everything that comes to `listen` goes on to `application`: what a sidecar does until it knows more. `name` is that of
/// the service and of its version in metrics. Nobody is given a cookie.
pub fn fallback(name: &Name, listen: SocketAddr, application: SocketAddr) -> Publication {
    let nothing = nothing();
    let version = Version { endpoints: vec![Address::Ip(application)], ..Version::default() };
    let service = Service {
        stable: Some(name.clone()),
        canary: None,
        versions: BTreeMap::from([(name.clone(), version)]),
        rollout: None,
        visitor: Visitor { header: None, by: Identity::Request, overridable: false },
    };
    let route =
        Route { host: None, path: PathMatch::default(), listeners: None, service: name.clone(), request_timeout: None };
    let config = Config {
        listeners: vec![Listener { name: None, address: listen, host: None, tls: None }],
        routes: vec![route],
        services: BTreeMap::from([(name.clone(), service)]),
        ..Config::clone(&nothing.config)
    };
    let split = Split {
        epoch: 0,
        salt: Key([0; 16]),
        arms: vec![Arm { version: name.clone(), share: Share::ALL }],
        stable: name.clone(),
        canary: None,
        rollout: None,
        rollout_began: 0,
    };
    Publication { config: Arc::new(config), splits: BTreeMap::from([(name.clone(), split)]), ..nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_can_be_served() {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        for publication in [nothing(), fallback(&"application".parse().unwrap(), address(1), address(2))] {
            assert_eq!((publication.check(), publication.generation), (Ok(()), 0));
        }
    }
}
