//! PURE. The two versions side by side, in as many columns as there is room for.

use tidegate_config::Share;
use tidegate_controller::engine::{ArmReport, Report};

use super::crowd::{Seen, VersionSeen};
use super::figures::{count, millis, percent};

/// Between two columns.
const GAP: usize = 2;

/// A title and a cell for stable and canary.
struct Column {
    title: &'static str,
    cells: [String; 2],
    /// Columns of a higher rank are left out first.
    rank: u8,
}

/// Title, stable, canary: three lines of at most `width` characters.
pub(crate) fn table(report: &Report, seen: &Seen, width: usize) -> [String; 3] {
    let mut columns = columns(report, seen);
    while columns.len() > 1 && columns.iter().map(|column| column.width() + GAP).sum::<usize>() > width + GAP {
        let last = columns.iter().map(|column| column.rank).max();
        if let Some(at) = columns.iter().rposition(|column| Some(column.rank) == last) {
            columns.remove(at);
        }
    }
    let mut lines = [const { String::new() }; 3];
    for (index, column) in columns.iter().enumerate() {
        let texts = [column.title, &column.cells[0], &column.cells[1]];
        for (line, text) in lines.iter_mut().zip(texts) {
            line.push_str(&cell(text, column.width(), index == 0));
        }
    }
    lines
}

/// The names stand to the left, numbers to the right.
fn cell(text: &str, width: usize, first: bool) -> String {
    if first { format!("{text:<width$}") } else { format!("{:GAP$}{text:>width$}", "") }
}

impl Column {
    fn width(&self) -> usize {
        let texts = self.cells.iter().map(String::as_str).chain([self.title]);
        texts.map(|text| text.chars().count()).max().unwrap_or(0)
    }
}

fn columns(report: &Report, seen: &Seen) -> Vec<Column> {
    let arms = [&report.stable, &report.canary];
    let each = |title, rank, of: &dyn Fn(&ArmReport) -> String| Column { title, cells: arms.map(of), rank };
    let shares = [Share::ALL.minus(report.share), report.share].map(|share| share.to_string());
    let times = |title, part: f64, rank| {
        let cell = |version: &VersionSeen| millis(version.quantile(part));
        Column { title, cells: [cell(&seen.versions[0]), cell(&seen.versions[1])], rank }
    };
    vec![
        Column { title: "", cells: names(report), rank: 0 },
        Column { title: "share", cells: shares, rank: 3 },
        each("requests", 6, &|arm| count(arm.requests)),
        each("visitors", 4, &|arm| count(arm.visitors)),
        each("met a failure", 2, &|arm| counted(arm.failed, arm.failed_rate, 2)),
        each("bought", 1, &|arm| counted(arm.converted, arm.conversion_rate, 1)),
        times("p50", 0.50, 5),
        times("p99", 0.99, 5),
    ]
}

/// `v1 stable`, `v2 canary`.
pub(crate) fn names(report: &Report) -> [String; 2] {
    [format!("{} stable", report.stable.version), format!("{} canary", report.canary.version)]
}

fn counted(number: u64, rate: Option<f64>, decimals: usize) -> String {
    format!("{} {:>6}", count(number), percent(rate, decimals))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn columns_line_up() {
        let moment = sample::moment();
        let lines = table(&sample::report(), &moment.seen, 100);
        assert!(lines[0].contains("met a failure") && lines[0].ends_with("p99"), "{lines:#?}");
        assert!(lines[1].starts_with("v1 stable    90%"), "{lines:#?}");
        assert!(lines[2].contains("200  30.3%"), "{lines:#?}");
        let widths = lines.each_ref().map(|line| line.chars().count());
        assert!(widths.iter().all(|width| *width == widths[0]), "{lines:#?}");
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let moment = sample::moment();
        for width in 0..120 {
            let lines = table(&sample::report(), &moment.seen, width);
            let fits = lines.iter().all(|line| line.chars().count() <= width.max(9));
            assert!(fits, "{width}: {lines:#?}");
        }
        assert!(table(&sample::report(), &moment.seen, 40)[0].contains("bought"));
    }
}
