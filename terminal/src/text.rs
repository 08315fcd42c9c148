//! PURE. What is known of services and rollouts, for people.

use std::fmt::Write as _;

use tidegate_controller::engine::{ArmReport, Phase, Report, SignalReport};
use tidegate_controller::view::{Explanation, Overview, ServiceView};

/// Characters of a share's bar.
const BAR: u16 = 30;

/// The whole instance.
pub fn overview(overview: &Overview) -> String {
    let mut text = String::new();
    let in_force = overview.in_force.map_or_else(|| "none acknowledged yet".to_owned(), |g| format!("{g} in force"));
    let _ = writeln!(text, "generation {} published, {in_force}", overview.generation);
    if let Some(file) = &overview.config.file {
        let state =
            if overview.config.problems.is_empty() { "in force" } else { "refused, the last good one is in force" };
        let _ = writeln!(text, "{}: {state}", file.display());
    }
    for problem in &overview.config.problems {
        let _ = writeln!(text, "  {problem}");
    }
    for setting in &overview.config.needs_restart {
        let _ = writeln!(text, "  needs a restart: {setting}");
    }
    if let Some(error) = &overview.store_error {
        let _ = writeln!(text, "state cannot be written: {error}");
    }
    for view in &overview.services {
        text.push('\n');
        text.push_str(&service(view));
    }
    text
}

/// One service.
pub fn service(view: &ServiceView) -> String {
    let mut text = String::new();
    let phase = view.rollout.as_ref().map_or("no rollout", |report| phase(report.phase));
    let _ = writeln!(text, "{}  {phase}", view.service);
    for arm in &view.arms {
        let rival = view.rivals.iter().any(|report| report.canary.version == arm.version);
        let role = if arm.version == view.stable {
            "stable"
        } else if Some(&arm.version) == view.canary.as_ref() || rival {
            "canary"
        } else {
            ""
        };
        let bar = bar(arm.share.fraction());
        let _ = writeln!(text, "  {:<12} {role:<7} {:>9} {bar}", arm.version.to_string(), arm.share.to_string());
    }
    for note in &view.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    for report in view.rollout.iter().chain(&view.rivals) {
        rollout(report, &mut text);
    }
    text
}

fn rollout(report: &Report, text: &mut String) {
    let _ = writeln!(text, "  {}", report.verdict);
    let steps: Vec<String> = report.steps.iter().map(ToString::to_string).collect();
    let _ = writeln!(text, "  step {} of {} ({})", report.step, report.steps.len(), steps.join(", "));
    if report.phase == Phase::Progressing
        && let Some(seconds) = report.eta.seconds
    {
        let _ = writeln!(text, "  next move in about {seconds:.0} s: {}", report.eta.reason);
    } else if report.phase == Phase::Progressing {
        let _ = writeln!(text, "  next move: {}", report.eta.reason);
    }
    let _ = writeln!(
        text,
        "  {:<12} {:>10} {:>9} {:>9} {:>14} {:>16}",
        "", "requests", "failures", "visitors", "saw a failure", "converted"
    );
    for arm in [&report.canary, &report.stable] {
        let _ = writeln!(text, "  {}", arm_row(arm));
    }
    let _ = writeln!(
        text,
        "  evidence against the canary {:.3} (suspicion {}, roll back {})",
        report.statistic, report.suspicion_bound, report.abort_bound
    );
    for signal in &report.signals {
        let _ = writeln!(text, "    {}", signal_row(signal));
    }
    for rival in &report.rivals {
        let _ = writeln!(text, "    {} converts better: {} of {:.0}", rival.version, weight(rival.better), rival.bound);
    }
}

fn arm_row(arm: &ArmReport) -> String {
    let failed = format!("{} ({})", arm.failed, percent(arm.failed_rate));
    let converted = format!("{} ({})", arm.converted, percent(arm.conversion_rate));
    let version = arm.version.to_string();
    format!("{version:<12} {:>10} {:>9} {:>9} {failed:>14} {converted:>16}", arm.requests, arm.failures, arm.visitors)
}

fn signal_row(signal: &SignalReport) -> String {
    let name = format!("{:?}", signal.signal).to_lowercase();
    let mut row = format!("{name:<11} against {}", weight(signal.regression));
    if let (Some(log), Some(bound)) = (signal.log_assurance, signal.assurance_bound) {
        let _ = write!(row, ", for going on {} of {bound:.0}", weight(log.exp()));
    }
    if let (Some(estimate), Some(ratio)) = (signal.estimate, &signal.ratio) {
        let side = |side: Option<f64>, none: &str| side.map_or_else(|| none.to_owned(), |side| format!("{side:.3}"));
        let _ = write!(row, ", ratio {estimate:.3} in [{}, {}]", side(ratio.lower, "0"), side(ratio.upper, "any"));
    }
    row
}

/// Evidence, which may have any size.
fn weight(evidence: f64) -> String {
    match evidence {
        huge if huge >= 1e6 => format!("{huge:.0e}"),
        large if large >= 100.0 => format!("{large:.0}"),
        small if small < 0.001 => "0".to_owned(),
        other => format!("{other:.2}"),
    }
}

fn percent(rate: Option<f64>) -> String {
    rate.map_or_else(|| "-".to_owned(), |rate| format!("{:.2}%", rate * 100.0))
}

fn bar(fraction: f64) -> String {
    let cells = f64::from(BAR);
    let full = (0..BAR).filter(|cell| fraction * cells >= f64::from(*cell) + 0.5).count();
    format!("{:.<1$}", "#".repeat(full), usize::from(BAR))
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Progressing => "progressing",
        Phase::Paused => "paused",
        Phase::Undecided => "undecided at the deadline",
        Phase::Standby => "switched, the old version on standby",
        Phase::Recreating => "switched, the new version is awaited",
        Phase::Promoted => "promoted",
        Phase::Aborted => "rolled back",
    }
}

/// Why a rollout is where it is.
pub fn explanation(explanation: &Explanation) -> String {
    let mut text = String::new();
    match &explanation.words {
        Some(words) => text.push_str(words),
        None => {
            let _ = write!(text, "{}: no rollout yet", explanation.service);
        }
    }
    text.push_str("\n\n");
    for decision in &explanation.decisions {
        let _ = writeln!(text, "{:>4}  {}", decision.logged.number, decision.words);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_of_any_size_fits_a_column() {
        for (evidence, text) in
            [(0.0, "0"), (0.62, "0.62"), (37.5, "37.50"), (120.4, "120"), (9.2e115, "9e115"), (f64::INFINITY, "inf")]
        {
            assert_eq!(weight(evidence), text);
        }
    }

    #[test]
    fn bars_are_as_long_as_shares() {
        for (fraction, full) in [(0.0, 0), (0.1, 3), (0.5, 15), (1.0, 30)] {
            assert_eq!(bar(fraction).matches('#').count(), full, "{fraction}");
        }
    }
}
