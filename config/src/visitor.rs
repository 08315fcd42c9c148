//! Who counts as one visitor: the unit that is assigned to a version and counted as evidence.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::problem::Malformed;
use crate::text::serde_as_text;

/// How visitors are told apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Visitor {
    /// A request header that holds a visitor's id, for example `x-user-id`. Where a request has it, it wins over `by`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderName>,
    /// What identifies a request without that header. Default `cookie`.
    pub by: Identity,
    /// Whether a tester may choose a version with the header `x-tidegate-version` or the cookie `tidegate-version`.
    /// Default true. Such requests are left out of the analysis.
    #[serde(rename = "override")]
    pub overridable: bool,
}

impl Default for Visitor {
    fn default() -> Self {
        Self { header: None, by: Identity::Cookie, overridable: true }
    }
}

/// What identifies a visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Identity {
    /// A signed cookie, set by the proxy where a request brings none.
    Cookie,
    /// The client's address.
    Address,
    /// Nothing: every request is a unit of its own. For machine clients that keep no state.
    Request,
}

/// The name of an HTTP header field (RFC 9110 §5.1), in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HeaderName(String);

const FORM: &str = "a header name such as x-user-id, at most 64 bytes";

impl HeaderName {
    /// The name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HeaderName {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if (1..=64).contains(&text.len()) && text.bytes().all(token) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(Malformed::new(text, "is not a header name", FORM))
        }
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(HeaderName);
