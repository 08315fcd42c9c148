//! PURE. Who answers a rule: its references to Services, each checked.

use gateway_api::experimental::httproutes::HttpRouteRulesBackendRefs;

use super::grants::{End, GROUP, permitted};
use super::listener::ROUTE_KIND;
use crate::routing::{Backend, Backends, Failure, ServicePort, Weighted};
use crate::world::{Key, World};

/// Why a reference leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) failure: Failure,
    /// What is wrong, and what is allowed; the place is the caller's to name.
    pub(super) message: String,
}

impl Fault {
    /// The reason in the API's words (`RouteConditionReason`).
    pub(super) fn reason(&self) -> &'static str {
        match self.failure {
            Failure::InvalidKind => "InvalidKind",
            Failure::NotPermitted => "RefNotPermitted",
            Failure::UnsupportedProtocol => "UnsupportedProtocol",
            Failure::UnsupportedValue => "UnsupportedValue",
            Failure::NoBackend | Failure::NotFound | Failure::NoRoute => "BackendNotFound",
        }
    }
}

/// The Service that a route in `namespace` refers to.
pub(super) fn find(
    world: &World,
    namespace: &str,
    reference: &HttpRouteRulesBackendRefs,
) -> Result<ServicePort, Fault> {
    let fault = |failure, message: String| Err(Fault { failure, message });
    let group = reference.group.as_deref().unwrap_or_default();
    let kind = reference.kind.as_deref().unwrap_or("Service");
    if !group.is_empty() || kind != "Service" {
        let message = format!("kind {kind} of group \"{group}\" is not supported; allowed: kind Service, group \"\"");
        return fault(Failure::InvalidKind, message);
    }
    let key = Key::new(reference.namespace.as_deref().unwrap_or(namespace), &reference.name);
    let to = End { group, kind, namespace: &key.namespace };
    if !permitted(world, End { group: GROUP, kind: ROUTE_KIND, namespace }, to, &key.name) {
        let allowed = "with a ReferenceGrant there from HTTPRoutes of this namespace";
        let message = format!("Service {key} is in another namespace; allowed: {allowed}");
        return fault(Failure::NotPermitted, message);
    }
    let Some(service) = world.services.get(&key).and_then(|service| service.spec.as_ref()) else {
        return fault(Failure::NotFound, format!("Service {key} does not exist; allowed: one that does"));
    };
    if service.type_.as_deref() == Some("ExternalName") {
        let message = format!("Service {key} is of type ExternalName; allowed: one with pods");
        return fault(Failure::UnsupportedValue, message);
    }
    let is_tcp = |protocol: Option<&str>| protocol.is_none_or(|protocol| protocol == "TCP");
    let ports = || service.ports.iter().flatten().filter(|port| is_tcp(port.protocol.as_deref()));
    let Some(port) = ports().find(|port| Some(port.port) == reference.port) else {
        let written = reference.port.map_or("no port".to_owned(), |port| format!("port {port}"));
        let known: Vec<String> = ports().map(|port| port.port.to_string()).collect();
        let message = format!("{written} for Service {key}; allowed: {}", known.join(", "));
        return fault(Failure::NotFound, message);
    };
    // What a Service says that its pods speak: HTTP/1.1 is what the proxy sends.
    if let Some(protocol) = port.app_protocol.as_deref().filter(|protocol| *protocol != "http") {
        let message = format!("appProtocol {protocol} of Service {key} is not supported; allowed: http, or none");
        return fault(Failure::UnsupportedProtocol, message);
    }
    let local = key.namespace == namespace;
    match u16::try_from(port.port) {
        Ok(port) => Ok(ServicePort { namespace: key.namespace, name: key.name, port, local }),
        Err(_) => fault(Failure::NotFound, format!("port {} of Service {key} is not a port", port.port)),
    }
}

/// The backends of a rule. A reference that leads nowhere keeps its weight and fails for that part.
pub(super) fn backends(
    world: &World,
    namespace: &str,
    references: &[HttpRouteRulesBackendRefs],
) -> (Backends, Vec<(usize, Fault)>) {
    let mut weighted: Vec<Weighted> = Vec::new();
    let mut faults = Vec::new();
    for (i, reference) in references.iter().enumerate() {
        let backend = match find(world, namespace, reference) {
            Ok(service) => Backend::Service(service),
            Err(fault) => {
                let backend = Backend::Failure(fault.failure);
                faults.push((i, fault));
                backend
            }
        };
        let weight = reference.weight.map_or(1, |weight| u32::try_from(weight).unwrap_or(0));
        if weight == 0 {
            continue;
        }
        // A Service that is named twice is one, with both weights.
        match weighted.iter_mut().find(|known| known.backend == backend) {
            Some(known) => known.weight = known.weight.saturating_add(weight),
            None => weighted.push(Weighted { weight, backend }),
        }
    }
    let backends = match weighted.pop() {
        None => Backends::One(Backend::Failure(Failure::NoBackend)),
        Some(only) if weighted.is_empty() => Backends::One(only.backend),
        Some(last) => {
            weighted.push(last);
            Backends::Weighted(weighted)
        }
    };
    (backends, faults)
}
