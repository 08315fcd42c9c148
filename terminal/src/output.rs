//! Text, JSON or YAML. Colour only where a person looks at it.

use std::env;
use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;

/// How a command prints its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON value
    Json,
    /// One YAML document
    Yaml,
}

/// Why something cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// It has no form in JSON.
    #[error("cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// It has no form in YAML.
    #[error("cannot be written as YAML")]
    Yaml(#[from] serde_saphyr::ser::Error),
    /// Standard output does not take it.
    #[error("standard output cannot be written")]
    Output(#[from] io::Error),
}

/// Prints to standard output. A reader that has gone away (`| head`) is no error.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Prints a value in a format; `text` makes the one for people.
pub fn show<T: Serialize>(value: &T, format: Format, text: impl FnOnce(&T) -> String) -> Result<(), ShowError> {
    let mut shown = match format {
        Format::Text => text(value),
        Format::Json => serde_json::to_string_pretty(value)?,
        Format::Yaml => serde_saphyr::to_string(value)?,
    };
    if !shown.ends_with('\n') {
        shown.push('\n');
    }
    Ok(print(&shown)?)
}

/// Says on standard error what went wrong, with its causes, each once.
pub fn complain(error: &dyn Error) {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !message.contains(&inner_text) {
            message.push_str(": ");
            message.push_str(&inner_text);
        }
        cause = inner.source();
    }
    note(&message);
}

/// Says on standard error what an operator should know.
pub fn note(text: &str) {
    // Nobody to tell if even that fails.
    let _ = writeln!(io::stderr(), "{}: {text}", program());
}

/// The name that the program was started by.
fn program() -> String {
    let path = env::args_os().next().unwrap_or_default();
    Path::new(&path).file_name().map_or_else(|| "tidegate".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Whether standard output may have colours: a terminal, and nobody asked for none (<https://no-color.org>).
pub fn colours() -> bool {
    io::stdout().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
