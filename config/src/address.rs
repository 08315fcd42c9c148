//! Where an endpoint of a version is: `10.0.0.7:8080`, `[::1]:8080` or `shop.internal:8080`.

use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crate::problem::Malformed;
use crate::text::serde_as_text;

/// The address of an endpoint, or a DNS name that stands for several.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A DNS name (at most 253 bytes, RFC 1035 §2.3.4) and a port; resolved again when its TTL ends.
    Dns {
        /// The name, in lower case.
        host: String,
        /// The port.
        port: u16,
    },
}

const FORM: &str = "HOST:PORT, for example 10.0.0.7:8080, [::1]:8080 or shop.internal:8080";

fn is_dns_name(host: &str) -> bool {
    let label = |l: &str| {
        let bytes = l.as_bytes();
        let inner = bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        (1..=63).contains(&bytes.len()) && inner && !l.starts_with('-') && !l.ends_with('-')
    };
    let all_numeric = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    host.len() <= 253 && host.split('.').all(label) && !all_numeric
}

impl FromStr for Address {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return if address.port() == 0 {
                Err(Malformed::new(text, "has port 0", FORM))
            } else {
                Ok(Self::Ip(address))
            };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| Malformed::new(text, "has no port", FORM))?;
        if host.parse::<Ipv6Addr>().is_ok() {
            return Err(Malformed::new(text, "needs brackets around its IPv6 address", FORM));
        }
        match port.parse::<u16>() {
            Ok(port) if port > 0 && is_dns_name(host) => Ok(Self::Dns { host: host.to_ascii_lowercase(), port }),
            Ok(port) if port > 0 => Err(Malformed::new(text, "has no valid host", FORM)),
            _ => Err(Malformed::new(text, "has no valid port", FORM)),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Dns { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

serde_as_text!(Address);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_addresses_from_names() {
        assert!(matches!("127.0.0.1:80".parse(), Ok(Address::Ip(_))));
        assert!(matches!("[::1]:80".parse(), Ok(Address::Ip(_))));
        let dns = Address::Dns { host: "shop.internal".into(), port: 8080 };
        assert_eq!("Shop.internal:8080".parse(), Ok(dns));
    }

    #[test]
    fn refuses_what_is_neither() {
        let long = format!("{}:80", "a.".repeat(130));
        for bad in ["", ":80", "a", "a:0", "a:x", "::1:80", "-a:80", "a..b:80", "999.1.1.1:80", "a b:80", &long] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }
}
