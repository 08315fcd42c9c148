//! One step of a canary in text: `10%`, `25% 10m`, `50% approve`, `50% 10m approve`.

use std::fmt;
use std::str::FromStr;

use crate::problem::Malformed;
use crate::share::Share;
use crate::span::Span;
use crate::text::serde_as_text;

/// A share to reach, and what it takes to leave it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The canary's share of the visitors.
    pub share: Share,
    /// Least time at this share; absent: the policy's `soak`.
    pub soak: Option<Span>,
    /// Whether somebody must say `promote` before the next step.
    pub approve: bool,
}

const FORM: &str = "SHARE [SOAK] [approve], for example 10%, 25% 10m or 50% approve";

impl Step {
    /// A step to a share, with the policy's own soak.
    pub const fn to(share: Share) -> Self {
        Self { share, soak: None, approve: false }
    }
}

impl FromStr for Step {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let mut words = text.split_whitespace().peekable();
        let share = words.next().unwrap_or_default();
        let share = share.parse().map_err(|_| Malformed::new(text, "does not begin with a share", FORM))?;
        let soak = words.next_if(|word| *word != "approve").map(str::parse).transpose();
        let soak = soak.map_err(|_| Malformed::new(text, "has a soak that is no duration", FORM))?;
        let approve = words.next_if_eq(&"approve").is_some();
        if words.next().is_some() {
            return Err(Malformed::new(text, "is not a step", FORM));
        }
        Ok(Self { share, soak, approve })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.share.fmt(f)?;
        if let Some(soak) = self.soak {
            write!(f, " {soak}")?;
        }
        if self.approve { f.write_str(" approve") } else { Ok(()) }
    }
}

serde_as_text!(Step);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_steps() {
        for text in ["10%", "25% 10m", "50% approve", "50% 10m approve"] {
            assert_eq!(text.parse::<Step>().map(|step| step.to_string()), Ok(text.to_owned()));
        }
        for bad in ["", "10", "10% soon", "10% 5m 5m", "approve", "10% approve 5m"] {
            assert!(bad.parse::<Step>().is_err(), "{bad}");
        }
    }
}
