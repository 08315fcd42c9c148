//! What a sidecar has taken over, written to its pod and read from it.

use std::fmt;
use std::str::FromStr;

use tidegate_config::Malformed;

/// A port of the application that the sidecar stands before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Takeover {
    /// The name that Services aim at; the sidecar's now.
    pub name: String,
    /// Where the sidecar listens.
    pub listen: u16,
    /// Where the application listens.
    pub application: u16,
}

impl Takeover {
    /// Reads the value of the annotation [`crate::PORTS`] of a pod that has the sidecar.
    pub fn read(annotation: &str) -> Result<Vec<Self>, Malformed> {
        annotation.split(',').map(str::parse).collect()
    }

    /// What [`Takeover::read`] reads.
    pub(crate) fn write(all: &[Self]) -> String {
        all.iter().map(Self::to_string).collect::<Vec<_>>().join(",")
    }
}

impl fmt::Display for Takeover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, listen, application } = self;
        write!(f, "{name}:{listen}:{application}")
    }
}

impl FromStr for Takeover {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let read = || {
            let mut parts = text.split(':');
            let (name, listen, application) = (parts.next()?, parts.next()?, parts.next()?);
            let rest = parts.next();
            let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
            let all = Self { name: name.to_owned(), listen: port(listen)?, application: port(application)? };
            (rest.is_none() && !name.is_empty()).then_some(all)
        };
        read()
            .ok_or_else(|| Malformed::new(text, "tells of no port", "NAME:PORT OF THE SIDECAR:PORT OF THE APPLICATION"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let port = |name: &str, listen, application| Takeover { name: name.to_owned(), listen, application };
        let all = vec![port("http", 15_000, 8080), port("metrics", 15_001, 9090)];
        let written = Takeover::write(&all);
        assert_eq!(written, "http:15000:8080,metrics:15001:9090");
        assert_eq!(Takeover::read(&written), Ok(all));
        for bad in ["", "http", "http:1", "http:0:1", "http:1:2:3", ":1:2", "http:1:2,"] {
            assert!(Takeover::read(bad).is_err(), "{bad}");
        }
    }
}
