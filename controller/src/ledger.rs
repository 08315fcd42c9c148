//! PURE. The epochs of one service. An epoch is a stretch of constant shares: evidence is compared within one only, so
//! that a ramp cannot fake an effect.

use serde::{Deserialize, Serialize};
use tidegate_config::limits::EPOCHS_MAX;
use tidegate_config::{Arm, Name, RolloutId, Share};

/// The epochs issued for a service, the last [`EPOCHS_MAX`] with their shares.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ledger {
    /// The number of the newest.
    issued: u64,
    /// The newest last.
    epochs: Vec<Epoch>,
}

/// A stretch of constant shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Epoch {
    /// Rises; never reused for this service.
    pub number: u64,
    /// The shares in their order on the line.
    pub arms: Vec<Arm>,
    /// The rollout whose evidence it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutId>,
}

impl Ledger {
    /// A ledger whose epochs come after `issued`. Where an earlier ledger of the same service may be lost while proxies
    /// still hold its epochs, the time in milliseconds is more than any of them.
    pub fn after(issued: u64) -> Self {
        Self { issued, epochs: Vec::new() }
    }

    /// The newest epoch; `None` before the first.
    pub fn newest(&self) -> Option<&Epoch> {
        self.epochs.last()
    }

    /// The number for these shares: the newest epoch's while they are unchanged, else a new one.
    pub fn issue(&mut self, arms: &[Arm], rollout: Option<RolloutId>) -> u64 {
        if self.epochs.last().is_none_or(|last| last.arms != arms || last.rollout != rollout) {
            self.issued += 1;
            self.epochs.push(Epoch { number: self.issued, arms: arms.to_vec(), rollout });
            self.epochs.drain(..self.epochs.len().saturating_sub(EPOCHS_MAX));
        }
        self.issued
    }

    /// The number of the newest epoch; 0 before the first.
    pub fn current(&self) -> u64 {
        self.issued
    }

    /// The epochs of one rollout that are still known, the newest last.
    pub fn of(&self, rollout: RolloutId) -> impl Iterator<Item = &Epoch> {
        self.epochs.iter().filter(move |epoch| epoch.rollout == Some(rollout))
    }
}

impl Epoch {
    /// The share of one version.
    pub fn share_of(&self, version: &Name) -> Share {
        self.arms.iter().find(|arm| arm.version == *version).map_or(Share::ZERO, |arm| arm.share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arms(canary: u32) -> Vec<Arm> {
        let arm = |version: &str, ppm| Arm::new(version.parse().unwrap(), Share::from_ppm(ppm).unwrap());
        vec![arm("v2", canary), arm("v1", 1_000_000 - canary)]
    }

    #[test]
    fn only_a_change_of_shares_or_rollout_issues_an_epoch() {
        let one = "0000000000000001".parse().ok();
        let mut ledger = Ledger::default();
        let steps = [
            (0, None, 1, "the first"),
            (0, None, 1, "the same again"),
            (0, one, 2, "a rollout starts at the same shares"),
            (100_000, one, 3, "its first step"),
            (100_000, one, 3, "the same again"),
            (0, one, 4, "back to shares that were in force before"),
        ];
        for (canary, rollout, epoch, why) in steps {
            assert_eq!(ledger.issue(&arms(canary), rollout), epoch, "{why}");
        }
        let known: Vec<_> = one.into_iter().flat_map(|id| ledger.of(id)).map(|epoch| epoch.number).collect();
        assert_eq!(known, [2, 3, 4]);
    }

    #[test]
    fn a_ledger_that_begins_anew_goes_on_above_what_is_lost() {
        let mut ledger = Ledger::after(1_700_000_000_000);
        assert_eq!(ledger.newest(), None);
        assert_eq!(ledger.issue(&arms(0), None), 1_700_000_000_001);
        assert_eq!(ledger.newest().map(|epoch| epoch.number), Some(1_700_000_000_001));
    }

    #[test]
    fn ten_thousand_changes_keep_a_bounded_tail() {
        let mut ledger = Ledger::default();
        for i in 0..10_000 {
            ledger.issue(&arms(i % 2), None);
        }
        assert_eq!((ledger.current(), ledger.epochs.len()), (10_000, EPOCHS_MAX));
        assert_eq!(ledger.epochs.first().map(|epoch| epoch.number), Some(10_001 - EPOCHS_MAX as u64));
    }
}
