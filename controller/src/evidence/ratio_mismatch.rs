//! Sample-ratio mismatch: do visitors reach the versions in the designed ratio?
//!
//! If not, one version loses visitors (a redirect, a crash before the first count, a cache) and no
//! comparison between those who are left can be trusted. The answer is to hold and say so, never to
//! go on silently. Only visitors first seen in an epoch are counted, against that epoch's shares.
//! The tests are those of Lindon & Malek (arXiv 2011.03567); both may be looked at any time.

use libm::lgamma;
use serde::{Deserialize, Serialize};

use super::exposure::Exposure;
use super::grid::Alternatives;
use super::increment::{Tolerance, real};
use super::process::{Process, Schedule};

/// Evidence at which the split is declared broken: at most 1 sound rollout in 1000.
pub const ALARM: f64 = 1000.0;

/// The test of one canary against stable, accumulated over epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RatioMismatch {
    process: Process,
    alarmed: bool,
}

impl Default for RatioMismatch {
    fn default() -> Self {
        Self {
            process: Process::new(Alternatives::Mismatch, Schedule::AT_ONCE, 1.0),
            alarmed: false,
        }
    }
}

impl RatioMismatch {
    /// Adds the visitors first seen since the last call in an epoch with these shares.
    pub fn observe(&mut self, exposure: Exposure, canary: f64, stable: f64) {
        // A visitor is an event here, and a bet on odds is a bet on the ratio of two rates.
        let visitors = exposure.stratum(0.0, canary, stable);
        self.process.advance(0.0, &[visitors], Tolerance::NONE);
        self.alarmed |= self.log_evidence() >= ALARM.ln();
    }

    /// Natural logarithm of the evidence against the designed ratio.
    pub fn log_evidence(&self) -> f64 {
        self.process.log_wealth()
    }

    /// Whether the evidence ever reached [`ALARM`]; later visitors do not heal the earlier ones.
    pub fn alarmed(&self) -> bool {
        self.alarmed
    }
}

/// Weight of the designed shares in the many-armed test, in visitors.
const CONCENTRATION: f64 = 100.0;

/// Log evidence against the designed shares of any number of versions in one epoch, from that
/// epoch's totals so far (Dirichlet-multinomial). Evidence of several epochs adds up.
///
/// `visitors` and `shares` go by version. A version without a share takes no part.
pub fn log_evidence_of_many(visitors: &[u64], shares: &[f64]) -> f64 {
    let total: f64 = shares.iter().filter(|&&share| share > 0.0).sum();
    let arms = visitors.iter().zip(shares);
    let mut seen = 0.0;
    let mut log = 0.0;
    for (&count, &share) in arms.filter(|&(_, &share)| share > 0.0) {
        let (count, share) = (real(count), share / total);
        let prior = CONCENTRATION * share;
        seen += count;
        log += lgamma(prior + count) - lgamma(prior) - count * share.ln();
    }
    log + lgamma(CONCENTRATION) - lgamma(CONCENTRATION + seen)
}

#[cfg(test)]
#[expect(
    clippy::float_cmp,
    reason = "without a visitor every term is exactly 0"
)]
mod tests {
    use super::*;

    #[test]
    fn alarms_on_lost_visitors_only() {
        let check = |epochs: &[(f64, f64, f64)], alarmed: bool, why: &str| {
            let mut test = RatioMismatch::default();
            for &(share, canary, stable) in epochs {
                test.observe(Exposure::split(share), canary, stable);
            }
            let log = test.log_evidence();
            assert_eq!(test.alarmed(), alarmed, "{why}: {log}");
        };
        check(&[], false, "nobody seen");
        check(&[(0.0, 0.0, 9e5)], false, "no canary, nothing to compare");
        check(&[(0.1, 1013.0, 8987.0)], false, "sound");
        check(
            &[(0.1, 100.0, 900.0), (0.5, 500.0, 500.0)],
            false,
            "a ramp is no mismatch",
        );
        check(&[(0.5, 4500.0, 5000.0)], true, "one in ten lost");
        check(&[(0.5, 5000.0, 4500.0)], true, "on either side");
        check(
            &[(0.5, 4500.0, 5000.0), (0.5, 5500.0, 5000.0)],
            true,
            "an alarm does not heal",
        );
    }

    #[test]
    fn other_versions_do_not_count() {
        let mut test = RatioMismatch::default();
        let shares = Exposure {
            canary: 0.1,
            stable: 0.4,
        };
        test.observe(shares, 2000.0, 8000.0);
        assert!(test.log_evidence() < 0.0);
    }

    #[test]
    fn many_versions() {
        let check = |visitors: &[u64], shares: &[f64], alarmed: bool, why: &str| {
            let log = log_evidence_of_many(visitors, shares);
            assert_eq!(log >= ALARM.ln(), alarmed, "{why}: {log}");
        };
        check(&[0, 0, 0], &[0.2, 0.3, 0.5], false, "nobody seen");
        check(&[2013, 2980, 5007], &[0.2, 0.3, 0.5], false, "sound");
        check(&[1700, 3100, 5200], &[0.2, 0.3, 0.5], true, "15 % lost");
        check(
            &[5000, 5000, 0],
            &[0.5, 0.5, 0.0],
            false,
            "a share of 0 is absent",
        );
        assert_eq!(log_evidence_of_many(&[0, 0], &[0.5, 0.5]), 0.0);
    }
}
