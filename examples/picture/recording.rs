//! What is kept of a recorded rollout: its share, the evidence against its canary, and its decisions.

use std::error::Error;

use serde::{Deserialize, Serialize};
use tidegate_controller::engine::{Phase, Report};
use tidegate_controller::view::ServiceView;

/// Several rollouts, to be drawn side by side.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Recording {
    /// The rollouts.
    pub(crate) runs: Vec<Run>,
}

/// One rollout.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Run {
    /// What is shown, in a few words.
    pub(crate) title: String,
    /// How it ended.
    pub(crate) phase: Phase,
    /// How it ended, in sentences.
    pub(crate) verdict: String,
    /// Evidence against the canary at which it is rolled back.
    pub(crate) abort_bound: f64,
    /// Seconds since the start, the canary's share as a fraction, the evidence against it.
    pub(crate) samples: Vec<(f64, f64, f64)>,
    /// Seconds since the start, the share afterwards as a fraction, the decision in a sentence.
    pub(crate) decisions: Vec<(f64, f64, String)>,
}

impl Run {
    /// Reads what `tidegate status SERVICE --watch -o json` printed.
    pub(crate) fn of(title: &str, text: &str) -> Result<Self, Box<dyn Error>> {
        let views = serde_json::Deserializer::from_str(text).into_iter::<ServiceView>();
        let views: Vec<ServiceView> = views.collect::<Result<_, _>>()?;
        let reports: Vec<Report> = views.into_iter().filter_map(|view| view.rollout).collect();
        let last = reports.last().ok_or("the recording shows no rollout")?;
        // The first step is what people wait for; what comes before depends on the traffic alone.
        let since = |millis: u64| round(seconds(millis.saturating_sub(last.started.millis())));
        let mut samples: Vec<_> =
            reports.iter().map(|r| (since(r.at.millis()), r.share.fraction(), round(r.statistic))).collect();
        samples.dedup_by_key(|(_, share, statistic)| (share.to_bits(), statistic.to_bits()));
        // Each report has the last ten decisions: together they have all.
        let mut records: Vec<_> = reports.iter().flat_map(|report| report.recent.clone()).collect();
        records.sort_by_key(|record| record.seq);
        records.dedup_by_key(|record| record.seq);
        let moves = records.iter().filter(|record| record.from != record.to);
        let decisions = moves.map(|r| (since(r.at.millis()), r.to.fraction(), r.text.clone())).collect();
        let (title, verdict) = (title.to_owned(), last.verdict.clone());
        Ok(Self { title, phase: last.phase, verdict, abort_bound: last.abort_bound, samples, decisions })
    }
}

impl Recording {
    /// As it is kept: one sample a line.
    pub(crate) fn to_json(&self) -> Result<String, serde_json::Error> {
        let text = serde_json::to_string(self)?;
        Ok(text.replace("],[", "],\n[").replace("\":[[", "\":[\n[") + "\n")
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rollout lasts less than the 285,000 years an f64 counts exactly")]
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1_000.0
}

/// To three digits behind the point: what a picture can show.
fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
