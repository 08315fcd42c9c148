//! Which parts of the view are shown in how many rows.

use ratatui::text::Line;

/// Rows that the newest decisions get before anything is set apart.
const NEWEST_ROWS: usize = 3;

/// Some rows that belong together.
#[derive(Debug)]
pub(super) struct Section {
    lines: Vec<Line<'static>>,
    /// Lower ranks get their rows first.
    rank: u8,
    /// Whether an empty row before it would be nice.
    apart: bool,
    /// Whether its last rows matter most, and the first need not be shown at all.
    newest_matter: bool,
    /// Whether it stands at the bottom.
    last: bool,
}

impl Section {
    pub(super) fn new(rank: u8, lines: Vec<Line<'static>>) -> Self {
        Self { lines, rank, apart: false, newest_matter: false, last: false }
    }

    pub(super) fn apart(self) -> Self {
        Self { apart: true, ..self }
    }

    pub(super) fn newest_matter(self) -> Self {
        Self { newest_matter: true, ..self }
    }

    pub(super) fn last(self) -> Self {
        Self { last: true, ..self }
    }
}

/// At most `height` rows of the sections, in their order.
pub(super) fn fit(sections: Vec<Section>, height: usize) -> Vec<Line<'static>> {
    let mut room = height;
    let mut rows = vec![0; sections.len()];
    let mut by_rank: Vec<usize> = (0..sections.len()).collect();
    by_rank.sort_by_key(|index| sections[*index].rank);
    for index in by_rank {
        let Section { lines, newest_matter, .. } = &sections[index];
        let wanted = if *newest_matter { lines.len().min(NEWEST_ROWS) } else { lines.len() };
        rows[index] = wanted.min(room);
        room -= rows[index];
    }
    let mut gaps = vec![false; sections.len()];
    for (index, section) in sections.iter().enumerate() {
        gaps[index] = section.apart && rows[index] > 0 && room > 0;
        room -= usize::from(gaps[index]);
    }
    for (rows, section) in rows.iter_mut().zip(&sections).filter(|(_, section)| section.newest_matter) {
        let more = room.min(section.lines.len() - *rows);
        *rows += more;
        room -= more;
    }
    let mut shown = Vec::with_capacity(height);
    for ((section, rows), gap) in sections.into_iter().zip(rows).zip(gaps) {
        let empty = if section.last { room } else { usize::from(gap) };
        shown.extend(std::iter::repeat_n(Line::default(), empty));
        let skipped = if section.newest_matter { section.lines.len() - rows } else { 0 };
        shown.extend(section.lines.into_iter().skip(skipped).take(rows));
    }
    shown
}
