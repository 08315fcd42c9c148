//! Which part of all visitors each arm gets by design.
//!
//! For visitors the *designed* shares are the exposures, not the observed traffic: whether a visitor
//! fails is independent of the hash that assigned it, so its first failure falls on the canary with
//! the canary's share, while one heavy client can bend the observed request counts at will.

use serde::{Deserialize, Serialize};

use super::increment::Stratum;

/// The shares of the canary and of stable, fractions of all visitors in [0, 1].
///
/// With further versions in the split the two need not sum to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exposure {
    /// The canary's own share.
    pub canary: f64,
    /// Stable's own share.
    pub stable: f64,
}

impl Exposure {
    /// Two versions only: stable has what the canary has not.
    pub fn split(canary: f64) -> Self {
        Self {
            canary,
            stable: 1.0 - canary,
        }
    }

    /// Exposure of the visitors first seen in an epoch who never changed version since.
    ///
    /// `epochs` are the shares of that epoch and of every one after it. A visitor is still on its
    /// first version iff its hash lies in that version's interval in all of them. The canary's
    /// interval grows and shrinks at one end (the versions before it keep theirs) and stable's
    /// ends at 1, so each intersection is as long as that version's smallest share; stable's is
    /// *not* 1 minus the canary's largest as soon as a third version has a share. `None` without
    /// an epoch.
    pub fn unmoved(epochs: &[Self]) -> Option<Self> {
        epochs.iter().copied().reduce(|kept, next| Self {
            canary: kept.canary.min(next.canary),
            stable: kept.stable.min(next.stable),
        })
    }

    /// Chance that a visitor who is in one of the two arms is in the canary; `None` if neither
    /// arm has a share.
    pub fn canary_odds(self) -> Option<f64> {
        let both = self.canary + self.stable;
        (both > 0.0).then(|| self.canary / both)
    }

    /// First events of visitors, at most one per visitor and signal in the whole rollout.
    ///
    /// `first_seen` counts the visitors first exposed to the canary in the interval (not requests:
    /// a tolerance per request would excuse a canary that fails each visitor once).
    pub fn stratum(self, first_seen: f64, canary_events: f64, stable_events: f64) -> Stratum {
        Stratum {
            exposure_canary: self.canary,
            exposure_stable: self.stable,
            canary_units: first_seen,
            canary_events,
            stable_events,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unmoved_visitors() {
        let check = |epochs: &[(f64, f64)], expected: (f64, f64), why: &str| {
            let epochs: Vec<_> = epochs
                .iter()
                .map(|&(canary, stable)| Exposure { canary, stable })
                .collect();
            let kept = Exposure::unmoved(&epochs).expect("there is an epoch");
            assert_eq!((kept.canary, kept.stable), expected, "{why}");
        };
        check(&[(0.1, 0.9)], (0.1, 0.9), "nothing changed yet");
        check(
            &[(0.1, 0.9), (0.5, 0.5)],
            (0.1, 0.5),
            "those moved by the ramp are out",
        );
        check(
            &[(0.5, 0.5), (0.1, 0.9), (0.3, 0.7)],
            (0.1, 0.5),
            "a step back and forward excludes both ways",
        );
        check(
            &[(0.1, 0.6), (0.2, 0.5)],
            (0.1, 0.5),
            "a third version holds 0.3 throughout",
        );
        check(
            &[(0.1, 0.9), (0.0, 1.0)],
            (0.0, 0.9),
            "an aborted canary keeps nobody",
        );
        assert_eq!(Exposure::unmoved(&[]), None);
    }

    #[test]
    fn odds_leave_other_versions_out() {
        let three = Exposure {
            canary: 0.2,
            stable: 0.6,
        };
        assert!((three.canary_odds().expect("both have a share") - 0.25).abs() < 1e-15);
        let none = Exposure {
            canary: 0.0,
            stable: 0.0,
        };
        assert_eq!(none.canary_odds(), None);
    }
}
