//! The harm budget: one number that says what may at worst slip through.
//!
//! A harm of `h` promises that, with the chance set by the assurance bound, no more than a part `h`
//! of *all* visitors meets an additional failure. At a share `w` only `w` of them see the canary,
//! so an excess of `h / w` among those is still within the budget: small steps are cheap, the last
//! one is strict.

use std::time::Duration;

use super::exposure::Exposure;
use super::forecast::Setting;
use super::grid::Alternatives;
use super::increment::{Tolerance, real};

/// The budgets an automatic choice picks from: parts of all visitors.
pub const HARM_CHOICES: [f64; 6] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02];

/// The budget when there is too little history to choose: 0.5 percentage points.
pub const HARM_WITHOUT_HISTORY: f64 = 0.005;

/// Share below which a step is treated as if it had this one: a millionth, the grain of shares.
const SHARE_MIN: f64 = 1e-6;

/// Expected time over the mean growth's: chance delays the crossing more than it hastens it.
const DELAY: f64 = 1.3;

/// The tolerance of the assurance test that lets the canary go to `next_share`.
pub fn assurance_tolerance(regression: Tolerance, harm: f64, next_share: f64) -> Tolerance {
    Tolerance {
        excess: regression.excess + harm / next_share.max(SHARE_MIN),
        ..regression
    }
}

/// What is known of a route before its rollout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct History {
    /// Units (visitors or requests) per second.
    pub units_per_second: f64,
    /// Events per unit in stable, which a healthy canary shares.
    pub stable_rate: f64,
}

/// What a rollout intends, as far as its duration depends on it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan<'a> {
    /// The canary's share in each step, rising, the last one 1 (promotion).
    pub shares: &'a [f64],
    /// Least time in each step.
    pub soak: Duration,
    /// Tolerance of the regression test.
    pub tolerance: Tolerance,
    /// Bound of the assurance test: its chance to err.
    pub beta: f64,
}

/// An automatically chosen budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HarmChoice {
    /// Part of all visitors.
    pub harm: f64,
    /// Expected duration of a healthy rollout with it; `None` if it would never end.
    pub expected: Option<Duration>,
}

impl Plan<'_> {
    /// The smallest of [`HARM_CHOICES`] with which a healthy rollout is expected to end within
    /// `target`, or else the largest.
    pub fn choose_harm(&self, history: History, target: Duration) -> HarmChoice {
        let choices = HARM_CHOICES.map(|harm| HarmChoice {
            harm,
            expected: self.expected(history, harm),
        });
        let fits = |choice: &&HarmChoice| choice.expected.is_some_and(|time| time <= target);
        let [.., largest] = choices;
        choices.iter().find(fits).copied().unwrap_or(largest)
    }

    /// Expected duration of a healthy rollout with this budget; `None` if it would never end.
    ///
    /// The assurance for every later step already grows while the earlier ones are soaking.
    pub fn expected(&self, history: History, harm: f64) -> Option<Duration> {
        let alternatives = Alternatives::Assurance;
        let cells = real(alternatives.factors().len() as u64);
        // Half the logarithm of the grid: a good bet's neighbours grow nearly as fast.
        let needed = -self.beta.ln() + cells.ln() / 2.0;
        let next_shares = self.shares.get(1..).unwrap_or_default();
        let mut gathered = vec![0.0; next_shares.len()];
        let mut elapsed = 0.0;
        for (step, &share) in self.shares.iter().take(next_shares.len()).enumerate() {
            let per_second = |next_share: f64| {
                let setting = Setting {
                    exposure: Exposure::split(share),
                    canary_rate: history.stable_rate,
                    stable_rate: history.stable_rate,
                    tolerance: assurance_tolerance(self.tolerance, harm, next_share),
                };
                setting.best_on_grid(alternatives) * history.units_per_second
            };
            let missing: f64 = needed - gathered[step];
            let seconds = if missing > 0.0 {
                DELAY * missing / per_second(next_shares[step])
            } else {
                0.0
            };
            let seconds = seconds.max(self.soak.as_secs_f64());
            elapsed += seconds;
            for (nats, &next_share) in gathered.iter_mut().zip(next_shares) {
                *nats += per_second(next_share) * seconds;
            }
        }
        Duration::try_from_secs_f64(elapsed).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan<'_> = Plan {
        shares: &[0.1, 0.2, 0.3, 0.4, 0.5, 1.0],
        soak: Duration::from_mins(1),
        tolerance: Tolerance::FAILURES,
        beta: 0.05,
    };
    const TARGET: Duration = Duration::from_mins(15);

    #[test]
    fn the_last_step_is_the_strict_one() {
        let excess = |share| assurance_tolerance(Tolerance::FAILURES, 0.005, share).excess;
        assert!((excess(0.2) - 0.0252).abs() < 1e-12, "five times as much");
        assert!((excess(1.0) - 0.0052).abs() < 1e-12, "the budget itself");
        assert!(excess(0.0).is_finite());
    }

    #[test]
    fn the_budget_fits_the_traffic() {
        let check = |units_per_second, stable_rate, harm: f64, why: &str| {
            let history = History {
                units_per_second,
                stable_rate,
            };
            let choice = PLAN.choose_harm(history, TARGET);
            assert!((choice.harm - harm).abs() < 1e-12, "{why}: {choice:?}");
        };
        check(50.0, 0.001, 0.001, "moderate traffic");
        check(50.0, 0.01, 0.005, "a higher baseline is noisier");
        check(2000.0, 0.001, 0.0005, "plenty of traffic");
        check(1.0, 0.001, 0.02, "little traffic");
        check(0.0, 0.001, 0.02, "no traffic: the largest, never ending");
    }

    #[test]
    fn no_traffic_never_ends_and_no_step_needs_no_time() {
        let history = History {
            units_per_second: 0.0,
            stable_rate: 0.0,
        };
        assert_eq!(PLAN.expected(history, 0.01), None);
        let none = Plan {
            shares: &[],
            ..PLAN
        };
        assert_eq!(none.expected(history, 0.01), Some(Duration::ZERO));
    }
}
