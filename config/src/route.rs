//! Which requests go to which service. Precedence as the Gateway API defines it for `HTTPRoute`: the most specific
//! host first, then an exact path, then the longest prefix.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::name::Name;
use crate::problem::Malformed;
use crate::span::Span;
use crate::text::serde_as_text;

/// One routing rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// The host it applies to; absent: every host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Host>,
    /// The path it applies to; absent: every path.
    #[serde(default)]
    pub path: PathMatch,
    /// The listeners that it is for, by name; absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listeners: Option<BTreeSet<Name>>,
    /// The service that answers.
    pub service: Name,
    /// Overrides `timeouts.request` for this route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_timeout: Option<Span>,
}

/// A host of a route: exact, or `*.` in front of a suffix of at least one label (Gateway API `Hostname`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// This host alone, in lower case.
    Exact(String),
    /// Every host that ends in this suffix; kept in lower case with its leading dot: `.example.com`.
    Suffix(String),
}

impl Host {
    /// Whether a request for this host is one for `other`, too: both are the same, or `other` is the wider one.
    pub fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(name), Self::Exact(other)) => name == other,
            // A wildcard stands for at least one label, so the suffix alone, which begins with a dot, does not match.
            (Self::Exact(name), Self::Suffix(suffix)) => name.len() > suffix.len() && name.ends_with(&**suffix),
            (Self::Suffix(suffix), Self::Suffix(other)) => suffix.ends_with(&**other),
            (Self::Suffix(_), Self::Exact(_)) => false,
        }
    }
}

const HOST_FORM: &str = "a host name such as shop.example.com, or *.example.com, without a port";

impl FromStr for Host {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let label = |l: &str| {
            let inner = l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
            (1..=63).contains(&l.len()) && inner && !l.starts_with('-') && !l.ends_with('-')
        };
        let lower = text.to_ascii_lowercase();
        let (name, wildcard) = lower.strip_prefix("*.").map_or((lower.as_str(), false), |rest| (rest, true));
        let ipv6 = name.starts_with('[') && name.ends_with(']');
        if name.len() > 253 || !(name.split('.').all(label) || ipv6 && !wildcard) {
            return Err(Malformed::new(text, "is not a host", HOST_FORM));
        }
        Ok(if wildcard { Self::Suffix(format!(".{name}")) } else { Self::Exact(name.to_owned()) })
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
        }
    }
}

serde_as_text!(Host);

/// A condition on the path of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", try_from = "WrittenMatch")]
pub enum PathMatch {
    /// The whole path, to the letter.
    Exact(Path),
    /// The path up to a `/` boundary: `/shop` takes `/shop` and `/shop/cart`, never `/shopping`.
    Prefix(Path),
}

/// A condition as it is written; as an enum it would be told of by its variants, which nobody has heard of.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = crate::schema::path_match())))]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "{exact: /PATH} or {prefix: /PATH}")]
struct WrittenMatch {
    /// The whole path, to the letter.
    exact: Option<Path>,
    /// The path up to a `/` boundary: `/shop` takes `/shop` and `/shop/cart`, never `/shopping`.
    prefix: Option<Path>,
}

impl TryFrom<WrittenMatch> for PathMatch {
    type Error = &'static str;

    fn try_from(written: WrittenMatch) -> Result<Self, &'static str> {
        match (written.exact, written.prefix) {
            (Some(exact), None) => Ok(Self::Exact(exact)),
            (None, Some(prefix)) => Ok(Self::Prefix(prefix)),
            (Some(_), Some(_)) => Err("exact and prefix together, expected one of the two"),
            (None, None) => Err("neither exact nor prefix, expected one of the two"),
        }
    }
}

impl Default for PathMatch {
    fn default() -> Self {
        Self::Prefix(Path("/".into()))
    }
}

impl PathMatch {
    /// Whether a request path meets the condition.
    pub fn takes(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => path == exact.as_str(),
            Self::Prefix(prefix) => {
                let prefix = prefix.as_str().trim_end_matches('/');
                path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }
}

/// A path in a rule: begins with `/`, without query, fragment or control bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path(String);

const PATH_FORM: &str = "a path that begins with /, without ? # or spaces, at most 1024 bytes";

impl Path {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Path {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let plain = text.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#'));
        if text.starts_with('/') && plain && text.len() <= 1024 {
            Ok(Self(text.to_owned()))
        } else {
            Err(Malformed::new(text, "is not a path", PATH_FORM))
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(Path);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_end_at_a_segment() {
        let shop = PathMatch::Prefix("/shop".parse().unwrap());
        for (path, takes) in [("/shop", true), ("/shop/", true), ("/shop/a", true), ("/shopping", false), ("/", false)]
        {
            assert_eq!(shop.takes(path), takes, "{path}");
        }
        assert!(PathMatch::default().takes("/anything"));
        assert!(PathMatch::Prefix("/shop/".parse().unwrap()).takes("/shop"));
    }

    #[test]
    fn hosts_are_exact_or_one_wildcard() {
        assert_eq!("Shop.Example".parse(), Ok(Host::Exact("shop.example".into())));
        assert_eq!("*.example".parse(), Ok(Host::Suffix(".example".into())));
        for bad in ["", "*", "a:80", "*.*.a", "a..b", "a b", "http://a"] {
            assert!(bad.parse::<Host>().is_err(), "{bad}");
        }
    }
}
