//! When a rollout goes on, if the canary is as good as it looks so far.

use serde::{Deserialize, Serialize};

use super::super::hold::Hold;
use super::super::judge::bounds;
use super::super::signals::Latency;
use super::super::status::{Phase, Status};
use crate::evidence::exposure::Exposure;
use crate::evidence::forecast::{CONVERSION_OVERHEAD_NATS, OVERHEAD_NATS, Setting, units_to_go};
use crate::evidence::grid::Alternatives;
use crate::evidence::increment::real;

/// A forecast of the next move. Simulated medians lie at 0.8 to 1.0 of it, and 9 of 10 below 1.8 times it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Eta {
    /// Seconds until the next move; `None` where nothing can be said.
    pub seconds: Option<f64>,
    /// What it waits for, or why nothing can be said.
    pub reason: String,
}

impl Eta {
    fn unknown(reason: &str) -> Self {
        Self { seconds: None, reason: reason.to_owned() }
    }

    fn after(seconds: f64, reason: &str) -> Self {
        Self { seconds: Some(seconds), reason: reason.to_owned() }
    }
}

pub(super) fn eta(status: &Status) -> Eta {
    match status.phase {
        Phase::Promoted | Phase::Aborted => return Eta::unknown("it is over"),
        Phase::Paused => return Eta::unknown("it is paused"),
        Phase::Undecided => return Eta::unknown("it waits for a decision"),
        Phase::Standby => {
            let left = status.policy.standby().millis().saturating_sub(status.timers.step_ms);
            return Eta::after(seconds(left), "the standby ends");
        }
        Phase::Recreating => return Eta::unknown("the new version is awaited"),
        Phase::Progressing => {}
    }
    match status.hold.map(|held| held.reason) {
        Some(Hold::NotInForce) => Eta::unknown("not every proxy serves the share yet"),
        Some(Hold::Outage) => Eta::unknown("the proxies cannot be read"),
        Some(Hold::RatioMismatch) => Eta::unknown("the split cannot be trusted"),
        Some(Hold::Suspicion) => Eta::unknown("the canary looks worse"),
        Some(Hold::Harm) => Eta::unknown("conversions seem to be lost"),
        Some(Hold::Undefined) => Eta::unknown("the evidence is not a number"),
        Some(Hold::NoEndpoint) => Eta::unknown("no endpoint can be reached"),
        Some(Hold::Rivals) => Eta::unknown("another version that is tried may be better"),
        Some(Hold::Gate) => Eta::unknown("a gate has not succeeded yet"),
        Some(Hold::Approval) => Eta::unknown("it waits for somebody to promote"),
        Some(Hold::Preview) => preview(status),
        Some(Hold::Baseline) => baseline(status),
        Some(Hold::Soak | Hold::Evidence | Hold::Goal) | None => step(status),
    }
}

fn preview(status: &Status) -> Eta {
    match status.policy.switch_after {
        Some(after) => Eta::after(seconds(after.millis().saturating_sub(status.timers.step_ms)), "the switch is timed"),
        None => Eta::unknown("it waits for somebody to promote"),
    }
}

fn baseline(status: &Status) -> Eta {
    let seen = status.signals.latency.as_ref().and_then(Latency::baseline).unwrap_or(0);
    let left = super::super::signals::FIRST_REQUESTS_MIN.saturating_sub(seen);
    let per_second = real(seen) / seconds(status.timers.step_ms).max(0.001);
    if seen == 0 {
        return Eta::unknown("stable has had no visitors yet");
    }
    Eta::after(real(left) / per_second, "stable's latency is being learnt")
}

/// The longest of the soak and every proof that is still missing.
fn step(status: &Status) -> Eta {
    let soak = seconds(status.soak_left_ms());
    let (canary, stable) = status.log.totals();
    let visitors = real(canary.visitors.saturating_add(stable.visitors));
    let per_second = visitors / seconds(status.timers.exposed_ms).max(0.001);
    let mut longest = Eta::after(soak, "the step soaks");
    for (units, reason, never) in [errors(status), latency(status), goal(status)].into_iter().flatten() {
        let Some(units) = units.filter(|units| *units <= 0.0 || per_second > 0.0) else {
            return Eta::unknown(if visitors > 0.0 { never } else { "there are no visitors yet" });
        };
        let time = if units > 0.0 { units / per_second } else { 0.0 };
        if longest.seconds.is_none_or(|longest| time > longest) {
            longest = Eta::after(time, reason);
        }
    }
    longest
}

/// Units still needed, what they are needed for, and what it means if no number suffices.
type Need = (Option<f64>, &'static str, &'static str);

/// A healthy canary fails as often as stable does.
fn errors(status: &Status) -> Option<Need> {
    let (errors, (_, next)) = (status.signals.errors.as_ref()?, status.next_step()?);
    let now = status.weigh().errors_assured?;
    let (_, stable) = status.log.failures();
    let rate = real(stable.events) / real(stable.units.max(1));
    let tolerance = errors.assurance_tolerance(next.share);
    let setting = Setting { exposure: exposure(status), canary_rate: rate, stable_rate: rate, tolerance };
    let growth = setting.best_on_grid(Alternatives::Assurance);
    let units = units_to_go(growth, -bounds(status).beta.ln(), now, OVERHEAD_NATS);
    Some((units, "evidence on failures is being gathered", "failures are too frequent to exclude the allowed harm"))
}

/// The slowest quantile to assure, at the rates seen so far.
fn latency(status: &Status) -> Option<Need> {
    let latency = status.signals.latency.as_ref()?;
    let (_, next) = status.next_step()?;
    let bound = -bounds(status).beta.ln();
    let mut most = Some(0.0_f64);
    for judged in &latency.quantiles {
        let (canary, stable) = judged.counts;
        let stable_rate = real(stable.events) / real(stable.units.max(1));
        let canary_rate = if canary.units > 0 { real(canary.events) / real(canary.units) } else { stable_rate };
        let tolerance = judged.assurance_tolerance(next.share);
        let setting = Setting { exposure: exposure(status), canary_rate, stable_rate, tolerance };
        let growth = setting.best_on_grid(Alternatives::Assurance);
        most = most
            .zip(units_to_go(growth, bound, judged.assurance(next.share)?, OVERHEAD_NATS))
            .map(|(most, units)| most.max(units));
    }
    Some((most, "evidence on latency is being gathered", "the canary is not fast enough to be assured so far"))
}

fn goal(status: &Status) -> Option<Need> {
    let (next, _) = status.next_step()?;
    let (claim, now) = (status.signals.conversion.as_ref()?.claim()?, status.signals.goal()?);
    if !status.is_last(next) {
        return None;
    }
    let (canary, stable) = status.log.totals();
    let rate = |converted: u64, visitors: u64| real(converted) / real(visitors.max(1));
    let setting = Setting {
        exposure: exposure(status),
        canary_rate: rate(canary.converted, canary.newcomers),
        stable_rate: rate(stable.converted, stable.newcomers),
        tolerance: claim.tolerance(),
    };
    let growth = setting.best_on_grid(Alternatives::Gain);
    let newcomers = units_to_go(growth, -bounds(status).goal_alpha.ln(), now, CONVERSION_OVERHEAD_NATS);
    // Of all visitors only some are new.
    let visitors = canary.visitors.saturating_add(stable.visitors);
    let new = canary.newcomers.saturating_add(stable.newcomers);
    let units = newcomers.map(|units| units * real(visitors.max(1)) / real(new.max(1)));
    Some((units, "evidence for the goal is being gathered", "conversions do not speak for the goal so far"))
}

/// The shares now, or those of the last row where a third version takes part.
fn exposure(status: &Status) -> Exposure {
    let now = status.share.fraction();
    let row = status.log.compared().find(|row| (row.exposure.canary - now).abs() < 1e-9);
    row.map_or(Exposure::split(now), |row| row.exposure)
}

fn seconds(millis: u64) -> f64 {
    real(millis) / 1_000.0
}
