//! The terminal: taken over for the live view, and given back whatever happens.

use std::io::{self, Stdout, stdout};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::crossterm::{cursor, execute};

use super::moment::Moment;
use super::view::{Palette, draw};

/// Whether the terminal is ours. Static, because a panic on any thread must give it back before it says anything.
static OURS: AtomicBool = AtomicBool::new(false);

/// The terminal, while it is ours.
#[derive(Debug)]
pub(crate) struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    palette: Palette,
}

impl Screen {
    /// Takes the terminal over.
    pub(crate) fn take(palette: Palette) -> io::Result<Self> {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            give_back();
            told(info);
        }));
        OURS.store(true, Ordering::SeqCst);
        let taken = Self::set_up(palette);
        if taken.is_err() {
            give_back();
        }
        taken
    }

    fn set_up(palette: Palette) -> io::Result<Self> {
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen, cursor::Hide)?;
        Ok(Self { terminal: Terminal::new(CrosstermBackend::new(stdout()))?, palette })
    }

    /// Draws a moment. False: a thread has panicked and the terminal was given back.
    pub(crate) fn show(&mut self, moment: &Moment) -> io::Result<bool> {
        if !OURS.load(Ordering::SeqCst) {
            return Ok(false);
        }
        let palette = self.palette;
        self.terminal.draw(|frame| draw(frame, moment, palette))?;
        Ok(true)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Whether somebody has pressed q, Escape or Ctrl-C since this was last asked.
pub(crate) fn wants_to_end() -> bool {
    // A terminal that cannot be asked has no keys; signals remain.
    while event::poll(Duration::ZERO).unwrap_or(false) {
        let Ok(Event::Key(key)) = event::read() else { continue };
        let interrupts = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        let ends = interrupts || matches!(key.code, KeyCode::Char('q' | 'Q') | KeyCode::Esc);
        if ends && key.kind == KeyEventKind::Press {
            return true;
        }
    }
    false
}

fn give_back() {
    if OURS.swap(false, Ordering::SeqCst) {
        // There is nobody to tell where the terminal itself is gone.
        let _ = disable_raw_mode();
        let _ = execute!(stdout(), LeaveAlternateScreen, cursor::Show);
    }
}
