//! What a decision was taken on, as it stood before anything moved.

use super::record::{Counts, Reading, Signal};
use super::signals::Weighed;
use super::status::Status;
use crate::evidence::rule::displayed;

/// The numbers of one moment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sight {
    pub(crate) readings: Vec<Reading>,
    /// `M`, clamped to what an `f64` holds.
    pub(crate) statistic: f64,
}

impl Sight {
    pub(crate) fn of(status: &Status) -> Self {
        let weighed = status.weigh();
        Self { readings: readings(status, &weighed), statistic: displayed(weighed.statistic) }
    }
}

fn readings(status: &Status, weighed: &Weighed) -> Vec<Reading> {
    let mut readings = Vec::new();
    if status.signals.errors.is_some() {
        let (canary, stable) = status.log.failures();
        readings.push(Reading {
            signal: Signal::Errors,
            canary,
            stable,
            log_regression: weighed.errors,
            log_assurance: weighed.errors_assured,
        });
    }
    if let Some(latency) = &status.signals.latency {
        let (canary, stable) = latency.loudest().map(|judged| judged.counts).unwrap_or_default();
        readings.push(Reading {
            signal: Signal::Latency,
            canary,
            stable,
            log_regression: weighed.latency,
            log_assurance: weighed.latency_assured,
        });
    }
    let (canary, stable) = status.log.totals();
    if status.signals.conversion.is_some() {
        readings.push(Reading {
            signal: Signal::Conversion,
            canary: Counts { units: canary.newcomers, events: canary.converted },
            stable: Counts { units: stable.newcomers, events: stable.converted },
            log_regression: weighed.harm,
            log_assurance: weighed.goal,
        });
    }
    if status.compares() {
        readings.push(Reading {
            signal: Signal::Split,
            canary: Counts { units: canary.visitors, events: 0 },
            stable: Counts { units: stable.visitors, events: 0 },
            log_regression: weighed.split,
            log_assurance: None,
        });
    }
    readings
}
