//! A share of the visitors of a service: whole parts per million inside, `12.5%` outside.

use std::fmt;
use std::str::FromStr;

use crate::problem::Malformed;
use crate::text::serde_as_text;

/// A part of a whole in parts per million, 0 to 1,000,000. The grain of every split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Share(u32);

const FORM: &str = "a percentage from 0% to 100% with at most four decimals, for example 12.5%";

impl Share {
    /// Nobody.
    pub const ZERO: Self = Self(0);
    /// Everybody.
    pub const ALL: Self = Self(1_000_000);

    /// A share of `ppm` parts per million; `None` above 1,000,000.
    pub const fn from_ppm(ppm: u32) -> Option<Self> {
        if ppm <= 1_000_000 { Some(Self(ppm)) } else { None }
    }

    /// Whether it is nobody's.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    pub const fn is_zero(&self) -> bool {
        self.0 == 0
    }

    /// Parts per million.
    pub const fn ppm(self) -> u32 {
        self.0
    }

    /// As a fraction in [0, 1].
    pub fn fraction(self) -> f64 {
        f64::from(self.0) / 1e6
    }

    /// What is left of `self` when `other` is taken away; zero where `other` is larger.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// The sum; all where it would be more.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        let sum = self.0.saturating_add(other.0);
        if sum > Self::ALL.0 { Self::ALL } else { Self(sum) }
    }
}

impl FromStr for Share {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = |what| Malformed::new(text, what, FORM);
        let number = text.trim().strip_suffix('%').ok_or_else(|| malformed("has no % sign"))?.trim_end();
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(decimals) {
            return Err(malformed("is not a number"));
        }
        if whole.len() > 3 {
            return Err(malformed("is out of range"));
        }
        if decimals.len() > 4 {
            return Err(malformed("is finer than one part per million"));
        }
        let parse = |part: &str| part.parse::<u32>().map_err(|_| malformed("is not a number"));
        let padded = format!("{decimals:0<4}");
        Self::from_ppm(parse(whole)? * 10_000 + parse(&padded)?).ok_or_else(|| malformed("is out of range"))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 10_000, self.0 % 10_000);
        if rest == 0 {
            return write!(f, "{whole}%");
        }
        let decimals = format!("{rest:04}");
        write!(f, "{whole}.{}%", decimals.trim_end_matches('0'))
    }
}

serde_as_text!(Share);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_percentages_exactly() {
        for (text, ppm) in [("0%", 0), ("0.1%", 1_000), ("12.5%", 125_000), ("100%", 1_000_000), ("0.0001%", 1)] {
            assert_eq!(text.parse::<Share>().map(Share::ppm), Ok(ppm), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_share() {
        for text in ["", "%", "10", "-1%", "100.1%", "1e2%", "0.00001%", "1.%", ".5%", "NaN%", "99999999999%"] {
            assert!(text.parse::<Share>().is_err(), "{text} was accepted");
        }
    }

    proptest! {
        #[test]
        fn text_round_trips(ppm in 0..=1_000_000u32) {
            let share = Share::from_ppm(ppm).unwrap();
            prop_assert_eq!(share.to_string().parse::<Share>(), Ok(share));
        }

        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = text.parse::<Share>();
        }
    }
}
