//! PURE. What releases came to, as a table.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::time::Duration;

use tidegate_config::Share;
use tidegate_controller::engine::Phase;

use crate::split::Split;

/// What one release came to.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// The application.
    pub(crate) application: String,
    /// What its version calls itself.
    pub(crate) version: u32,
    /// How it was to end.
    pub(crate) expected: Phase,
    /// How it ended.
    pub(crate) phase: Phase,
    /// The shares it went through.
    pub(crate) shares: Vec<Share>,
    /// Seconds from the change of the Deployment to the end.
    pub(crate) seconds: u64,
    /// Visitors of the new version that were judged, and those that came.
    pub(crate) evidence: (u64, u64),
    /// When it was aborted, in milliseconds since the Unix epoch.
    pub(crate) aborted: Option<u64>,
    /// Milliseconds from the first response that its version failed until it was aborted, and until the last such response.
    pub(crate) hurt: Option<(u64, u64)>,
    /// Pods of the version that nobody held.
    pub(crate) unheld: usize,
    /// What its shares came to.
    pub(crate) split: Split,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { application, version, phase, shares, seconds, evidence: (judged, came), .. } = self;
        let shares: Vec<String> = shares.iter().map(Share::to_string).collect();
        write!(f, "{application} {version}: {phase:?} after {seconds} s, by {}", shares.join(" "))?;
        write!(f, "; {judged} of {came} visitors judged")?;
        if self.unheld > 0 {
            write!(f, "; {} pods were not held: {}", self.unheld, self.split.faults.join("; "))?;
        }
        Ok(())
    }
}

/// A time in whole milliseconds.
pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Middle, 99th percentile and greatest, of milliseconds.
pub(crate) fn spread(mut all: Vec<u64>) -> String {
    all.sort_unstable();
    let at = |percent: usize| all.get((all.len() * percent / 100).min(all.len().saturating_sub(1))).copied();
    match (at(50), at(99), all.last()) {
        (Some(middle), Some(high), Some(most)) => {
            format!("p50 {middle} ms, p99 {high} ms, most {most} ms of {}", all.len())
        }
        _ => "none".to_owned(),
    }
}

/// The releases, one line each application and end.
pub(crate) fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    let mut kinds: Vec<(&str, Phase)> = outcomes.iter().map(|it| (it.application.as_str(), it.phase)).collect();
    kinds.sort_by_key(|(application, phase)| (*application, phase.is_over(), format!("{phase:?}")));
    kinds.dedup();
    for (application, phase) in kinds {
        let these: Vec<&Outcome> =
            outcomes.iter().filter(|it| it.application == application && it.phase == phase).collect();
        let seconds: Vec<u64> = these.iter().map(|it| it.seconds).collect();
        let (judged, came) = these.iter().fold((0, 0), |(a, b), it| (a + it.evidence.0, b + it.evidence.1));
        let _ = writeln!(
            text,
            "{application:<10} {:<10} {:>3} releases, {:>3} to {:>3} s, {judged} of {came} visitors judged, {} splits",
            format!("{phase:?}"),
            these.len(),
            seconds.iter().min().unwrap_or(&0),
            seconds.iter().max().unwrap_or(&0),
            these.iter().map(|it| it.split.compared).sum::<usize>(),
        );
    }
    text
}

impl Outcome {
    /// Notes when the failures of its version came.
    pub(crate) fn note_hurt(&mut self, hurt: &BTreeMap<String, (u64, u64)>) {
        let both = hurt.get(&self.version.to_string()).zip(self.aborted);
        self.hurt = both.map(|((first, last), aborted)| (aborted.saturating_sub(*first), last - first));
    }
}

/// How long bad versions could hurt.
pub(crate) fn hurt(outcomes: &[Outcome]) -> String {
    let all = || outcomes.iter().filter_map(|it| it.hurt);
    let decided = spread(all().map(|(decided, _)| decided).collect());
    let last = spread(all().map(|(_, last)| last).collect());
    format!(
        "from the first response that a bad version failed until it was aborted: {decided}; until the last one: {last}"
    )
}

/// What is not as it would have been: another end, or other shares than the most of the same application and end have.
pub(crate) fn unlike(outcomes: &[Outcome]) -> Vec<String> {
    let mut faults = Vec::new();
    for it in outcomes {
        // Where pods were not held it is, in part, an ordinary update.
        let off = it.split.faults.iter().filter(|_| it.unheld == 0);
        faults.extend(off.map(|fault| format!("{} {}: {fault}", it.application, it.version)));
        if it.phase != it.expected {
            faults.push(format!("{} {}: {:?}, not {:?}", it.application, it.version, it.phase, it.expected));
        }
        let promoted = it.phase == Phase::Promoted && it.shares.last() != Some(&Share::ALL);
        if promoted || it.shares.windows(2).any(|pair| pair[0] > pair[1]) {
            faults.push(format!("{} {}: went through {:?}", it.application, it.version, it.shares));
        }
    }
    faults
}
