//! PURE. What may be referred to from another namespace (Gateway API, `ReferenceGrant`).

use crate::world::World;

/// The group of the Gateway API's kinds.
pub(super) const GROUP: &str = "gateway.networking.k8s.io";

/// One end of a reference: what refers, or what is referred to.
#[derive(Debug, Clone, Copy)]
pub(super) struct End<'a> {
    pub(super) group: &'a str,
    pub(super) kind: &'a str,
    pub(super) namespace: &'a str,
}

/// Whether an object may refer to the object `name` at the other end. Within a namespace it always may.
pub(super) fn permitted(world: &World, from: End<'_>, to: End<'_>, name: &str) -> bool {
    if from.namespace == to.namespace {
        return true;
    }
    // A grant is an object of the namespace that grants.
    world.reference_grants.of(to.namespace).any(|(_, grant)| {
        let trusted = |f: &gateway_api::referencegrants::ReferenceGrantFrom| {
            (f.group.as_str(), f.kind.as_str(), f.namespace.as_str()) == (from.group, from.kind, from.namespace)
        };
        let granted = |t: &gateway_api::referencegrants::ReferenceGrantTo| {
            let named = t.name.as_deref().filter(|granted| !granted.is_empty());
            (t.group.as_str(), t.kind.as_str()) == (to.group, to.kind) && named.is_none_or(|granted| granted == name)
        };
        grant.spec.from.iter().any(trusted) && grant.spec.to.iter().any(granted)
    })
}
