//! Failures: each visitor's first one, against the shares by design.

use serde::{Deserialize, Serialize};
use tidegate_config::Share;
use tidegate_config::policy::Policy;

use super::Look;
use super::assurance::Assurances;
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
    assurance: Assurances,
}

impl Errors {
    pub(super) fn new(policy: &Policy, plan: &Plan) -> Self {
        let schedule = Schedule::over(plan.intervals(policy));
        let process = |alternatives| Process::new(alternatives, schedule, f64::from(plan.counts_per_visitor));
        Self {
            tolerance: plan::tolerance(policy),
            harm: plan.max_harm,
            regression: process(Alternatives::Regression),
            assurance: Assurances::new(policy, &process(Alternatives::Assurance)),
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
        let (tolerance, harm) = (self.tolerance, self.harm);
        let excluded = |next: Share| assurance_tolerance(tolerance, harm, next.fraction());
        self.assurance.advance(look.intervals, &strata, excluded);
    }

    pub(super) fn regression(&self) -> f64 {
        self.regression.log_wealth()
    }

    pub(super) fn assurance(&self, next: Share) -> Option<f64> {
        self.assurance.toward(next)
    }

    /// What must be excluded before `next`.
    pub(crate) fn assurance_tolerance(&self, next: Share) -> Tolerance {
        assurance_tolerance(self.tolerance, self.harm, next.fraction())
    }
}
