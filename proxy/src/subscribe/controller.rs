//! Where the controller is, and the files that both sides know each other by.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use tidegate_config::{Address, Malformed};

use super::error::SubscribeError;
use crate::dns::Resolver;

/// Where the controller is, and how it is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// A DNS name, which may stand for several replicas, or an address.
    host: String,
    port: u16,
    /// The bundle of certificates in PEM that one of must have signed the controller's.
    pub(super) ca: PathBuf,
    /// The token that proves who this proxy is.
    pub(super) token: PathBuf,
}

const FORM: &str = "https://HOST:PORT, for example https://tidegate-controller.tidegate-system.svc:8443";

impl Controller {
    /// A controller at `url`. Both files are read at every connection, so that they may change.
    pub fn new(url: &str, ca: PathBuf, token: PathBuf) -> Result<Self, Malformed> {
        let rest =
            url.strip_prefix("https://").ok_or_else(|| Malformed::new(url, "does not begin with https://", FORM))?;
        let address: Address =
            rest.trim_end_matches('/').parse().map_err(|_| Malformed::new(url, "is no URL", FORM))?;
        let (host, port) = match address {
            Address::Ip(address) => (address.ip().to_string(), address.port()),
            Address::Dns { host, port } => (host, port),
        };
        Ok(Self { host, port, ca, token })
    }

    /// The name that its certificate must be made for.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The addresses of its replicas; in their order at the moment, which says nothing.
    pub(super) async fn addresses(&self) -> Result<Vec<SocketAddr>, SubscribeError> {
        let addresses = match self.host.parse::<IpAddr>() {
            Ok(ip) => BTreeSet::from([ip]),
            // The system's configuration may change while the controller cannot be reached.
            Err(_) => Resolver::from_system()?.lookup(&self.host).await?.addresses,
        };
        Ok(addresses.into_iter().map(|ip| SocketAddr::new(ip, self.port)).collect())
    }

    /// The URL of one of its resources.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{self}{path}")
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "https://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "https://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_host_and_a_port() {
        let read = |url| Controller::new(url, PathBuf::new(), PathBuf::new());
        for (url, shown) in [
            ("https://Controller.svc:8443", "https://controller.svc:8443"),
            ("https://10.0.0.1:1/", "https://10.0.0.1:1"),
            ("https://[::1]:1", "https://[::1]:1"),
        ] {
            assert_eq!(read(url).map(|it| it.to_string()), Ok(shown.to_owned()), "{url}");
        }
        for bad in ["", "https://", "http://a:1", "https://a", "https://a:0", "https://a:1/b", "https://u@a:1", "a:1"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
