//! PURE. The Secrets and config maps that Gateways of our classes refer to: they are read one by one, and no others.

use std::collections::BTreeSet;

use super::{CONTROLLER_NAME, Installation, class};
use crate::world::{Key, World};

/// The Secrets that `installation` may read, and the config maps.
pub fn references(world: &World, installation: &Installation) -> (BTreeSet<Key>, BTreeSet<Key>) {
    let classes = class::judge(world, CONTROLLER_NAME);
    let (mut secrets, mut config_maps) = (BTreeSet::new(), BTreeSet::new());
    for (key, gateway) in world.gateways.iter() {
        if !classes.contains_key(&gateway.spec.gateway_class_name) {
            continue;
        }
        for listener in &gateway.spec.listeners {
            let references = listener.tls.iter().flat_map(|tls| tls.certificate_refs.iter().flatten());
            let secret = references.filter(|it| it.kind.as_deref().is_none_or(|kind| kind == "Secret"));
            let named = secret.map(|it| {
                let namespace = it.namespace.clone().unwrap_or_else(|| key.namespace.clone());
                Key::new(namespace, it.name.clone())
            });
            secrets.extend(named.filter(|secret| installation.secret_namespaces.contains(&secret.namespace)));
        }
        let parameters = gateway.spec.infrastructure.as_ref().and_then(|it| it.parameters_ref.as_ref());
        if let Some(parameters) = parameters.filter(|it| it.kind == "ConfigMap") {
            config_maps.insert(Key::new(key.namespace.clone(), parameters.name.clone()));
        }
    }
    (secrets, config_maps)
}
