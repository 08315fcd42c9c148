//! The evidence, each kind as a bar on one logarithmic scale with its thresholds.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use tidegate_controller::engine::{Report, Signal, SignalReport};

use super::super::figures::{clip, evidence};
use super::palette::{DIM, Palette, STRONG};

/// The scale: from 0.1 …
const DECADE_MIN: f64 = -1.0;
/// … to 10,000.
const DECADE_MAX: f64 = 4.0;
/// The ratio of conversion rates is drawn from one half to double.
const RATIO_MAX: f64 = 2.0;
/// Characters of a gauge's label, and of its number.
const LABEL: usize = 25;
const NUMBER: usize = 12;

/// A gauge: what it shows, its logarithm, and where something happens.
struct Gauge {
    label: String,
    log: f64,
    bounds: Vec<f64>,
    style: Style,
}

/// A scale and a row for every kind of evidence.
pub(super) fn gauges(report: &Report, palette: Palette, width: usize) -> Vec<Line<'static>> {
    let label = LABEL.min(width / 2);
    let room = width.saturating_sub(label + NUMBER);
    let mut lines = vec![scale(label, room)];
    lines.extend(all(report, palette).into_iter().map(|gauge| gauge.line(label, room)));
    lines
}

fn all(report: &Report, palette: Palette) -> Vec<Gauge> {
    let log = report.statistic.ln();
    let bounds = vec![report.suspicion_bound, report.abort_bound];
    let against = format!("against {}: M", report.canary.version);
    let mut gauges = vec![Gauge { label: against, log, style: warned(log, &bounds, palette), bounds }];
    for signal in &report.signals {
        gauges.extend(assurance(signal, report, palette));
    }
    for signal in &report.signals {
        gauges.extend(suspicion(signal, report, palette));
    }
    gauges
}

/// Evidence that speaks for the canary.
fn assurance(signal: &SignalReport, report: &Report, palette: Palette) -> Option<Gauge> {
    let (log, bound) = (signal.log_assurance?, signal.assurance_bound?);
    // Nothing comes next once it is over.
    let safe = report.next_share.map_or_else(|| "safe".to_owned(), |next| format!("{next} is safe"));
    let label = match signal.signal {
        Signal::Errors => format!("failures: {safe}"),
        Signal::Latency => format!("latency: {safe}"),
        Signal::Conversion => format!("{} sells more", report.canary.version),
        Signal::Split => return None,
    };
    let style = if log >= bound.ln() { palette.good() } else { palette.neutral() };
    Some(Gauge { label, log, bounds: vec![bound], style })
}

/// Evidence against the canary, or the comparison, that holds it by itself.
fn suspicion(signal: &SignalReport, report: &Report, palette: Palette) -> Option<Gauge> {
    let bounds = vec![signal.regression_bound?];
    let label = match signal.signal {
        Signal::Conversion => format!("{} sells less", report.canary.version),
        Signal::Split => "the split is broken".to_owned(),
        Signal::Errors | Signal::Latency => return None,
    };
    let log = signal.log_regression;
    Some(Gauge { label, log, style: warned(log, &bounds, palette), bounds })
}

/// The more bounds are passed, the worse.
fn warned(log: f64, bounds: &[f64], palette: Palette) -> Style {
    match bounds.iter().filter(|bound| log >= bound.ln()).count() {
        0 => palette.neutral(),
        passed if passed == bounds.len() => palette.bad(),
        _ => palette.warning(),
    }
}

impl Gauge {
    fn line(&self, label: usize, room: usize) -> Line<'static> {
        let filled = cell(self.log / std::f64::consts::LN_10, room);
        let bounds: Vec<usize> = self.bounds.iter().map(|bound| cell(bound.log10(), room)).collect();
        let mut spans = vec![Span::raw(format!("{:<label$}", clip(&self.label, label)))];
        for index in 0..room {
            let (text, style) = match index {
                index if bounds.contains(&index) => ("┃", STRONG),
                index if index < filled => ("━", self.style),
                _ => ("─", DIM),
            };
            spans.push(Span::styled(text, style));
        }
        spans.push(Span::styled(format!("{:>NUMBER$}", evidence(self.log)), self.style));
        Line::from(spans)
    }
}

/// The powers of ten above the gauges.
fn scale(label: usize, room: usize) -> Line<'static> {
    let mut text = format!("{:<label$}", clip("evidence", label));
    for (decade, name) in [(-1.0, "0.1"), (0.0, "1"), (1.0, "10"), (2.0, "100"), (3.0, "1,000")] {
        let at = label + cell(decade, room);
        let used = text.chars().count();
        if (used < at || used == label) && at + name.len() <= label + room {
            text.push_str(&" ".repeat(at - used));
            text.push_str(name);
        }
    }
    Line::styled(text, DIM)
}

/// The cell of a power of ten among `room`; `room` beyond the end.
fn cell(decades: f64, room: usize) -> usize {
    place((decades - DECADE_MIN) / (DECADE_MAX - DECADE_MIN), room)
}

/// The cell at a part of the way, 0 to `room`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the cells of a terminal")]
fn place(part: f64, room: usize) -> usize {
    let cells = f64::from(u16::try_from(room).unwrap_or(u16::MAX));
    // Not a number: nothing is drawn.
    if part.is_nan() { 0 } else { (part * cells).round().clamp(0.0, cells) as usize }
}

/// The ratio of the conversion rates with its interval, in words and drawn around 1.
pub(super) fn ratio(report: &Report, palette: Palette, width: usize) -> Line<'static> {
    let goal = report.signals.iter().find(|signal| signal.signal == Signal::Conversion);
    let Some((goal, estimate)) = goal.and_then(|goal| Some((goal, goal.estimate?))) else {
        return Line::styled(clip("Nobody has bought in both versions yet.", width), DIM);
    };
    let (lower, upper) = goal.ratio.map_or((None, None), |interval| (interval.lower, interval.upper));
    let bound = |bound: Option<f64>| bound.map_or_else(|| "?".to_owned(), |bound| format!("{bound:.2}"));
    let names = (&report.canary.version, &report.stable.version);
    let words =
        format!("bought, {} to {}: {estimate:.2} (95%: {} to {})  ", names.0, names.1, bound(lower), bound(upper));
    let room = width.saturating_sub(words.chars().count());
    let at = |ratio: f64| place(f64::midpoint(ratio.ln() / RATIO_MAX.ln(), 1.0), room.saturating_sub(1));
    let (from, to) = (lower.map_or(0, at), upper.map_or(room, at));
    let style = match (lower, upper) {
        (Some(lower), _) if lower >= 1.0 => palette.good(),
        (_, Some(upper)) if upper <= 1.0 => palette.bad(),
        _ => palette.neutral(),
    };
    let mut spans = vec![Span::raw(clip(&words, width))];
    // Too few cells would show nothing but their own grain.
    for index in (0..room).filter(|_| room >= 9) {
        spans.push(match index {
            index if index == at(estimate) => Span::styled("●", style),
            index if index == at(1.0) => Span::styled("┃", STRONG),
            index if (from..=to).contains(&index) => Span::styled("━", style),
            _ => Span::styled("─", DIM),
        });
    }
    Line::from(spans)
}
