//! Where the proxy accepts clients, and where it answers operators.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use serde::{Deserialize, Serialize};

use crate::problem::Problems;

/// An address for clients: HTTP/1.1, and HTTP/2 with prior knowledge (RFC 9113 §3.3), told apart by the first bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listener {
    /// IP address and port; port 0 takes a free one and says which.
    pub address: SocketAddr,
}

/// The read-only side for operators: `/metrics`, `/healthz`, `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Admin {
    /// A loopback address: what it says is not for clients. Default `127.0.0.1:9900`. Read at start only.
    pub address: SocketAddr,
}

impl Default for Admin {
    fn default() -> Self {
        Self { address: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9900)) }
    }
}

/// Cross-checks of all addresses we bind.
pub(crate) fn check(listeners: &[Listener], admin: &Admin, problems: &mut Problems) {
    if listeners.is_empty() {
        problems.add("listeners", "no listener", "at least one, for example {address: \"127.0.0.1:8080\"}");
    }
    if !admin.address.ip().is_loopback() {
        let wrong = format!("{} is not a loopback address", admin.address);
        problems.add("admin.address", wrong, "an address in 127.0.0.0/8 or [::1]");
    }
    for (i, listener) in listeners.iter().enumerate() {
        let taken = |other: &SocketAddr| *other == listener.address && other.port() != 0;
        if listeners[..i].iter().any(|earlier| taken(&earlier.address)) || taken(&admin.address) {
            let wrong = format!("{} is used twice", listener.address);
            problems.add(format!("listeners[{i}].address"), wrong, "an address of its own");
        }
    }
}
