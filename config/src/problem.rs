//! What is wrong with something a user wrote: the place, the fault, and what is allowed instead.

use std::fmt;

/// One fault in user input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: a path like `services.shop.canary` or `routes[0].path`; empty for the whole document.
    pub path: String,
    /// What is wrong there, as a clause: `"v3" is not a version of this service`.
    pub wrong: String,
    /// What would be right: a form, a range or the known names.
    pub allowed: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, wrong, allowed } = self;
        let place = if path.is_empty() { "(document)" } else { path };
        write!(f, "{place}: {wrong}; allowed: {allowed}")
    }
}

/// Every fault found in one document, in the order of the checks. Never empty when returned as an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Records one fault.
    pub fn add(&mut self, path: impl Into<String>, wrong: impl Into<String>, allowed: impl Into<String>) {
        let mut wrong = wrong.into();
        if wrong.contains("-----BEGIN") {
            // What is said of a value repeats it, and this one may be a key in a wrong place.
            "a certificate or a key".clone_into(&mut wrong);
        }
        self.0.push(Problem { path: path.into(), wrong, allowed: allowed.into() });
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The faults, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// How many faults there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A value that is not of its form: the error of every newtype's `FromStr`.
///
/// Its `Display` has the shape `wrong, expected allowed`, the same as serde's own type errors, so that the document
/// reader can split either into a [`Problem`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// What was written, quoted, and what is wrong with it.
    pub wrong: String,
    /// The form that is accepted, with an example.
    pub allowed: &'static str,
}

impl Malformed {
    /// `value` is not of the form `allowed`.
    pub fn new(value: &str, what: &str, allowed: &'static str) -> Self {
        // Input may be huge or hold control characters; a message must not.
        let mut shown: String = value.chars().take(60).flat_map(char::escape_debug).collect();
        if value.chars().count() > 60 {
            shown.push('…');
        }
        Self { wrong: format!("\"{shown}\" {what}"), allowed }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, expected {}", self.wrong, self.allowed)
    }
}

impl std::error::Error for Malformed {}
