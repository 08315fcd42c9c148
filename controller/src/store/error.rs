//! Why state cannot be read or written, and what to do about it.

use std::path::PathBuf;

use super::SCHEMA;
use crate::crash::Crashed;

/// Why state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory or the file cannot be made or opened.
    #[error("cannot open {}", .path.display())]
    Open {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another instance holds it.
    #[error("{} is in use by another instance; stop it, or give this one a --state-dir of its own", .path.display())]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// A newer version wrote it.
    #[error("{} has schema {found}; this version of tidegate reads up to {}: run the newer one, or start with \
        another --state-dir", .path.display(), SCHEMA)]
    Newer {
        /// The path.
        path: PathBuf,
        /// Its schema.
        found: u64,
    },
    /// A record is not what was once written there.
    #[error("{}: the record of {what} is damaged; restore the file from a copy, or move it away to start anew",
        .path.display())]
    Damaged {
        /// The path.
        path: PathBuf,
        /// Which record.
        what: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A record cannot be written as JSON.
    #[error("cannot write the record of {what}")]
    Encode {
        /// Which record.
        what: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The database failed: a full disk, a broken one.
    #[error("{} failed", .path.display())]
    Database {
        /// The path.
        path: PathBuf,
        /// What it said.
        source: Box<redb::Error>,
    },
    /// The system has no random numbers for the keys.
    #[error("no random numbers from the system: {0}")]
    Random(getrandom::Error),
    /// A test stopped the controller.
    #[error(transparent)]
    Crashed(#[from] Crashed),
}
