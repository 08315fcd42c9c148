//! Amounts of CPU and memory as Kubernetes writes them.

use std::fmt;
use std::str::FromStr;

use tidegate_config::Malformed;

/// An amount: `50m`, `1`, `1.5`, `64Mi`. Scientific notation is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quantity {
    text: String,
    /// In thousandths, which is what the smallest unit of CPU is.
    thousandths: u128,
}

const SUFFIXES: [(&str, u128); 12] = [
    ("Ki", 1_000 << 10),
    ("Mi", 1_000 << 20),
    ("Gi", 1_000 << 30),
    ("Ti", 1_000 << 40),
    ("Pi", 1_000 << 50),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("", 1_000),
];

/// Digits before and after the point; more has no use, and cannot overflow.
const DIGITS_MAX: usize = 15;

impl Quantity {
    /// Whether it is more than another of its kind.
    pub fn exceeds(&self, other: &Self) -> bool {
        self.thousandths > other.thousandths
    }
}

impl FromStr for Quantity {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let read = || {
            let (number, unit) =
                SUFFIXES.iter().find_map(|(suffix, unit)| Some((text.strip_suffix(suffix)?, *unit)))?;
            let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
            let is_number = |digits: &str| {
                (1..=DIGITS_MAX).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
            };
            if !is_number(whole) || !is_number(part) {
                return None;
            }
            let parts = 10_u128.pow(u32::try_from(part.len()).ok()?);
            Some(whole.parse::<u128>().ok()? * unit + part.parse::<u128>().ok()? * unit / parts)
        };
        match read() {
            Some(thousandths) if thousandths > 0 => Ok(Self { text: text.to_owned(), thousandths }),
            _ => Err(Malformed::new(text, "is no amount", "an amount above 0, like 50m, 1.5 or 64Mi")),
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_compared_by_what_they_mean() {
        for (less, more) in [("50m", "1"), ("0.5", "501m"), ("64Mi", "1Gi"), ("64M", "64Mi"), ("1k", "1Ki")] {
            let (less, more): (Quantity, Quantity) = (less.parse().unwrap(), more.parse().unwrap());
            assert!(more.exceeds(&less) && !less.exceeds(&more), "{less} {more}");
        }
        let (half, other): (Quantity, Quantity) = ("0.5".parse().unwrap(), "500m".parse().unwrap());
        assert!(!half.exceeds(&other) && !other.exceeds(&half));
        for bad in ["", "m", "0", "-1", "1e3", "1 Mi", "1mi", ".5", "1.", "9999999999999999"] {
            assert!(bad.parse::<Quantity>().is_err(), "{bad}");
        }
    }
}
