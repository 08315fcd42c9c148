//! `tidegate check`: what is wrong with a configuration file, all of it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tidegate_config::{Config, Name, Problems, RolloutId};
use tidegate_controller::certificates;
use tidegate_proxy::check_certificates;

use crate::output::{self, Format};
use crate::{CommandError, Exit};

/// Why a file is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is read, and wrong.
    #[error("{} has {} problem{}:\n{problems}", .file.display(), .problems.len(), if .problems.len() == 1 { "" } else { "s" })]
    Wrong {
        /// The file.
        file: PathBuf,
        /// Every problem.
        problems: Problems,
    },
}

/// Reads a configuration file with its certificates, all of which can be served.
pub fn load(file: &Path) -> Result<Config, FileError> {
    complete(file, read(file)?)
}

fn complete(file: &Path, config: Config) -> Result<Config, FileError> {
    let wrong = |problems| FileError::Wrong { file: file.to_owned(), problems };
    let config = certificates::load(file, config).map_err(wrong)?;
    check_certificates(&config).map_err(wrong)?;
    Ok(config)
}

/// Reads a configuration file as it is written.
fn read(file: &Path) -> Result<Config, FileError> {
    let text = std::fs::read_to_string(file).map_err(|source| FileError::Read { file: file.to_owned(), source })?;
    Config::parse(&text).map_err(|problems| FileError::Wrong { file: file.to_owned(), problems })
}

/// Checks a file, and prints it with every default if asked for.
pub fn check(file: &Path, format: Option<Format>) -> Result<Exit, CommandError> {
    let config = read(file)?;
    complete(file, config.clone())?;
    match format {
        None | Some(Format::Text) => output::print(&summary(file, &config))?,
        Some(format) => output::show(&config.without_keys(), format, |_| String::new())?,
    }
    Ok(Exit::Done)
}

fn summary(file: &Path, config: &Config) -> String {
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let (listeners, routes) = (count(config.listeners.len(), "listener"), count(config.routes.len(), "route"));
    let services = count(config.services.len(), "service");
    let mut text = format!("{} is good: {listeners}, {routes}, {services}\n", file.display());
    for (name, service) in &config.services {
        if let (Some(id), Some(stable)) = (RolloutId::of(name, service), service.stable_name()) {
            let tried = service.tried().map(Name::as_str).collect::<Vec<_>>().join(" and ");
            let _ = writeln!(text, "  {name}: rolls out {tried} beside {stable} (rollout {id})");
        }
    }
    text
}
