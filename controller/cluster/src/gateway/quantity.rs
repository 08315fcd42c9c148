//! PURE. Amounts of CPU and memory as Kubernetes writes them, as far as people write them.

use std::fmt;
use std::str::FromStr;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use tidegate_config::Malformed;

/// An amount of CPU, in thousandths of a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpu(u32);

/// An amount of memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory(u64);

const CPU_FORM: &str = "cores such as 2 or 0.5, or thousandths such as 250m, from 1m to 1000";
const MEMORY_FORM: &str = "bytes with Mi or Gi such as 256Mi, from 64Mi to 1024Gi";

impl Cpu {
    /// Thousandths of a core.
    pub const fn from_millis(millis: u32) -> Self {
        Self(millis)
    }
}

impl Memory {
    /// Mebibytes.
    pub const fn from_mebibytes(mebibytes: u64) -> Self {
        Self(mebibytes << 20)
    }
}

impl FromStr for Cpu {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let millis = match text.strip_suffix('m') {
            Some(millis) => millis.parse().ok(),
            None => thousandths(text),
        };
        let fits = millis.filter(|millis| (1..=1_000_000).contains(millis));
        fits.map(Self).ok_or_else(|| Malformed::new(text, "is not an amount of CPU", CPU_FORM))
    }
}

/// Cores with up to three decimal places.
fn thousandths(text: &str) -> Option<u32> {
    let (cores, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let part = digits.then(|| format!("{part:0<3}").parse::<u32>().ok()).flatten()?;
    cores.parse::<u32>().ok()?.checked_mul(1000)?.checked_add(part)
}

impl FromStr for Memory {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let shift = |(number, shift): (&str, u32)| number.parse::<u64>().ok()?.checked_mul(1 << shift);
        let mebi = text.strip_suffix("Mi").map(|number| (number, 20));
        let bytes = mebi.or_else(|| text.strip_suffix("Gi").map(|number| (number, 30))).and_then(shift);
        // Less is not enough for a proxy's buffers.
        let fits = bytes.filter(|bytes| (64 << 20..=1024 << 30).contains(bytes));
        fits.map(Self).ok_or_else(|| Malformed::new(text, "is not an amount of memory", MEMORY_FORM))
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // As the API server writes it back, so that what is wanted compares equal to what is there.
        if self.0.is_multiple_of(1000) { write!(f, "{}", self.0 / 1000) } else { write!(f, "{}m", self.0) }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1 << 30) { write!(f, "{}Gi", self.0 >> 30) } else { write!(f, "{}Mi", self.0 >> 20) }
    }
}

impl From<Cpu> for Quantity {
    fn from(cpu: Cpu) -> Self {
        Self(cpu.to_string())
    }
}

impl From<Memory> for Quantity {
    fn from(memory: Memory) -> Self {
        Self(memory.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written() {
        for (text, written) in
            [("2", "2"), ("0.5", "500m"), ("250m", "250m"), ("1.25", "1250m"), ("2000m", "2"), ("1000", "1000")]
        {
            assert_eq!(text.parse::<Cpu>().unwrap().to_string(), written, "{text}");
        }
        for (text, written) in [("64Mi", "64Mi"), ("1024Mi", "1Gi"), ("3Gi", "3Gi"), ("1536Mi", "1536Mi")] {
            assert_eq!(text.parse::<Memory>().unwrap().to_string(), written, "{text}");
        }
        for bad in ["", "0", "0m", "-1", "1.2345", "1.", "1001", "x", "9999999999", "1 m"] {
            assert!(bad.parse::<Cpu>().is_err(), "{bad}");
        }
        for bad in ["", "64", "63Mi", "1025Gi", "-1Gi", "1.5Gi", "99999999999999Gi", "1Ki"] {
            assert!(bad.parse::<Memory>().is_err(), "{bad}");
        }
    }
}
