//! PURE. Which listeners of a Gateway are in each other's way, and which ports the proxy opens for them.

use std::collections::BTreeMap;

use gateway_api::gateways::GatewayListeners;

/// Added to a port below 1024, which a process without privileges cannot open: 80 becomes 10080.
pub const UNPRIVILEGED: u16 = 10_000;
/// The proxy's port for probes and metrics in a pod.
pub const ADMIN_PORT: u16 = 9_900;

/// The port that a proxy opens for clients of `port`; the Service maps one to the other.
pub(super) fn socket(port: u16) -> u16 {
    if port < 1024 { port + UNPRIVILEGED } else { port }
}

/// Why a listener cannot be beside the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Conflict {
    /// `HostnameConflict`, `ProtocolConflict` or `PortUnavailable`.
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// What protocols cannot share a port. UDP has ports of its own, and nothing is known of others.
fn family(protocol: &str) -> Option<&'static str> {
    match protocol {
        "HTTP" => Some("HTTP"),
        "HTTPS" | "TLS" => Some("TLS"),
        "TCP" => Some("TCP"),
        _ => None,
    }
}

/// For each listener why it cannot be opened. Of listeners that exclude each other none is opened: no order among them
/// would be anybody's wish.
pub(super) fn conflicts(listeners: &[GatewayListeners]) -> Vec<Option<Conflict>> {
    let mut ports: BTreeMap<i32, Vec<&GatewayListeners>> = BTreeMap::new();
    for listener in listeners {
        ports.entry(listener.port).or_default().push(listener);
    }
    let conflict = |listener: &GatewayListeners| {
        let beside = ports.get(&listener.port).into_iter().flatten().filter(|other| other.name != listener.name);
        excluded(listener, beside.copied()).or_else(|| unavailable(listener, &ports))
    };
    listeners.iter().map(conflict).collect()
}

fn excluded<'a>(
    listener: &GatewayListeners,
    mut beside: impl Iterator<Item = &'a GatewayListeners> + Clone,
) -> Option<Conflict> {
    let ours = family(&listener.protocol)?;
    let other = beside.clone().find(|other| family(&other.protocol).is_some_and(|theirs| theirs != ours));
    if let Some(other) = other {
        return Some(Conflict {
            reason: "ProtocolConflict",
            message: format!(
                "port {}: {} of listener \"{}\" and {} of this one exclude each other; allowed: one protocol on a port",
                listener.port, other.protocol, other.name, listener.protocol
            ),
        });
    }
    let host = |listener: &GatewayListeners| listener.hostname.clone().unwrap_or_default().to_ascii_lowercase();
    let other = beside.find(|other| other.protocol == listener.protocol && host(other) == host(listener))?;
    Some(Conflict {
        reason: "HostnameConflict",
        message: format!(
            "hostname: listener \"{}\" has the same on port {}; allowed: a host of its own",
            other.name, listener.port
        ),
    })
}

fn unavailable(listener: &GatewayListeners, ports: &BTreeMap<i32, Vec<&GatewayListeners>>) -> Option<Conflict> {
    let taken = |wrong: String| {
        Some(Conflict { reason: "PortUnavailable", message: format!("port: {} {wrong}", listener.port) })
    };
    let Some(port) = u16::try_from(listener.port).ok().filter(|port| *port > 0) else {
        return taken("is not a port; allowed: 1 to 65535".to_owned());
    };
    if port == ADMIN_PORT {
        return taken(format!("is the proxy's own, for probes and metrics; allowed: every port but {ADMIN_PORT}"));
    }
    // 10080 beside 80: the lower one has it, because it cannot be opened in another way.
    let lower = port.checked_sub(UNPRIVILEGED).filter(|lower| socket(*lower) == port);
    let lower = lower.filter(|lower| ports.contains_key(&i32::from(*lower)))?;
    taken(format!(
        "is where the proxy listens for port {lower}; allowed: a port that is not {UNPRIVILEGED} more than another"
    ))
}
