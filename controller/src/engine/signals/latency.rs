//! Latency: each visitor's first request, slower or not than an edge fixed before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidegate_config::Share;
use tidegate_config::policy::{Policy, Quantile};

use super::Look;
use super::assurance::Assurances;
use crate::engine::cursor::add_buckets;
use crate::engine::plan::Plan;
use crate::engine::record::Counts;
use crate::evidence::budget::assurance_tolerance;
use crate::evidence::grid::Alternatives;
use crate::evidence::increment::{Stratum, Tolerance};
use crate::evidence::latency::{self, JudgedEdge};
use crate::evidence::mixture::log_mean_exp;
use crate::evidence::process::{Process, Schedule};

/// First requests of stable from which its quantiles are known well enough to fix edges.
pub(crate) const FIRST_REQUESTS_MIN: u64 = 1_000;

/// The bets on latency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Latency {
    margin_buckets: usize,
    /// Stable's first requests by bucket, until the edges are fixed. Fixing them late is sound too: an edge only must
    /// not depend on what is yet to be bet on.
    baseline: Vec<u64>,
    pub(crate) quantiles: Vec<Judged>,
}

/// One quantile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Judged {
    pub(crate) quantile: Quantile,
    /// `None` until stable is known.
    pub(crate) edge: Option<JudgedEdge>,
    regression: Process,
    assurance: Assurances,
    /// By epoch: what waits for the other arm's traffic, so that nothing quiet is thrown away.
    pending: BTreeMap<u64, Stratum>,
    /// All that was bet on: canary, stable.
    pub(crate) counts: (Counts, Counts),
}

impl Latency {
    pub(super) fn new(policy: &Policy, plan: &Plan) -> Self {
        let schedule = Schedule::over(plan.intervals(policy));
        let process = |alternatives| Process::new(alternatives, schedule, f64::from(plan.counts_per_visitor));
        let judged = |quantile: &Quantile| Judged {
            quantile: *quantile,
            edge: None,
            regression: process(Alternatives::Regression),
            assurance: Assurances::new(policy, &process(Alternatives::Assurance)),
            pending: BTreeMap::new(),
            counts: Default::default(),
        };
        Self {
            margin_buckets: policy.latency.margin_buckets.into(),
            baseline: Vec::new(),
            quantiles: policy.latency.quantiles.iter().map(judged).collect(),
        }
    }

    /// Stable's first requests so far, until the edges are fixed; `None` afterwards.
    pub(crate) fn baseline(&self) -> Option<u64> {
        let waits = self.quantiles.iter().any(|judged| judged.edge.is_none());
        waits.then(|| self.baseline.iter().fold(0, |sum: u64, count| sum.saturating_add(*count)))
    }

    pub(super) fn ingest(&mut self, look: &Look<'_>) {
        if self.baseline().is_some() {
            for growth in look.interval.values() {
                add_buckets(&mut self.baseline, &growth.stable.first_latency);
            }
            if self.baseline().is_some_and(|count| count >= FIRST_REQUESTS_MIN) {
                self.fix_edges();
            }
            return;
        }
        for judged in self.quantiles.iter_mut().filter(|_| look.judged) {
            judged.ingest(look);
        }
    }

    fn fix_edges(&mut self) {
        for judged in &mut self.quantiles {
            let level = judged.quantile.probability();
            judged.edge = JudgedEdge::choose(&self.baseline, level, self.margin_buckets);
        }
        self.baseline = Vec::new();
    }

    pub(super) fn regression(&self) -> f64 {
        let wealth: Vec<f64> = self.quantiles.iter().map(Judged::regression).collect();
        if wealth.is_empty() { 0.0 } else { log_mean_exp(&wealth) }
    }

    /// Of the weakest quantile, because each must be assured; `None` for a share that is no step's.
    pub(super) fn assurance(&self, next: Share) -> Option<f64> {
        self.quantiles.iter().filter_map(|judged| judged.assurance(next)).reduce(f64::min)
    }

    /// The quantile that speaks loudest against the canary.
    pub(crate) fn loudest(&self) -> Option<&Judged> {
        self.quantiles.iter().max_by(|a, b| a.regression().total_cmp(&b.regression()))
    }
}

impl Judged {
    pub(crate) fn regression(&self) -> f64 {
        self.regression.log_wealth()
    }

    pub(crate) fn assurance(&self, next: Share) -> Option<f64> {
        self.assurance.toward(next)
    }

    /// What must be excluded before `next`: as with failures, what counts is how many of *all* visitors would wait longer.
    pub(crate) fn assurance_tolerance(&self, next: Share) -> Tolerance {
        let whole = self.known_as().assurance();
        assurance_tolerance(Tolerance { excess: 0.0, ..whole }, whole.excess, next.fraction())
    }

    /// The quantile as the statistics know it.
    pub(crate) fn known_as(&self) -> latency::Quantile {
        match self.quantile {
            Quantile::P50 => latency::Quantile::P50,
            Quantile::P95 => latency::Quantile::P95,
            Quantile::P99 => latency::Quantile::P99,
        }
    }

    fn ingest(&mut self, look: &Look<'_>) {
        let Some(edge) = self.edge else { return };
        let mut strata = Vec::new();
        for (epoch, growth) in look.interval {
            let fresh = edge.stratum(&growth.stable.first_latency, &growth.canary.first_latency);
            let pending = self.pending.remove(epoch).unwrap_or_default();
            let whole = plus(&pending, &fresh);
            if whole.exposure_canary > 0.0 && whole.exposure_stable > 0.0 {
                self.count(&whole);
                strata.push(whole);
            } else if whole != Stratum::default() {
                self.pending.insert(*epoch, whole);
            }
        }
        // Proxies keep histograms of two epochs only, so nothing older can find its other half.
        while self.pending.len() > 2 {
            self.pending.pop_first();
        }
        self.regression.advance(look.intervals, &strata, latency::Quantile::REGRESSION);
        let mut assurance = std::mem::take(&mut self.assurance);
        assurance.advance(look.intervals, &strata, |next| self.assurance_tolerance(next));
        self.assurance = assurance;
    }

    fn count(&mut self, stratum: &Stratum) {
        let add = |sum: &mut Counts, units: f64, events: f64| {
            sum.units = sum.units.saturating_add(whole(units));
            sum.events = sum.events.saturating_add(whole(events));
        };
        add(&mut self.counts.0, stratum.exposure_canary, stratum.canary_events);
        add(&mut self.counts.1, stratum.exposure_stable, stratum.stable_events);
    }
}

fn plus(one: &Stratum, other: &Stratum) -> Stratum {
    Stratum {
        exposure_canary: one.exposure_canary + other.exposure_canary,
        exposure_stable: one.exposure_stable + other.exposure_stable,
        canary_units: one.canary_units + other.canary_units,
        canary_events: one.canary_events + other.canary_events,
        stable_events: one.stable_events + other.stable_events,
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of counts, never negative")]
fn whole(count: f64) -> u64 {
    count as u64
}
