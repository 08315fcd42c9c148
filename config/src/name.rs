//! Names of services and versions.

use std::fmt;
use std::str::FromStr;

use crate::limits;
use crate::problem::Malformed;
use crate::text::serde_as_text;

/// A name: the letters that Kubernetes accepts in a label's value, so that it fits a metric label, an object and a cookie
/// alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

const FORM: &str = "1 to 143 letters, digits, '-', '_' or '.', beginning and ending with a letter or digit";

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = text.as_bytes();
        let fits = (1..=limits::NAME_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(|b| inner(*b));
        if fits && edge(bytes.first()) && edge(bytes.last()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Malformed::new(text, "is not a name", FORM))
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serde_as_text!(Name);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_label_values_only() {
        for good in ["v1", "2026-11-23", "a.b_c-d", "A"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", "ü", "a/b", &"x".repeat(144)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
