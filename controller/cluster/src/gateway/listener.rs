//! PURE. A Gateway's listeners: which of them can serve, and what is found about each.

use gateway_api::gateways::{Gateway, GatewayListeners, GatewayListenersTlsMode, GatewayTls};
use tidegate_config::Host;

use super::certificate::{self, Unusable};
use super::finding::{Finding, wrong};
use super::grants::GROUP;
use super::installation::Installation;
use super::namespaces::Namespaces;
use super::ports::{Conflict, conflicts, socket};
use crate::routing::{self, Certificate, Protocol};
use crate::world::World;

/// The one kind of route that listeners take.
pub(super) const ROUTE_KIND: &str = "HTTPRoute";

/// A listener and what is found about it.
#[derive(Debug, Clone)]
pub(super) struct Listener {
    pub(super) name: String,
    /// As written; routes may refer to it even if it is no port.
    pub(super) port: i32,
    pub(super) host: Option<Host>,
    /// Whether HTTP routes are among the kinds that it allows.
    pub(super) http_routes: bool,
    /// Which namespaces' routes it takes; `None`: nobody's.
    pub(super) routes: Option<Namespaces>,
    pub(super) accepted: Finding,
    pub(super) conflicted: Finding,
    pub(super) resolved: Finding,
    /// What can be served.
    pub(super) served: Option<routing::Listener>,
}

/// Looks at all listeners of a Gateway.
pub(super) fn judge(world: &World, installation: &Installation, gateway: &Gateway) -> Vec<Listener> {
    let listeners = &gateway.spec.listeners;
    let judged = listeners.iter().zip(conflicts(listeners));
    judged.map(|(listener, conflict)| judge_one(world, installation, gateway, listener, conflict)).collect()
}

fn judge_one(
    world: &World,
    installation: &Installation,
    gateway: &Gateway,
    listener: &GatewayListeners,
    conflict: Option<Conflict>,
) -> Listener {
    let protocol = match listener.protocol.as_str() {
        "HTTP" => Some(Protocol::Http),
        "HTTPS" => Some(Protocol::Https),
        _ => None,
    };
    let host = listener.hostname.as_deref().filter(|host| !host.is_empty()).map(str::parse::<Host>).transpose();
    let namespaces =
        Namespaces::parse(listener.allowed_routes.as_ref().and_then(|allowed| allowed.namespaces.as_ref()));
    let unsupported = host
        .as_ref()
        .map_err(|error| format!("hostname: {}", wrong(error)))
        .and_then(|_| namespaces.as_ref().map_err(|error| format!("allowedRoutes.namespaces.selector: {error}")))
        .and_then(|_| {
            protocol.filter(|protocol| *protocol == Protocol::Https).map_or(Ok(()), |_| tls(gateway, listener))
        })
        .err();
    let host = host.unwrap_or_default();
    let accepted = accepted(listener, protocol, conflict.as_ref(), unsupported);
    let kinds = Kinds::of(listener, protocol);
    let (certificates, resolved) = references(world, installation, gateway, listener, protocol, &kinds);
    let served = protocol.filter(|_| accepted.holds && kinds.http_routes).and_then(|protocol| {
        let port = u16::try_from(listener.port).ok()?;
        let ready = protocol == Protocol::Http || !certificates.is_empty();
        let (name, host) = (listener.name.clone(), host.clone());
        ready.then(|| routing::Listener { name, port, socket: socket(port), protocol, host, certificates })
    });
    Listener {
        name: listener.name.clone(),
        port: listener.port,
        host,
        http_routes: kinds.http_routes,
        routes: namespaces.ok().filter(|_| kinds.http_routes),
        accepted,
        conflicted: match conflict.filter(|conflict| conflict.reason != "PortUnavailable") {
            // The one condition here that is bad when it holds.
            Some(Conflict { reason, message }) => Finding { about: "Conflicted", holds: true, reason, message },
            None => Finding::fails("Conflicted", "NoConflicts", ""),
        },
        resolved,
        served,
    }
}

fn accepted(
    listener: &GatewayListeners,
    protocol: Option<Protocol>,
    conflict: Option<&Conflict>,
    unsupported: Option<String>,
) -> Finding {
    if let Some(Conflict { reason, message }) = conflict {
        return Finding::fails("Accepted", reason, message);
    }
    if protocol.is_none() {
        let message = format!("protocol: {} is not supported; allowed: HTTP, HTTPS", listener.protocol);
        return Finding::fails("Accepted", "UnsupportedProtocol", message);
    }
    match unsupported {
        Some(message) => Finding::fails("Accepted", "UnsupportedValue", message),
        None => Finding::holds("Accepted", "Accepted"),
    }
}

/// What is written about TLS and would not be done: ignored, it would let clients in who should not be.
fn tls(gateway: &Gateway, listener: &GatewayListeners) -> Result<(), String> {
    let tls = listener.tls.as_ref();
    if tls.and_then(|tls| tls.mode.as_ref()) == Some(&GatewayListenersTlsMode::Passthrough) {
        return Err("tls.mode: Passthrough is not supported; allowed: Terminate".to_owned());
    }
    if let Some(option) = tls.and_then(|tls| tls.options.as_ref()?.keys().next()) {
        return Err(format!("tls.options: {option} is not supported; allowed: none"));
    }
    let frontend = gateway.spec.tls.as_ref().and_then(|tls: &GatewayTls| tls.frontend.as_ref());
    let Some(frontend) = frontend else { return Ok(()) };
    let own = frontend.per_port.iter().flatten().find(|entry| entry.port == listener.port);
    let asked = own.map_or(frontend.default.validation.is_some(), |entry| entry.tls.validation.is_some());
    if asked {
        let place = if own.is_some() { "perPort" } else { "default" };
        return Err(format!(
            "spec.tls.frontend.{place}.validation: client certificates are not supported; allowed: none"
        ));
    }
    Ok(())
}

/// The kinds of routes that a listener allows.
struct Kinds {
    http_routes: bool,
    /// Those that it cannot take.
    wrong: Vec<String>,
}

impl Kinds {
    fn of(listener: &GatewayListeners, protocol: Option<Protocol>) -> Self {
        let written = listener.allowed_routes.as_ref().and_then(|allowed| allowed.kinds.as_ref());
        let written = written.filter(|kinds| !kinds.is_empty());
        let fits = |group: Option<&str>, kind: &str| group.unwrap_or(GROUP) == GROUP && kind == ROUTE_KIND;
        let Some(written) = written.filter(|_| protocol.is_some()) else {
            return Self { http_routes: protocol.is_some(), wrong: Vec::new() };
        };
        let (right, wrong): (Vec<_>, Vec<_>) = written.iter().partition(|k| fits(k.group.as_deref(), &k.kind));
        Self { http_routes: !right.is_empty(), wrong: wrong.into_iter().map(|kind| kind.kind.clone()).collect() }
    }
}

/// What the listener refers to: its certificates, of which one is enough, and kinds of routes.
fn references(
    world: &World,
    installation: &Installation,
    gateway: &Gateway,
    listener: &GatewayListeners,
    protocol: Option<Protocol>,
    kinds: &Kinds,
) -> (Vec<Certificate>, Finding) {
    let mut certificates = Vec::new();
    let mut faults: Vec<(&'static str, String)> = Vec::new();
    if protocol == Some(Protocol::Https) {
        let namespace = gateway.metadata.namespace.as_deref().unwrap_or_default();
        let references = listener.tls.iter().flat_map(|tls| tls.certificate_refs.iter().flatten());
        for (i, reference) in references.enumerate() {
            match certificate::find(world, installation, namespace, reference) {
                Ok(certificate) => certificates.push(certificate),
                Err(unusable) => {
                    let reason = match unusable {
                        Unusable::Invalid(_) | Unusable::Unreadable(..) => "InvalidCertificateRef",
                        Unusable::NotPermitted(_) => "RefNotPermitted",
                    };
                    faults.push((reason, format!("tls.certificateRefs[{i}]: {unusable}")));
                }
            }
        }
        if certificates.is_empty() && faults.is_empty() {
            let wrong = "tls.certificateRefs: none; allowed: at least one Secret of type kubernetes.io/tls";
            faults.push(("InvalidCertificateRef", wrong.to_owned()));
        }
    }
    if !kinds.wrong.is_empty() {
        let wrong = format!("allowedRoutes.kinds: {}; allowed: {ROUTE_KIND}", kinds.wrong.join(", "));
        faults.push(("InvalidRouteKinds", wrong));
    }
    (certificates, resolved(&faults))
}

/// One condition for all references: the reason of the first fault, the messages of all.
pub(super) fn resolved(faults: &[(&'static str, String)]) -> Finding {
    match faults.first() {
        None => Finding::holds("ResolvedRefs", "ResolvedRefs"),
        Some((reason, _)) => {
            let messages: Vec<&str> = faults.iter().map(|(_, message)| message.as_str()).collect();
            Finding::fails("ResolvedRefs", reason, messages.join("; "))
        }
    }
}
