//! PURE. The live view of one moment, for a terminal of any size: what matters most is shown first, the rest where there
//! is room.

mod evidence;
mod palette;
mod section;
mod shares;

use ratatui::Frame;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use tidegate_controller::engine::{Phase, Report};

use super::figures::{clip, count, duration, forecast, wrap};
use super::moment::Moment;
use super::table::table;
pub(crate) use palette::Palette;
use palette::{DIM, PLAIN, STRONG};
use section::{Section, fit};

/// Rows that the reason to hold may take.
const STANDING_ROWS: usize = 3;
/// Rows that one decision may take.
const DECISION_ROWS: usize = 2;

/// Draws a moment over the whole frame.
pub(crate) fn draw(frame: &mut Frame<'_>, moment: &Moment, palette: Palette) {
    let area = frame.area();
    let lines = lines(moment, palette, usize::from(area.width), usize::from(area.height));
    frame.render_widget(Paragraph::new(lines), area);
}

fn lines(moment: &Moment, palette: Palette, width: usize, height: usize) -> Vec<Line<'static>> {
    // A column of air on either side, where the terminal is not narrow.
    let margin = usize::from(width >= 60);
    let width = width.saturating_sub(2 * margin);
    let footer = Section::new(8, vec![footer(moment, palette, width)]);
    let head = Section::new(0, vec![header(moment, palette, width)]);
    let Some(report) = &moment.report else {
        let wait = vec![Line::from(clip("The controller begins …", width))];
        return indent(fit(vec![head, Section::new(1, wait).apart(), footer.last()], height), margin);
    };
    let sections = vec![
        head,
        Section::new(1, shares::bars(report, palette, width)).apart(),
        Section::new(3, versions(report, moment, width)).apart(),
        Section::new(5, vec![evidence::ratio(report, palette, width)]),
        Section::new(4, evidence::gauges(report, palette, width)).apart(),
        Section::new(2, standing(moment, report, palette, width)).apart(),
        Section::new(6, decisions(report, width, height)).apart().newest_matter(),
        footer.last(),
    ];
    indent(fit(sections, height), margin)
}

fn indent(mut lines: Vec<Line<'static>>, margin: usize) -> Vec<Line<'static>> {
    for line in &mut lines {
        line.spans.insert(0, Span::raw(" ".repeat(margin)));
    }
    lines
}

/// What is played, for how long, and where the rollout is.
fn header(moment: &Moment, palette: Palette, width: usize) -> Line<'static> {
    let name = format!("tidegate demo: {}", moment.setting.scenario.name());
    let time = duration(moment.elapsed);
    let (phase, style) = match moment.report.as_ref() {
        Some(report) => (phase(report), palette.phase(report.phase)),
        None => ("starting".to_owned(), PLAIN),
    };
    let generation = match moment.in_force {
        Some(in_force) if in_force >= moment.published => format!("generation {in_force} in force"),
        Some(in_force) => format!("generation {} wanted, {in_force} in force", moment.published),
        None => format!("generation {} wanted", moment.published),
    };
    let mut left = width;
    let mut spans = Vec::new();
    for (text, style) in [(name, STRONG), (time, PLAIN), (phase, style), (generation, DIM)] {
        let gap = if spans.is_empty() { "" } else { "   " };
        let text = format!("{gap}{text}");
        if text.chars().count() > left {
            break;
        }
        left -= text.chars().count();
        spans.push(Span::styled(text, style));
    }
    Line::from(spans)
}

fn phase(report: &Report) -> String {
    match report.phase {
        Phase::Progressing if report.step == 0 => "getting to know stable".to_owned(),
        // The last step is the promotion itself.
        Phase::Progressing => format!("step {} of {}", report.step, report.steps.len()),
        Phase::Paused => "paused".to_owned(),
        Phase::Undecided => "undecided".to_owned(),
        Phase::Standby => "standby".to_owned(),
        Phase::Recreating => "recreating".to_owned(),
        Phase::Promoted => "promoted".to_owned(),
        Phase::Aborted => "rolled back".to_owned(),
    }
}

fn versions(report: &Report, moment: &Moment, width: usize) -> Vec<Line<'static>> {
    let [title, stable, canary] = table(report, &moment.seen, width).map(|line| clip(&line, width));
    vec![Line::styled(title, DIM), Line::from(stable), Line::from(canary)]
}

/// Why it is where it is, and when it goes on.
fn standing(moment: &Moment, report: &Report, palette: Palette, width: usize) -> Vec<Line<'static>> {
    let style = palette.phase(report.phase);
    let mut lines: Vec<_> = wrap(&report.verdict, width).into_iter().map(|line| Line::styled(line, style)).collect();
    if !report.phase.is_over() {
        lines.truncate(STANDING_ROWS);
        let eta = report.eta.seconds.map_or_else(|| "cannot be said".to_owned(), forecast);
        lines.push(Line::from(clip(&format!("Next move: {eta} ({}).", report.eta.reason), width)));
    }
    if let Some(trouble) = &moment.trouble {
        lines.push(Line::styled(clip(&format!("State cannot be written: {trouble}"), width), palette.bad()));
    }
    lines
}

/// The decision log, oldest first.
fn decisions(report: &Report, width: usize, height: usize) -> Vec<Line<'static>> {
    const TIME: usize = 7;
    let mut lines = Vec::new();
    for record in &report.recent {
        let seconds = record.at.millis_since(report.started) / 1_000;
        let mut rows = wrap(&record.text, width.saturating_sub(TIME));
        if rows.len() > DECISION_ROWS {
            rows.truncate(DECISION_ROWS);
            if let Some(last) = rows.last_mut() {
                *last = clip(&format!("{last} …"), width.saturating_sub(TIME));
            }
        }
        for (index, row) in rows.into_iter().enumerate() {
            let time = if index == 0 { format!("{seconds:>3} s  ") } else { " ".repeat(TIME) };
            lines.push(Line::from(vec![Span::styled(time, DIM), Span::raw(row)]));
        }
    }
    let shown = lines.len().min(height);
    lines.split_off(lines.len() - shown)
}

/// The crowd, and how to end it.
fn footer(moment: &Moment, palette: Palette, width: usize) -> Line<'static> {
    if moment.seen.is_too_slow() {
        let text = "This machine is too slow for so many visitors: response times are its own.";
        return Line::styled(clip(text, width), palette.warning());
    }
    let text = format!(
        "{:.0} visitors/s, {:.0} requests/s, {} visitors saw an error; seed {}; q ends",
        moment.rates.visitors,
        moment.rates.requests,
        count(moment.seen.saw_error()),
        moment.setting.seed,
    );
    Line::styled(clip(&text, width), DIM)
}

#[cfg(test)]
mod tests;
