//! Where the controller is, and the files that both sides know each other by.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use tidegate_config::{Address, Malformed};

use super::error::SubscribeError;
use crate::dns::Resolver;

/// Where the controller is: `https://HOST:PORT`. The host is a DNS name, which may stand for several replicas, or an
/// address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    host: String,
    port: u16,
}

/// Where the controller is, and how it is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    origin: Origin,
    /// The bundle of certificates in PEM that one of must have signed the controller's.
    pub(super) ca: PathBuf,
    /// The token that proves who this proxy is.
    pub(super) token: PathBuf,
}

const FORM: &str = "https://HOST:PORT, for example https://tidegate-controller.tidegate-system.svc:8443";

impl FromStr for Origin {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = |what| Malformed::new(text, what, FORM);
        let rest = text.strip_prefix("https://").ok_or_else(|| malformed("does not begin with https://"))?;
        let address: Address = rest.trim_end_matches('/').parse().map_err(|_| malformed("has no host and port"))?;
        let (host, port) = match address {
            Address::Ip(address) => (address.ip().to_string(), address.port()),
            Address::Dns { host, port } => (host, port),
        };
        Ok(Self { host, port })
    }
}

impl Controller {
    /// A controller that is known by the bundle of certificates in one file, and knows this proxy by the token in another.
    /// Both are read at every connection, so that they may change.
    pub fn new(origin: Origin, ca: PathBuf, token: PathBuf) -> Self {
        Self { origin, ca, token }
    }

    /// The name that its certificate must be made for.
    pub(super) fn host(&self) -> &str {
        &self.origin.host
    }

    /// The addresses of its replicas; in their order at the moment, which says nothing.
    pub(super) async fn addresses(&self) -> Result<Vec<SocketAddr>, SubscribeError> {
        let Origin { host, port } = &self.origin;
        let addresses = match host.parse::<IpAddr>() {
            Ok(ip) => BTreeSet::from([ip]),
            // The system's configuration may change while the controller cannot be reached.
            Err(_) => Resolver::from_system()?.lookup(host).await?.addresses,
        };
        Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, *port)).collect())
    }

    /// The URL of one of its resources.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "https://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "https://{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_host_and_a_port() {
        for (url, shown) in [
            ("https://Controller.svc:8443", "https://controller.svc:8443"),
            ("https://10.0.0.1:1/", "https://10.0.0.1:1"),
            ("https://[::1]:1", "https://[::1]:1"),
        ] {
            assert_eq!(url.parse::<Origin>().map(|it| it.to_string()), Ok(shown.to_owned()), "{url}");
        }
        for bad in ["", "https://", "http://a:1", "https://a", "https://a:0", "https://a:1/b", "https://u@a:1", "a:1"] {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }
}
