//! One bet for each share that some step goes to. What may be harmful is measured on all visitors: at a small share a
//! canary may be much worse before many notice, so going there is cheap to assure, and the last step is strict.

use serde::{Deserialize, Serialize};
use tidegate_config::Share;
use tidegate_config::policy::Policy;

use crate::evidence::increment::{Stratum, Tolerance};
use crate::evidence::process::Process;

/// The bets that the shares to come are harmless.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Assurances(Vec<Target>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    share: Share,
    process: Process,
}

impl Assurances {
    /// A fresh `process` for each step but the first, which comes after no evidence.
    pub(super) fn new(policy: &Policy, process: &Process) -> Self {
        let target = |share| Target { share, process: process.clone() };
        Self(policy.steps().iter().skip(1).map(|step| target(step.share)).collect())
    }

    /// Bets on an interval; `excluded` says for each share what is to be excluded before it.
    pub(super) fn advance(&mut self, intervals: f64, strata: &[Stratum], excluded: impl Fn(Share) -> Tolerance) {
        for Target { share, process } in &mut self.0 {
            process.advance(intervals, strata, excluded(*share));
        }
    }

    /// Natural logarithm of the evidence that `next` is harmless; `None` for a share that is no step's.
    pub(super) fn toward(&self, next: Share) -> Option<f64> {
        self.0.iter().find(|target| target.share == next).map(|target| target.process.log_wealth())
    }
}
