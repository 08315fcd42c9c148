//! PURE. Which classes of Gateways are ours, and what may be said of them.

use std::collections::BTreeMap;

use gateway_api::gatewayclasses::GatewayClass;

use super::finding::Finding;
use crate::world::World;

/// The features of the API that this controller has, sorted (`GatewayClass.status.supportedFeatures`).
///
/// `HTTPRoute` joins them with the last condition and filter of its core; until then claiming it would promise these.
pub const SUPPORTED_FEATURES: [&str; 10] = [
    "Gateway",
    "GatewayAddressEmpty",
    "GatewayHTTPListenerIsolation",
    "GatewayInfrastructurePropagation",
    "GatewayPort8080",
    "GatewayStaticAddresses",
    "HTTPRouteDestinationPortMatching",
    "HTTPRouteNamedRouteRule",
    "HTTPRouteParentRefPort",
    "ReferenceGrant",
];

/// The classes that name this controller, each with what is found about it.
///
/// The Gateways of a class that is not accepted are served all the same: a mistake in a class takes no traffic away.
pub(super) fn judge(world: &World, controller: &str) -> BTreeMap<String, Finding> {
    let ours = world.gateway_classes.iter().filter(|(_, class)| class.spec.controller_name == controller);
    ours.map(|(key, class)| (key.name.clone(), accepted(class))).collect()
}

fn accepted(class: &GatewayClass) -> Finding {
    match &class.spec.parameters_ref {
        None => Finding::holds("Accepted", "Accepted"),
        Some(reference) => Finding::fails(
            "Accepted",
            "InvalidParameters",
            format!(
                "spec.parametersRef: {} \"{}\" is not read; allowed: none here, but spec.infrastructure.parametersRef of \
                 a Gateway",
                reference.kind, reference.name
            ),
        ),
    }
}
