//! A length of time as users write it: `250ms`, `10s`, `5m`, `1h30m`, `2d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::problem::Malformed;
use crate::text::serde_as_text;

/// A duration in whole milliseconds, at most 366 days (long enough for any timeout; short enough for any sum of them).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(u64);

const FORM: &str = "a duration such as 250ms, 10s, 5m, 1h30m or 2d, at most 366d";
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const MAX_MS: u64 = 366 * 86_400_000;

impl Span {
    /// No time.
    pub const ZERO: Self = Self(0);

    /// A span of whole seconds.
    pub const fn from_secs(seconds: u32) -> Self {
        Self(seconds as u64 * 1_000)
    }

    /// A span of whole milliseconds.
    pub const fn from_millis(millis: u32) -> Self {
        Self(millis as u64)
    }

    /// In milliseconds.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// In seconds.
    pub fn seconds(self) -> f64 {
        Duration::from(self).as_secs_f64()
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        Self::from_millis(span.0)
    }
}

impl FromStr for Span {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = |what| Malformed::new(text, what, FORM);
        let mut rest = text.trim();
        if rest == "0" {
            return Ok(Self::ZERO);
        }
        if rest.is_empty() {
            return Err(malformed("is empty"));
        }
        let mut total = 0u64;
        while !rest.is_empty() {
            let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let number: u64 = rest[..digits].parse().map_err(|_| malformed("is not a duration"))?;
            rest = &rest[digits..];
            let letters = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len();
            let unit = UNITS.iter().find(|(name, _)| *name == &rest[..letters]);
            let (_, millis) = unit.ok_or_else(|| malformed("has no unit of time"))?;
            rest = &rest[letters..];
            total = number.checked_mul(*millis).and_then(|ms| total.checked_add(ms)).unwrap_or(u64::MAX);
        }
        if total > MAX_MS { Err(malformed("is too long")) } else { Ok(Self(total)) }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        for (name, millis) in UNITS.iter().rev() {
            if rest >= *millis {
                write!(f, "{}{name}", rest / millis)?;
                rest %= millis;
            }
        }
        Ok(())
    }
}

serde_as_text!(Span);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_durations() {
        for (text, ms) in
            [("250ms", 250), ("10s", 10_000), ("1h30m", 5_400_000), ("2d", 172_800_000), ("0", 0), ("0s", 0)]
        {
            assert_eq!(text.parse::<Span>().map(Span::millis), Ok(ms), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in ["", "10", "s", "-1s", "1.5s", "1x", "10 s", "400d", "99999999999999999999s", "1s2"] {
            assert!(text.parse::<Span>().is_err(), "{text} was accepted");
        }
    }

    proptest! {
        #[test]
        fn text_round_trips(ms in 0..=MAX_MS) {
            let span = Span(ms);
            prop_assert_eq!(span.to_string().parse::<Span>(), Ok(span));
        }

        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = text.parse::<Span>();
        }
    }
}
