//! The version of Kubernetes, of which it matters whether sidecars' ports reach Services.

use std::fmt;
use std::str::FromStr;

use tidegate_config::Malformed;

/// The version of a cluster: `1.36`. What follows the minor number is read over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KubernetesVersion {
    major: u32,
    minor: u32,
}

impl KubernetesVersion {
    /// The first one whose Services find the named ports of native sidecars.
    pub const FIRST: Self = Self::new(1, 33);

    /// A version from its two numbers.
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }
}

impl FromStr for KubernetesVersion {
    type Err = Malformed;

    /// Reads what `/version` of an API server says: `v1.36.3`, `1.33+`, `v1.34.1-gke.100`.
    fn from_str(text: &str) -> Result<Self, Malformed> {
        let plain = text.strip_prefix('v').unwrap_or(text);
        let read = || {
            let (major, rest) = plain.split_once('.')?;
            let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
            Some(Self::new(major.parse().ok()?, minor.parse().ok()?))
        };
        read().ok_or_else(|| Malformed::new(text, "is no version of Kubernetes", "a version like 1.36"))
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_many_clusters_are_read_and_compared() {
        for (text, enough) in [
            ("v1.36.3", true),
            ("1.33+", true),
            ("v1.34.1-gke.100", true),
            ("1.32", false),
            ("v1.9.11", false),
            ("2.0", true),
        ] {
            let version: KubernetesVersion = text.parse().unwrap();
            assert_eq!(version >= KubernetesVersion::FIRST, enough, "{text}");
        }
        for bad in ["", "1", "v1", "1.", "one.two", "-1.33"] {
            assert!(bad.parse::<KubernetesVersion>().is_err(), "{bad}");
        }
    }
}
