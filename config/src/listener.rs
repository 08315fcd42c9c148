//! Where the proxy accepts clients, and where it answers operators.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use serde::{Deserialize, Deserializer, Serialize};

use crate::limits;
use crate::name::Name;
use crate::problem::{Malformed, Problems};
use crate::route::Host;
use crate::text;
use crate::tls::Tls;

/// An address for clients: HTTP/1.1 and HTTP/2, told apart by ALPN under TLS, else by the first bytes (RFC 9113 §3.3).
///
/// Several may share an address if all are HTTPS or none is, and their hosts differ. A request then belongs to the one whose
/// host fits its `Host` best, and only that one's routes apply (Gateway API, listener isolation).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listener {
    /// What routes call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// IP address and port; port 0 takes a free one and says which. `0.0.0.0` is every IPv4 address of the machine, `[::]`
    /// every address.
    #[serde(deserialize_with = "address")]
    pub address: SocketAddr,
    /// The host that it is for; absent: every host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// Makes it HTTPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
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
    if listeners.len() > limits::LISTENERS_MAX {
        let allowed = format!("at most {} listeners", limits::LISTENERS_MAX);
        problems.add("listeners", format!("{} listeners", listeners.len()), allowed);
        return;
    }
    if !admin.address.ip().is_loopback() {
        let wrong = format!("{} is not a loopback address", admin.address);
        problems.add("admin.address", wrong, "an address in 127.0.0.0/8 or [::1]");
    }
    for (i, listener) in listeners.iter().enumerate() {
        let address = listener.address;
        let earlier = || listeners[..i].iter().enumerate();
        let other = earlier().filter(|(_, other)| other.address != address);
        let taken = other.into_iter().find_map(|(j, other)| conflict(address, other.address, || place(j)));
        // Port 0 is another one for each of these two.
        let admin = || conflict(address, admin.address, || "admin".to_owned()).filter(|_| address.port() != 0);
        if let Some(wrong) = taken.or_else(admin) {
            problems.add(format!("{}.address", place(i)), wrong, "an address of its own");
        }
        if let Some((wrong, allowed)) = earlier().find_map(|(j, other)| cannot_share(listener, other, j)) {
            problems.add(format!("{}.address", place(i)), wrong, allowed);
        }
        let namesake = earlier().find(|(_, other)| other.name.is_some() && other.name == listener.name);
        if let Some((j, Listener { name: Some(name), .. })) = namesake {
            let wrong = format!("{name} is the name of {}, too", place(j));
            problems.add(format!("{}.name", place(i)), wrong, "another name");
        }
        if let Some(tls) = &listener.tls {
            tls.check(&format!("{}.tls", place(i)), problems);
        }
    }
}

fn place(i: usize) -> String {
    format!("listeners[{i}]")
}

/// Why a listener cannot have the address of another one as well, and what would do; `None` where it can or has not.
fn cannot_share(listener: &Listener, other: &Listener, j: usize) -> Option<(String, &'static str)> {
    let Listener { name: _, address, host, tls } = listener;
    if *address != other.address {
        return None;
    }
    if tls.is_some() != other.tls.is_some() {
        let [this, that] = if tls.is_some() { ["HTTPS", "HTTP"] } else { ["HTTP", "HTTPS"] };
        let wrong = format!("{this} on {address}, where {} is {that}", place(j));
        return Some((wrong, "an address of its own, or tls for both or neither"));
    }
    (*host == other.host).then(|| {
        let whom = host.as_ref().map_or_else(|| "every host".to_owned(), Host::to_string);
        let wrong = format!("{address} is the address of {}, too, and both are for {whom}", place(j));
        (wrong, "an address of its own, or a host of its own")
    })
}

/// Why an address cannot be opened beside one that is `taken`; `None` where it can.
fn conflict(address: SocketAddr, taken: SocketAddr, other: impl FnOnce() -> String) -> Option<String> {
    if address == taken {
        return Some(format!("{address} is the address of {}, too", other()));
    }
    if address.port() != taken.port() || address.port() == 0 {
        return None;
    }
    match (takes(address.ip(), taken.ip()), takes(taken.ip(), address.ip())) {
        (true, _) => Some(format!("{address} includes {taken}, the address of {}", other())),
        (_, true) => Some(format!("{address} is included in {taken}, the address of {}", other())),
        _ => None,
    }
}

/// Whether clients of `inner` come to a socket at `outer`: a wildcard takes every address of its family, and `[::]` those of
/// IPv4, too.
fn takes(outer: IpAddr, inner: IpAddr) -> bool {
    outer.to_canonical() == inner.to_canonical()
        || outer.is_unspecified() && (outer.is_ipv6() || inner.to_canonical().is_ipv4())
}
