//! Where moments are shown: on the whole terminal, or line by line.

use std::io::{self, IsTerminal, stdout};

use ratatui::crossterm::terminal::size;

use super::lines::Lines;
use super::moment::Moment;
use super::screen::{Screen, wants_to_end};
use super::view::Palette;
use crate::output;

/// Characters in a line that is read: longer ones tire.
const WIDTH: usize = 100;

/// One of the two ways to watch.
#[derive(Debug)]
pub(crate) enum Display {
    /// A terminal, redrawn.
    Live(Screen),
    /// Anything else.
    Lines(Lines),
}

/// What the display says back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Go on.
    GoOn,
    /// Somebody has pressed a key.
    End,
    /// The terminal was given back because a thread has panicked.
    Panicked,
}

impl Display {
    /// The live view where the output is a terminal that can be redrawn, unless lines are wanted.
    pub(crate) fn open(plain: bool) -> io::Result<Self> {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if plain || dumb || !stdout().is_terminal() {
            return Ok(Self::Lines(Lines::default()));
        }
        Screen::take(Palette { colour: output::colours() }).map(Self::Live)
    }

    /// Characters in a line of the output, where it is read as it comes.
    pub(crate) fn width() -> usize {
        let terminal = stdout().is_terminal().then(|| size().ok()).flatten();
        terminal.map_or(WIDTH, |(columns, _)| usize::from(columns).clamp(20, WIDTH))
    }

    /// Whether it is redrawn, and so gone at the end.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self, Self::Live(_))
    }

    /// Shows a moment.
    pub(crate) fn show(&mut self, moment: &Moment) -> io::Result<Wish> {
        match self {
            Self::Lines(lines) => lines.show(moment, &mut stdout()).map(|()| Wish::GoOn),
            Self::Live(screen) => Ok(match screen.show(moment)? {
                false => Wish::Panicked,
                true if wants_to_end() => Wish::End,
                true => Wish::GoOn,
            }),
        }
    }
}
