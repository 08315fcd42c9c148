//! The last publication on disk: a proxy that starts while no controller can be reached serves it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tidegate_config::wire::{Message, Unreadable};
use tidegate_config::{Problems, Publication, limits};
use tokio::sync::watch;

use crate::follow::Following;

/// Why what was kept cannot be used, or nothing be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// The file or its directory.
    #[error("{}: {source}", .path.display())]
    File {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is damaged.
    #[error("{} is damaged: {wrong}", .path.display())]
    Damaged {
        /// Its path.
        path: PathBuf,
        /// What is wrong with it.
        wrong: String,
    },
}

/// A directory in which the newest publication in force is kept. It holds the key of the visitors' cookies, so that only
/// its owner may read it (mode 0600).
#[derive(Debug, Clone)]
pub struct Kept {
    directory: PathBuf,
}

impl Kept {
    /// Uses a directory, which is made if it does not exist.
    pub fn open(directory: &Path) -> Result<Self, KeptError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|source| KeptError::File { path: directory.to_owned(), source })?;
        Ok(Self { directory: directory.to_owned() })
    }

    fn file(&self) -> PathBuf {
        self.directory.join("publication.json")
    }

    /// What was kept; `None`: nothing.
    pub fn read(&self) -> Result<Option<Publication>, KeptError> {
        let path = self.file();
        let damaged = |wrong: String| KeptError::Damaged { path: self.file(), wrong };
        let mut text = Vec::new();
        let limit = limits::MESSAGE_BYTES_MAX as u64 + 1;
        match File::open(&path).and_then(|file| file.take(limit).read_to_end(&mut text)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(KeptError::File { path, source }),
        }
        if text.len() > limits::MESSAGE_BYTES_MAX {
            return Err(damaged(format!("it is longer than {} bytes", limits::MESSAGE_BYTES_MAX)));
        }
        let read = Message::read(&text).map_err(|error: Unreadable| damaged(error.to_string()))?;
        let Message::Publication(publication) = read else { return Err(damaged("it is no publication".into())) };
        publication.check().map_err(|problems: Problems| damaged(problems.to_string()))?;
        Ok(Some(Arc::unwrap_or_clone(publication)))
    }

    /// Keeps a publication. Whoever reads sees the one before or this one, also when the machine stops in between.
    pub fn write(&self, publication: &Arc<Publication>) -> Result<(), KeptError> {
        let (path, new) = (self.file(), self.directory.join("publication.json.new"));
        let failed = |source| KeptError::File { path: path.clone(), source };
        let line = Message::Publication(Arc::clone(publication)).line();
        let line = line.map_err(|error| failed(io::Error::other(error)))?;
        let write = || {
            // What a process left behind that was killed here may have any mode.
            match fs::remove_file(&new) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
            file.write_all(&line)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&self.directory)?.sync_all()
        };
        write().map_err(failed)
    }

    /// Keeps every publication that comes into force, until there are no more. Those that follow each other within
    /// [`limits::KEEP_SECONDS_MIN`] are kept by the last of them.
    pub async fn keep(
        self,
        publications: watch::Receiver<Arc<Publication>>,
        mut following: watch::Receiver<Following>,
    ) {
        let (mut written, mut told) = (None, None);
        while following.changed().await.is_ok() {
            let in_force = following.borrow_and_update().in_force;
            let newest = Arc::clone(&publications.borrow());
            // The first one is built in. One that is not in force yet is waited for.
            if newest.generation != in_force || in_force == 0 || written == Some(in_force) {
                continue;
            }
            let this = self.clone();
            // A slow disk must not hold up what else this thread does.
            let result = tokio::task::spawn_blocking(move || this.write(&newest)).await;
            match result {
                Ok(Ok(())) => (written, told) = (Some(in_force), None),
                Ok(Err(error)) => {
                    let text = error.to_string();
                    if told.as_ref() != Some(&text) {
                        eprintln!("tidegate: the publication in force cannot be kept on disk: {text}");
                    }
                    told = Some(text);
                }
                // Its panic has been printed.
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_secs(limits::KEEP_SECONDS_MIN.into())).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt as _;

    use tidegate_config::{Config, Key};

    use super::*;

    fn publication(generation: u64) -> Arc<Publication> {
        let file = "{listeners: [{address: '127.0.0.1:1'}], routes: [{service: s}], \
                    services: {s: {versions: {v: {endpoints: ['127.0.0.1:2']}}}}}";
        let config = Arc::new(Config::parse(file).unwrap());
        Arc::new(Publication { generation, cookie_key: Key([7; 16]), config, splits: BTreeMap::new() })
    }

    #[test]
    fn what_was_kept_is_read_by_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let kept = Kept::open(&directory.path().join("a/b")).unwrap();
        assert_eq!(kept.read().unwrap(), None);
        // One that was killed in the middle of a write.
        fs::write(directory.path().join("a/b/publication.json.new"), "{").unwrap();
        for generation in 1..3 {
            kept.write(&publication(generation)).unwrap();
            assert_eq!(kept.read().unwrap().as_ref(), Some(&*publication(generation)));
        }
        let mode = fs::metadata(kept.file()).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        assert_eq!(fs::read_dir(directory.path().join("a/b")).unwrap().count(), 1, "nothing else is left behind");
    }

    #[test]
    fn a_damaged_file_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let kept = Kept::open(directory.path()).unwrap();
        kept.write(&publication(1)).unwrap();
        let whole = fs::read(kept.file()).unwrap();
        for damaged in [&whole[..whole.len() / 2], b"", b"{}", b"\0\0\0"] {
            fs::write(kept.file(), damaged).unwrap();
            let told = kept.read().unwrap_err().to_string();
            assert!(told.contains("publication.json is damaged: "), "{told}");
        }
        fs::remove_file(kept.file()).unwrap();
        fs::create_dir(kept.file()).unwrap();
        assert!(matches!(kept.read(), Err(KeptError::File { .. })));
        assert!(Kept::open(Path::new("/proc/no")).is_err());
    }
}
