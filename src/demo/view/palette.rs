//! The colours, or their absence.

use ratatui::style::{Color, Modifier, Style};
use tidegate_controller::engine::Phase;

/// As the terminal writes by itself.
pub(crate) const PLAIN: Style = Style::new();
/// What stands out.
pub(crate) const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
/// What stands back.
pub(crate) const DIM: Style = Style::new().add_modifier(Modifier::DIM);

/// How things are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Palette {
    /// Whether colours may be used besides brightness.
    pub(crate) colour: bool,
}

impl Palette {
    pub(crate) const fn stable(self) -> Style {
        self.coloured(Color::Blue)
    }

    pub(crate) const fn canary(self) -> Style {
        self.coloured(Color::Yellow)
    }

    pub(crate) const fn good(self) -> Style {
        self.coloured(Color::Green)
    }

    pub(crate) const fn neutral(self) -> Style {
        self.coloured(Color::Cyan)
    }

    pub(crate) const fn warning(self) -> Style {
        self.coloured(Color::Yellow)
    }

    pub(crate) const fn bad(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    pub(crate) const fn phase(self, phase: Phase) -> Style {
        match phase {
            Phase::Promoted => self.good().add_modifier(Modifier::BOLD),
            Phase::Aborted => self.bad(),
            Phase::Undecided | Phase::Paused => self.warning().add_modifier(Modifier::BOLD),
            Phase::Progressing | Phase::Standby | Phase::Recreating => PLAIN,
        }
    }

    const fn coloured(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }
}
