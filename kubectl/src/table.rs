//! PURE. Columns of text, as `kubectl` sets them. Lines that are added later stand below those that are there.

use std::fmt::Write;

/// Spaces between columns.
const GAP: usize = 3;

/// The widths of the columns so far.
#[derive(Debug, Default)]
pub(crate) struct Table {
    widths: Vec<usize>,
    begun: bool,
}

/// Colours a cell by what it says.
pub(crate) type Paint = fn(&str) -> Option<&'static str>;

impl Table {
    /// Whether there is no line yet.
    pub(crate) fn is_empty(&self) -> bool {
        !self.begun
    }

    /// Makes the columns wide enough for a row that may come, so that it stands below those that come before.
    pub(crate) fn expect(&mut self, row: &[String]) {
        self.widths.resize(self.widths.len().max(row.len()), 0);
        for (width, cell) in self.widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }

    /// Lines for rows. The last column is as long as its text. `paint` gives a cell the number of a colour.
    pub(crate) fn lines(&mut self, rows: &[Vec<String>], paint: Option<Paint>) -> String {
        self.begun = true;
        for row in rows {
            self.expect(row);
        }
        let mut text = String::new();
        for row in rows {
            for (index, cell) in row.iter().enumerate() {
                let colour = paint.and_then(|paint| paint(cell));
                if let Some(colour) = colour {
                    let _ = write!(text, "\x1b[{colour}m{cell}\x1b[0m");
                } else {
                    text.push_str(cell);
                }
                if index + 1 < row.len() {
                    let width = self.widths.get(index).copied().unwrap_or_default() + GAP;
                    text.push_str(&" ".repeat(width.saturating_sub(cell.chars().count())));
                }
            }
            text.truncate(text.trim_end_matches(' ').len());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect()
    }

    #[test]
    fn columns_stand_below_each_other() {
        let mut table = Table::default();
        let first = table.lines(&rows(&[&["NAME", "PHASE"], &["shop", "Idle"], &["größer", ""]]), None);
        assert_eq!(first, "NAME     PHASE\nshop     Idle\ngrößer\n");
        assert_eq!(table.lines(&rows(&[&["a", "Idle"]]), None), "a        Idle\n");
    }

    #[test]
    fn a_longer_row_that_was_expected_stands_below_the_others() {
        let mut table = Table::default();
        table.expect(&rows(&[&["", "Progressing", ""]])[0]);
        assert!(table.is_empty());
        assert_eq!(table.lines(&rows(&[&["shop", "Idle", "-"]]), None), "shop   Idle          -\n");
        assert_eq!(table.lines(&rows(&[&["shop", "Progressing", "1%"]]), None), "shop   Progressing   1%\n");
    }

    #[test]
    fn colours_take_no_room() {
        let paint: Paint = |cell| (cell == "Aborted").then_some("31");
        let rows = rows(&[&["Aborted", "x"], &["Idle", "y"]]);
        let text = Table::default().lines(&rows, Some(paint));
        assert_eq!(text, "\x1b[31mAborted\x1b[0m   x\nIdle      y\n");
    }
}
