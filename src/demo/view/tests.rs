//! What the live view shows, drawn into memory.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;
use tidegate_controller::engine::Hold;

use super::super::sample;
use super::*;

const COLOUR: Palette = Palette { colour: true };

fn drawn(moment: &Moment, palette: Palette, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, moment, palette)).unwrap();
    terminal
}

fn text(moment: &Moment, width: u16, height: u16) -> String {
    let terminal = drawn(moment, COLOUR, width, height);
    let cells = terminal.backend().buffer().content().chunks(usize::from(width));
    let rows = cells.map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>());
    rows.map(|row| row.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_usual_terminal_shows_everything() {
    let found = text(&sample::moment(), 80, 24);
    println!("{found}");
    let expected = [
        " tidegate demo: better   12 s   step 1 of 3   generation 3 in force",
        " v1 stable   90% ████",
        " v2 canary   10% ██████░░",
        "met a failure",
        "1,500  25.0%",
        " bought, v2 to v1: 1.21 (95%: 1.02 to 1.44)  ",
        " evidence",
        " against v2: M",
        " failures: 50% is safe",
        " latency: 50% is safe",
        " v2 sells more",
        " v2 sells less",
        " the split is broken",
        " Soaks at 10% for 4 s.",
        " Next move: in about 14 s (evidence on failures is being gathered).",
        "   3 s  From 0% to 10%: stable is known",
        " 650 visitors/s, 2118 requests/s, 42 visitors saw an error; seed 7; q ends",
    ];
    for part in expected {
        assert!(found.contains(part), "{part:?} in\n{found}");
    }
    assert_eq!(found.lines().count(), 24, "the footer stands at the bottom");
}

#[test]
fn gauges_share_a_scale_on_which_thresholds_can_be_read() {
    let found = text(&sample::moment(), 100, 30);
    let column = |row: &str, sign: char| {
        let row = found.lines().find(|line| line.contains(row)).unwrap();
        row.chars().position(|found| found == sign)
    };
    let scale = found.lines().find(|line| line.contains(" 0.1 ")).unwrap();
    let of = |name: &str| scale.find(name).map(|at| scale[..at].chars().count() + 1);
    assert_eq!(column("against v2: M", '┃'), of(" 10 "), "suspicion at 10:\n{found}");
    assert_eq!(column("the split is broken", '┃'), of(" 1,000"), "\n{found}");
}

#[test]
fn a_small_terminal_shows_what_matters_most() {
    let found = text(&sample::moment(), 40, 10);
    println!("{found}");
    for part in ["tidegate demo: better   12 s", "v2 canary   10% █", "Soaks at 10%", "bought"] {
        assert!(found.contains(part), "{part:?} in\n{found}");
    }
}

#[test]
fn no_size_is_too_small() {
    let mut long = sample::moment();
    if let Some(report) = &mut long.report {
        report.verdict = "word ".repeat(100);
        report.recent = std::iter::repeat_n(report.recent.clone(), 10).flatten().collect();
    }
    for moment in [sample::moment(), Moment { report: None, ..sample::moment() }, long] {
        for (width, height) in [(0, 0), (1, 1), (3, 40), (10, 3), (40, 10), (59, 13), (80, 24), (300, 100)] {
            drawn(&moment, COLOUR, width, height);
        }
    }
}

#[test]
fn numbers_that_are_none_are_drawn_too() {
    let mut moment = sample::moment();
    if let Some(report) = &mut moment.report {
        (report.statistic, report.hold) = (f64::NAN, report.hold.map(|held| held.reason).map(|_| held()));
        for signal in &mut report.signals {
            (signal.log_regression, signal.estimate) = (f64::INFINITY, Some(f64::NAN));
            signal.log_assurance = signal.log_assurance.map(|_| f64::NEG_INFINITY);
        }
    }
    assert!(text(&moment, 80, 24).contains("undefined"));
}

fn held() -> tidegate_controller::engine::Held {
    tidegate_controller::engine::Held {
        reason: Hold::Undefined,
        since: tidegate_controller::engine::Timestamp::default(),
    }
}

#[test]
fn a_rollout_that_is_over_says_so_in_its_colour() {
    let mut moment = sample::moment();
    if let Some(report) = &mut moment.report {
        report.phase = Phase::Aborted;
        report.verdict = "Rolled back after 3 s: it failed. A fact.".into();
    }
    let found = text(&moment, 80, 24);
    assert!(found.contains("rolled back   generation") && found.contains(" Rolled back after 3 s"), "{found}");
    assert!(!found.contains("Next move"), "{found}");
    let coloured = |palette| {
        let terminal = drawn(&moment, palette, 80, 24);
        terminal.backend().buffer().content().iter().any(|cell| cell.fg != Color::Reset)
    };
    assert!(coloured(COLOUR));
    assert!(!coloured(Palette { colour: false }), "NO_COLOR");
}

#[test]
fn a_share_that_is_not_in_force_is_told_apart() {
    let moment = Moment { published: 4, ..sample::moment() };
    assert!(text(&moment, 80, 24).contains("generation 4 wanted, 3 in force"));
}
