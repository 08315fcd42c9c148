//! What is fixed before the canary gets its first visitor, so that nothing seen later can bend it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_config::policy::{MaxHarm, Policy, Step};
use tidegate_config::{Share, Span};

use crate::evidence::budget::{self, HARM_WITHOUT_HISTORY};
use crate::evidence::grid::GRIDS_VERSION;
use crate::evidence::increment::{Tolerance, real};

/// Requests per second above which a scrape every second is worth its cost.
const BUSY_REQUESTS_PER_SECOND: f64 = 200.0;
/// Seconds of history that a choice of the harm budget needs.
const HISTORY_SECONDS_MIN: f64 = 600.0;
/// How long a healthy rollout should take with an automatic harm budget.
const TARGET: Duration = Duration::from_mins(15);

/// Stable's recent past, before the rollout.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// The length of that past, in seconds.
    pub seconds: f64,
    /// Requests in it.
    pub requests: u64,
    /// Visitors in it; where they are not told apart, requests.
    pub visitors: u64,
    /// Visitors of them who met a failure.
    pub failed: u64,
}

/// The fixed part of a rollout, written into its first record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Nominal time between two scrapes.
    pub scrape_interval: Span,
    /// Least time at any step, in milliseconds: a request that began in it has ended and was scraped.
    pub soak_min_ms: u64,
    /// Part of all visitors that may at most meet an additional failure.
    pub max_harm: f64,
    /// Where that number comes from.
    pub harm_from: HarmFrom,
    /// How long a healthy canary should take, in seconds; `None` without enough history, or where it would never end.
    pub expected_seconds: Option<f64>,
    /// How often one visitor may be counted at most: 1, or the number of proxies where visitors carry no cookie.
    pub counts_per_visitor: u32,
    /// Version of the grids of alternatives.
    pub grids_version: u32,
}

/// Where the harm budget comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HarmFrom {
    /// The policy names it.
    Policy,
    /// The smallest with which a healthy rollout of this traffic takes about 15 minutes.
    History,
    /// There were less than 10 minutes of history to choose by.
    TooLittleHistory,
}

impl Plan {
    /// The plan of a rollout of `policy` after `history`.
    pub(crate) fn new(
        policy: &Policy,
        request_timeout: Span,
        history: Option<&History>,
        counted: u32,
        canaries: u32,
    ) -> Self {
        let past = history.filter(|history| history.seconds > 0.0);
        let busy = past.is_none_or(|past| real(past.requests) / past.seconds > BUSY_REQUESTS_PER_SECOND);
        // Without a history the short interval: its cost is known, that of a late abort is not.
        let default = Span::from_secs(if busy { 1 } else { 5 });
        let scrape_interval = policy.scrape_interval.unwrap_or(default);
        let enough = past.filter(|past| past.seconds >= HISTORY_SECONDS_MIN && past.visitors > 0);
        let (max_harm, harm_from, expected) = harm(policy, enough, canaries);
        Self {
            scrape_interval,
            soak_min_ms: request_timeout.millis() + scrape_interval.millis(),
            max_harm,
            harm_from,
            expected_seconds: expected.map(|expected| expected.as_secs_f64()),
            counts_per_visitor: counted.max(1),
            grids_version: GRIDS_VERSION,
        }
    }

    /// Least time at `step`, in milliseconds.
    pub(crate) fn soak_ms(&self, policy: &Policy, step: &Step) -> u64 {
        step.soak.unwrap_or(policy.soak).millis().max(self.soak_min_ms)
    }

    /// Scrape intervals until the deadline: what the stake of every bet is spread over.
    pub(crate) fn intervals(&self, policy: &Policy) -> f64 {
        policy.deadline.seconds() / self.interval_seconds()
    }

    /// Nominal scrape intervals in a time.
    pub(crate) fn intervals_in(&self, millis: u64) -> f64 {
        real(millis) / 1_000.0 / self.interval_seconds()
    }

    fn interval_seconds(&self) -> f64 {
        self.scrape_interval.seconds().max(0.001)
    }
}

/// What the errors guardrail tolerates before any harm budget.
pub(crate) fn tolerance(policy: &Policy) -> Tolerance {
    Tolerance { ratio: 1.0 + policy.errors.tolerance.fraction(), excess: policy.errors.excess.fraction() }
}

/// What a policy names is for all that are tried together.
fn harm(policy: &Policy, history: Option<&History>, canaries: u32) -> (f64, HarmFrom, Option<Duration>) {
    let shares: Vec<f64> = policy.steps().iter().map(|step| step.share.fraction()).collect();
    let plan = budget::Plan {
        shares: &shares,
        soak: policy.soak.into(),
        tolerance: tolerance(policy),
        beta: policy.false_promote.fraction(),
    };
    let past = history.map(|past| budget::History {
        units_per_second: real(past.visitors) / past.seconds,
        stable_rate: real(past.failed.min(past.visitors)) / real(past.visitors),
    });
    match (policy.max_harm, past) {
        (MaxHarm::Fixed(harm), past) => {
            let harm = Share::fraction(harm) / f64::from(canaries.max(1));
            (harm, HarmFrom::Policy, past.and_then(|past| plan.expected(past, harm)))
        }
        (MaxHarm::Auto, Some(past)) => {
            let choice = plan.choose_harm(past, TARGET);
            (choice.harm, HarmFrom::History, choice.expected)
        }
        (MaxHarm::Auto, None) => (HARM_WITHOUT_HISTORY, HarmFrom::TooLittleHistory, None),
    }
}

#[cfg(test)]
mod tests {
    use tidegate_config::policy::Strategy;

    use super::*;

    #[test]
    fn the_budget_follows_the_history() {
        let check = |history: Option<(f64, u64, u64)>, harm: f64, from, interval, why: &str| {
            let history =
                history.map(|(seconds, visitors, failed)| History { seconds, requests: visitors, visitors, failed });
            let policy = Policy::of(Strategy::Canary);
            let plan = Plan::new(&policy, Span::from_secs(15), history.as_ref(), 1, 1);
            assert!((plan.max_harm - harm).abs() < 1e-12, "{why}: {}", plan.max_harm);
            assert_eq!((plan.harm_from, plan.scrape_interval), (from, Span::from_secs(interval)), "{why}");
        };
        check(None, 0.005, HarmFrom::TooLittleHistory, 1, "nothing known");
        check(Some((599.0, 600_000, 600)), 0.005, HarmFrom::TooLittleHistory, 1, "less than ten minutes");
        check(Some((3_600.0, 7_200_000, 7_200)), 0.0005, HarmFrom::History, 1, "busy");
        check(Some((3_600.0, 180_000, 180)), 0.001, HarmFrom::History, 5, "moderate");
        check(Some((3_600.0, 3_600, 4)), 0.02, HarmFrom::History, 5, "quiet");
        check(Some((0.0, 0, 0)), 0.005, HarmFrom::TooLittleHistory, 1, "an empty history is none");
    }

    #[test]
    fn a_soak_outlasts_a_request_and_a_scrape() {
        let policy = Policy::of(Strategy::Canary);
        let plan = Plan::new(&policy, Span::from_secs(90), None, 1, 1);
        assert_eq!(plan.soak_ms(&policy, &Step::to(Share::ALL)), 91_000);
    }
}
