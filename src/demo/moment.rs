//! PURE. What is known at one moment of the demo: all that the views show.

use std::collections::VecDeque;
use std::time::Duration;

use tidegate_controller::engine::Report;
use tidegate_controller::view::Overview;

use super::crowd::Seen;
use super::policy::is_the_shop;
use super::scenario::Scenario;

/// Rates are means over this time.
const WINDOW: Duration = Duration::from_secs(3);

/// What is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setting {
    /// What the versions are like.
    pub(crate) scenario: Scenario,
    /// Where chance comes from.
    pub(crate) seed: u64,
}

/// One moment.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    /// What is played.
    pub(crate) setting: Setting,
    /// Since the visitors began to come.
    pub(crate) elapsed: Duration,
    /// The generation published.
    pub(crate) published: u64,
    /// The generation that every proxy has in force.
    pub(crate) in_force: Option<u64>,
    /// Why the state cannot be written.
    pub(crate) trouble: Option<String>,
    /// The rollout.
    pub(crate) report: Option<Report>,
    /// The crowd.
    pub(crate) seen: Seen,
    /// Its visitors and requests a second.
    pub(crate) rates: Rates,
}

impl Moment {
    /// What the controller tells, and what the crowd has seen.
    pub(crate) fn of(setting: Setting, elapsed: Duration, overview: Overview, seen: Seen, rates: Rates) -> Self {
        let Overview { at: _, generation, in_force, config: _, proxies: _, store_error, services } = overview;
        let shop = services.into_iter().find(|service| is_the_shop(&service.service));
        let report = shop.and_then(|service| service.rollout);
        Self { setting, elapsed, published: generation, in_force, trouble: store_error, report, seen, rates }
    }

    /// Whether the proxies do what was published last.
    pub(crate) fn is_in_force(&self) -> bool {
        self.in_force.is_some_and(|in_force| in_force >= self.published)
    }
}

/// Per second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rates {
    /// New visitors.
    pub(crate) visitors: f64,
    /// Requests.
    pub(crate) requests: f64,
}

/// Counts of the last seconds.
#[derive(Debug, Default)]
pub(crate) struct Recent(VecDeque<(Duration, u64, u64)>);

impl Recent {
    /// The rates up to now.
    pub(crate) fn rates(&mut self, elapsed: Duration, seen: &Seen) -> Rates {
        self.0.push_back((elapsed, seen.arrived, seen.requests));
        while self.0.len() > 2 && self.0.get(1).is_some_and(|(at, ..)| *at + WINDOW <= elapsed) {
            self.0.pop_front();
        }
        let Some((since, visitors, requests)) = self.0.front().copied() else { return Rates::default() };
        let seconds = elapsed.saturating_sub(since).as_secs_f64();
        let rate = |more: u64| if seconds > 0.0 { real(more) / seconds } else { 0.0 };
        Rates { visitors: rate(seen.arrived - visitors), requests: rate(seen.requests - requests) }
    }
}

/// A count as a number to reckon with.
pub(crate) fn real(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_last_seconds() {
        let mut recent = Recent::default();
        let mut rates = Rates::default();
        for quarter in 0..80_u64 {
            let arrived = if quarter < 40 { 0 } else { (quarter - 40) * 100 };
            let seen = Seen { arrived, requests: 3 * arrived, ..Seen::default() };
            rates = recent.rates(Duration::from_millis(250 * quarter), &seen);
        }
        assert_eq!(rates, Rates { visitors: 400.0, requests: 1_200.0 });
        assert!(recent.0.len() < 20);
    }
}
