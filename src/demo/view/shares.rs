//! The shares of both versions, as two bars.

use ratatui::text::{Line, Span};
use tidegate_config::Share;
use tidegate_controller::engine::Report;

use super::super::table::names;
use super::palette::{DIM, Palette};

/// One row for each version.
pub(super) fn bars(report: &Report, palette: Palette, width: usize) -> Vec<Line<'static>> {
    let shares = [Share::ALL.minus(report.share), report.share];
    let styles = [palette.stable(), palette.canary()];
    let rows = names(report).into_iter().zip(shares).zip(styles);
    rows.map(|((name, share), style)| {
        let label = format!("{name} {:>5} ", share.to_string());
        let room = width.saturating_sub(label.chars().count());
        let filled = filled(share, room);
        let rest = "░".repeat(room - filled);
        Line::from(vec![Span::raw(label), Span::styled("█".repeat(filled), style), Span::styled(rest, DIM)])
    })
    .collect()
}

/// Cells of `room` for a share: rounded, but none only for nobody and all only for everybody.
fn filled(share: Share, room: usize) -> usize {
    let ppm = usize::try_from(share.ppm()).unwrap_or(0);
    let rounded = (ppm * room + 500_000) / 1_000_000;
    match share {
        Share::ZERO => 0,
        Share::ALL => room,
        _ => rounded.max(1).min(room.saturating_sub(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_nobody_is_empty_and_only_everybody_is_full() {
        for (share, room, cells) in
            [("0%", 60, 0), ("0.01%", 60, 1), ("10%", 60, 6), ("99.99%", 60, 59), ("100%", 60, 60), ("50%", 0, 0)]
        {
            assert_eq!(filled(share.parse().unwrap(), room), cells, "{share} of {room}");
        }
    }
}
