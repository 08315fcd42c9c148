//! Failures: each visitor's first one, against the shares by design.

use serde::{Deserialize, Serialize};
use tidegate_config::Share;
use tidegate_config::policy::Policy;

use super::Look;
use crate::engine::plan::{self, Plan};
use crate::evidence::budget::assurance_tolerance;
use crate::evidence::grid::Alternatives;
use crate::evidence::increment::{Stratum, Tolerance, real};
use crate::evidence::process::{Process, Schedule};

/// The bets on failures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Errors {
    tolerance: Tolerance,
    harm: f64,
    regression: Process,
    /// One bet for each share that some step goes to: a small share is cheap to assure, the last one strict.
    assurance: Vec<Target>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    share: Share,
    process: Process,
}

impl Errors {
    pub(super) fn new(policy: &Policy, plan: &Plan) -> Self {
        let schedule = Schedule::over(plan.intervals(policy));
        let process = |alternatives| Process::new(alternatives, schedule, f64::from(plan.counts_per_visitor));
        let target = |share| Target { share, process: process(Alternatives::Assurance) };
        Self {
            tolerance: plan::tolerance(policy),
            harm: plan.max_harm,
            regression: process(Alternatives::Regression),
            assurance: policy.steps().iter().skip(1).map(|step| target(step.share)).collect(),
        }
    }

    pub(super) fn ingest(&mut self, look: &Look<'_>) {
        let strata: Vec<Stratum> = look
            .interval
            .iter()
            .filter_map(|(epoch, growth)| {
                let exposure = look.shares(*epoch)?.exposure();
                let (canary, stable) = (&growth.canary, &growth.stable);
                Some(exposure.stratum(real(canary.exposed), real(canary.failed), real(stable.failed)))
            })
            .collect();
        self.regression.advance(look.intervals, &strata, self.tolerance);
        for target in &mut self.assurance {
            let tolerance = assurance_tolerance(self.tolerance, self.harm, target.share.fraction());
            target.process.advance(look.intervals, &strata, tolerance);
        }
    }

    pub(super) fn regression(&self) -> f64 {
        self.regression.log_wealth()
    }

    pub(super) fn assurance(&self, next: Share) -> Option<f64> {
        self.assurance.iter().find(|target| target.share == next).map(|target| target.process.log_wealth())
    }

    /// What must be excluded before `next`.
    pub(crate) fn assurance_tolerance(&self, next: Share) -> Tolerance {
        assurance_tolerance(self.tolerance, self.harm, next.fraction())
    }
}
