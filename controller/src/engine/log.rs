//! What was counted, for people: totals by share and the strata that intervals of confidence are computed from.
//!
//! With designed shares as exposures the increment of a bet is linear in the counts, so all intervals with the same
//! shares may be summed and the evidence of the sum is the sum of theirs, to the last bit that matters. The log
//! therefore has one row per distinct pair of shares, not one per scrape.

use serde::{Deserialize, Serialize};
use tidegate_config::limits;

use super::observation::ArmCounters;
use super::record::Counts;
use super::signals::Labels;
use crate::evidence::exposure::Exposure;
use crate::evidence::increment::{Stratum, real};

/// Sums over all intervals with the same shares.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogRow {
    /// The shares of the two versions; the log's key, together with `judged`.
    pub(crate) exposure: Exposure,
    /// Whether the guardrails were asked, or it was warm-up.
    pub(crate) judged: bool,
    pub(crate) canary: Tally,
    pub(crate) stable: Tally,
}

/// One version's sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) failures: u64,
    /// First seen by this rollout.
    pub(crate) visitors: u64,
    /// Those of them who were not known before it.
    pub(crate) newcomers: u64,
    /// Met this version for the first time.
    pub(crate) exposed: u64,
    pub(crate) failed: u64,
    /// By the shares of those who never changed version since.
    pub(crate) converted: u64,
}

/// The rows, in the order in which their shares were first used.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct EvidenceLog(Vec<LogRow>);

impl EvidenceLog {
    /// Adds what one epoch brought.
    pub(crate) fn count(&mut self, exposure: Exposure, canary: &ArmCounters, stable: &ArmCounters, judged: bool) {
        if let Some(row) = self.row(exposure, judged) {
            row.canary.count(canary);
            row.stable.count(stable);
        }
    }

    /// Adds first conversions of visitors who never changed version.
    pub(crate) fn convert(&mut self, conversions: &Labels, judged: bool) {
        if let Some(row) = self.row(conversions.exposure, judged) {
            row.canary.converted = row.canary.converted.saturating_add(conversions.canary);
            row.stable.converted = row.stable.converted.saturating_add(conversions.stable);
        }
    }

    /// The rows in which both versions had a share.
    pub(crate) fn compared(&self) -> impl Iterator<Item = &LogRow> {
        self.0.iter().filter(|row| row.exposure.canary > 0.0 && row.exposure.stable > 0.0)
    }

    /// Sums of both versions over the rows in which they were compared: canary, stable.
    pub(crate) fn totals(&self) -> (Tally, Tally) {
        self.compared()
            .fold(Default::default(), |(canary, stable), row| (canary.plus(&row.canary), stable.plus(&row.stable)))
    }

    /// Requests that the canary has answered since it has all visitors.
    pub(crate) fn answered(&self) -> u64 {
        let alone = self.0.iter().filter(|row| row.exposure.stable <= 0.0).map(|row| row.canary);
        alone.fold(0, |sum, tally| sum.saturating_add(tally.requests.saturating_sub(tally.failures)))
    }

    /// Visitors and those who met a failure, as judged: canary, stable.
    pub(crate) fn failures(&self) -> (Counts, Counts) {
        let judged = self.compared().filter(|row| row.judged);
        judged.fold(Default::default(), |(canary, stable): (Counts, Counts), row| {
            let add = |sum: Counts, tally: &Tally| Counts {
                units: sum.units.saturating_add(tally.exposed),
                events: sum.events.saturating_add(tally.failed),
            };
            (add(canary, &row.canary), add(stable, &row.stable))
        })
    }

    /// The judged strata of failures.
    pub(crate) fn failure_strata(&self) -> Vec<Stratum> {
        let judged = self.compared().filter(|row| row.judged);
        judged
            .map(|row| row.exposure.stratum(real(row.canary.exposed), real(row.canary.failed), real(row.stable.failed)))
            .collect()
    }

    /// The judged strata of conversions.
    pub(crate) fn conversion_strata(&self) -> Vec<Stratum> {
        let judged = self.compared().filter(|row| row.judged);
        judged.map(|row| row.exposure.stratum(0.0, real(row.canary.converted), real(row.stable.converted))).collect()
    }

    /// How many times as often the canary's visitors converted, from the labels at each pair of shares (Mantel & Haenszel):
    /// unlike the quotient of two rates it is bent neither by lag nor by a ramp. `None` without conversions on both sides.
    pub(crate) fn conversion_ratio(&self) -> Option<f64> {
        let (mut canary, mut stable) = (0.0, 0.0);
        for row in self.compared().filter(|row| row.judged) {
            let (c, s) = (real(row.canary.converted), real(row.stable.converted));
            if c + s > 0.0 {
                let weight = row.exposure.canary + row.exposure.stable;
                canary += c * row.exposure.stable / weight;
                stable += s * row.exposure.canary / weight;
            }
        }
        (canary > 0.0 && stable > 0.0).then(|| canary / stable)
    }

    /// The row of these shares; `None` where there are too many different ones already.
    fn row(&mut self, exposure: Exposure, judged: bool) -> Option<&mut LogRow> {
        let found = self.0.iter().position(|row| row.exposure == exposure && row.judged == judged);
        let at = found.unwrap_or(self.0.len());
        if found.is_none() && at < limits::INTERVALS_MAX {
            let (canary, stable) = Default::default();
            self.0.push(LogRow { exposure, judged, canary, stable });
        }
        self.0.get_mut(at)
    }
}

impl Tally {
    fn count(&mut self, counters: &ArmCounters) {
        // What a window closed with is for the bets only; it is not a number of its own to people.
        let ArmCounters { requests, failures, visitors, newcomers, exposed, failed, .. } = counters;
        let more = Self {
            requests: *requests,
            failures: *failures,
            visitors: *visitors,
            newcomers: *newcomers,
            exposed: *exposed,
            failed: *failed,
            converted: 0,
        };
        *self = self.plus(&more);
    }

    fn plus(&self, more: &Self) -> Self {
        Self {
            requests: self.requests.saturating_add(more.requests),
            failures: self.failures.saturating_add(more.failures),
            visitors: self.visitors.saturating_add(more.visitors),
            newcomers: self.newcomers.saturating_add(more.newcomers),
            exposed: self.exposed.saturating_add(more.exposed),
            failed: self.failed.saturating_add(more.failed),
            converted: self.converted.saturating_add(more.converted),
        }
    }
}
