//! Where the proxy accepts clients, and where it answers operators.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use serde::{Deserialize, Deserializer, Serialize};

use crate::problem::{Malformed, Problems};
use crate::text;

/// An address for clients: HTTP/1.1, and HTTP/2 with prior knowledge (RFC 9113 §3.3), told apart by the first bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listener {
    /// IP address and port; port 0 takes a free one and says which. `0.0.0.0` is every IPv4 address of the machine, `[::]`
    /// every address.
    #[serde(deserialize_with = "address")]
    pub address: SocketAddr,
}

/// The read-only side for operators: `/metrics`, `/healthz`, `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Admin {
    /// A loopback address: what it says is not for clients. Default `127.0.0.1:9900`. Read at start only.
    #[serde(deserialize_with = "address")]
    pub address: SocketAddr,
}

impl Default for Admin {
    fn default() -> Self {
        Self { address: SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9900)) }
    }
}

const ADDRESS_FORM: &str = "IP:PORT, for example 127.0.0.1:8080, 0.0.0.0:80 or [::1]:8080";

/// An address to listen on. A name may stand for several, so none is taken.
fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    text::read(deserializer, |text| {
        text.parse().map_err(|_| Malformed::new(text, "is not an IP address and port", ADDRESS_FORM))
    })
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
    let places = |i: usize| format!("listeners[{i}]");
    for (i, Listener { address }) in listeners.iter().enumerate() {
        let earlier = listeners[..i].iter().enumerate().map(|(j, other)| (places(j), other.address));
        // Port 0 is another one for each of these two.
        let admin = (address.port() != 0).then(|| ("admin".to_owned(), admin.address));
        let conflict = earlier.chain(admin).find_map(|(other, taken)| conflict(*address, taken, &other));
        if let Some(wrong) = conflict {
            problems.add(format!("{}.address", places(i)), wrong, "an address of its own");
        }
    }
}

/// Why an address cannot be opened beside one that is `taken`; `None` where it can.
fn conflict(address: SocketAddr, taken: SocketAddr, other: &str) -> Option<String> {
    if address == taken {
        return Some(format!("{address} is the address of {other}, too"));
    }
    if address.port() != taken.port() || address.port() == 0 {
        return None;
    }
    match (takes(address.ip(), taken.ip()), takes(taken.ip(), address.ip())) {
        (true, _) => Some(format!("{address} includes {taken}, the address of {other}")),
        (_, true) => Some(format!("{address} is included in {taken}, the address of {other}")),
        _ => None,
    }
}

/// Whether clients of `inner` come to a socket at `outer`: a wildcard takes every address of its family, and `[::]` those of
/// IPv4, too.
fn takes(outer: IpAddr, inner: IpAddr) -> bool {
    outer.to_canonical() == inner.to_canonical()
        || outer.is_unspecified() && (outer.is_ipv6() || inner.to_canonical().is_ipv4())
}
