//! The demo as plain lines: one for every second and every decision. For pipes, logs and screen readers.

use std::io::{self, Write};

use tidegate_controller::engine::{Phase, Report, Signal};

use super::figures::{count, evidence, forecast, percent};
use super::moment::Moment;

/// What was written already.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    second: Option<u64>,
    decision: u64,
}

impl Lines {
    /// Writes what is new.
    pub(crate) fn show(&mut self, moment: &Moment, out: &mut impl Write) -> io::Result<()> {
        let Some(report) = &moment.report else { return Ok(()) };
        let now = moment.elapsed.as_secs();
        for record in report.recent.iter().filter(|record| record.seq > self.decision) {
            writeln!(out, "{now:>4} s  #{} {}", record.seq, record.text)?;
        }
        self.decision = report.recent.last().map_or(self.decision, |record| record.seq.max(self.decision));
        if self.second != Some(now) && report.phase == Phase::Progressing {
            self.second = Some(now);
            writeln!(out, "{now:>4} s  {}", second(report))?;
        }
        out.flush()
    }
}

/// One second of a rollout.
fn second(report: &Report) -> String {
    let (stable, canary) = (&report.stable, &report.canary);
    let versions = [canary, stable].map(|arm| {
        format!(
            "{} {} visitors, {} failed, {} bought",
            arm.version,
            count(arm.visitors),
            percent(arm.failed_rate, 2),
            percent(arm.conversion_rate, 1)
        )
    });
    let goal = report.signals.iter().find(|signal| signal.signal == Signal::Conversion);
    let ratio = goal.and_then(|goal| goal.estimate).map_or_else(String::new, |ratio| format!("; ratio {ratio:.2}"));
    let next = report.eta.seconds.map_or_else(String::new, |seconds| format!(", {}", forecast(seconds)));
    format!(
        "{:>4}  {}{ratio}; M {} of {:.0}; {}{next}",
        report.share.to_string(),
        versions.join("; "),
        evidence(report.statistic.ln()),
        report.abort_bound,
        report.eta.reason,
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::sample;
    use super::*;

    fn shown(lines: &mut Lines, moment: &Moment) -> String {
        let mut out = Vec::new();
        lines.show(moment, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_for_every_second_and_decision() {
        let mut lines = Lines::default();
        let mut moment = sample::moment();
        let first = shown(&mut lines, &moment);
        assert_eq!(first.lines().count(), 3, "{first}");
        assert!(first.contains("  12 s  #1 Started v2 against v1"), "{first}");
        assert!(first.contains("  10%  v2 660 visitors, 0.15% failed, 30.3% bought; v1 6,000 visitors"), "{first}");
        assert_eq!(shown(&mut lines, &moment), "", "nothing new");
        moment.elapsed += Duration::from_secs(1);
        assert_eq!(shown(&mut lines, &moment).lines().count(), 1);
    }
}
