//! Follows the configuration file. The directory is watched, not the file, so that an atomic rename and the symlink
//! swap of a Kubernetes `ConfigMap` are seen; reading and parsing happen on a thread of their own. The files of certificates
//! are looked at whenever the file is, and every five seconds.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tidegate_config::limits::CONFIG_BYTES_MAX;
use tidegate_config::{Config, Problems};
use tokio::sync::watch;

use crate::certificates;

/// A change is read once the directory has been quiet for this long …
const QUIET: Duration = Duration::from_millis(5);
/// … or at the latest after this, however busy it is.
const BUSY_MAX: Duration = Duration::from_millis(50);
/// The file is also looked at this often, for file systems that report no changes (NFS, some container mounts), and for
/// certificates, which are renewed long before they expire.
const POLL: Duration = Duration::from_secs(5);

/// Why the file cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The system refuses to watch the directory (missing, or `fs.inotify.max_user_watches` reached).
    #[error("cannot watch {}", .directory.display())]
    Directory {
        /// The directory of the file.
        directory: PathBuf,
        /// What the system said.
        source: notify::Error,
    },
    /// No thread could be started.
    #[error("cannot start the thread that reads the configuration")]
    Thread(#[source] std::io::Error),
}

/// Why a version of the file is not in force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// It is not UTF-8, or larger than [`CONFIG_BYTES_MAX`].
    #[error("is not a text of at most {CONFIG_BYTES_MAX} bytes")]
    NotText,
    /// Something in it is wrong: every problem, each by its path.
    #[error("{0}")]
    Wrong(Problems),
    /// It is right in itself, but cannot be put in force here and now: an address in it is in use, for example.
    #[error("{0}")]
    Refused(String),
}

/// What else a configuration must pass before it is passed on, or why it does not.
type Check = Box<dyn Fn(&Config) -> Result<(), String> + Send>;

/// The newest version of the file.
#[derive(Debug, Clone)]
pub struct Seen {
    /// How many versions of the file, or of its certificates, were read, this one included. Versions that follow each other quickly are
    /// skipped, the last one never.
    pub count: u64,
    /// What it says, with what is in the files of its certificates.
    pub config: Result<Arc<Config>, Unusable>,
}

/// Follows a file until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    // Dropping it drops the sender in its handler, which ends the thread.
    _notify: RecommendedWatcher,
}

impl Watcher {
    /// Starts to follow `file`. The receiver holds the first version at once and wakes for each whose content differs
    /// from the one before; it keeps the newest only, so a slow reader skips but never lags.
    pub fn start(file: &Path) -> Result<(Self, watch::Receiver<Seen>), WatchError> {
        Self::checking(file, |_| Ok(()))
    }

    /// The same for configurations that must pass `check`, too. One that does not is looked at again from time to time:
    /// what is in its way may go.
    pub fn checking(
        file: &Path,
        check: impl Fn(&Config) -> Result<(), String> + Send + 'static,
    ) -> Result<(Self, watch::Receiver<Seen>), WatchError> {
        let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let failed = |source| WatchError::Directory { directory: directory.to_owned(), source };
        // One place: however many events arrive, one wake-up is pending.
        let (wake, woken) = sync_channel(1);
        let mut notify = notifier(wake).map_err(failed)?;
        notify.watch(directory, RecursiveMode::NonRecursive).map_err(failed)?;
        // Read only now: a change after the first reading is reported.
        let bytes = load(file);
        let written = read(&bytes);
        let whole = complete(file, &written);
        let check: Check = Box::new(check);
        let (sender, receiver) = watch::channel(Seen { count: 1, config: checked(&whole, &check) });
        let follower = Follower { file: file.to_owned(), bytes, written, whole, check, sender };
        let thread = std::thread::Builder::new().name("config".into());
        thread.spawn(move || follower.run(&woken)).map_err(WatchError::Thread)?;
        Ok((Self { _notify: notify }, receiver))
    }
}

fn notifier(wake: SyncSender<()>) -> notify::Result<RecommendedWatcher> {
    notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Our own reading opens and closes the file. An error (a queue that overflowed) is a reason to look, too.
        if event.is_ok_and(|event| event.kind.is_access()) {
            return;
        }
        let _ = wake.try_send(());
    })
}

struct Follower {
    file: PathBuf,
    bytes: Result<Vec<u8>, Unusable>,
    /// What they say.
    written: Result<Config, Unusable>,
    /// The same with what is in the files of its certificates.
    whole: Result<Config, Unusable>,
    check: Check,
    sender: watch::Sender<Seen>,
}

impl Follower {
    fn run(mut self, woken: &Receiver<()>) {
        loop {
            match woken.recv_timeout(POLL) {
                Ok(()) => settle(woken),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let bytes = load(&self.file);
            if self.sender.is_closed() {
                return;
            }
            let is_new = bytes != self.bytes;
            if is_new {
                (self.written, self.bytes) = (read(&bytes), bytes);
            }
            let whole = complete(&self.file, &self.written);
            if is_new || whole != self.whole {
                self.whole = whole;
                let config = checked(&self.whole, &self.check);
                self.sender.send_modify(|seen| *seen = Seen { count: seen.count + 1, config });
            } else if matches!(self.sender.borrow().config, Err(Unusable::Refused(_))) {
                let config = checked(&self.whole, &self.check);
                self.sender.send_if_modified(|seen| {
                    let differs = seen.config != config;
                    seen.config = config;
                    differs
                });
            }
        }
    }
}

/// Waits until no more events come, within bounds: an editor writes a file in several steps.
#[expect(clippy::disallowed_methods, reason = "an edge that reads the clock: how long a directory has been busy")]
fn settle(woken: &Receiver<()>) {
    let began = Instant::now();
    while began.elapsed() < BUSY_MAX && woken.recv_timeout(QUIET).is_ok() {}
}

fn load(file: &Path) -> Result<Vec<u8>, Unusable> {
    let unreadable = |error: std::io::Error| Unusable::Unreadable(error.to_string());
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    opened.take(CONFIG_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > CONFIG_BYTES_MAX { Err(Unusable::NotText) } else { Ok(bytes) }
}

fn read(bytes: &Result<Vec<u8>, Unusable>) -> Result<Config, Unusable> {
    let bytes = bytes.as_ref().map_err(Unusable::clone)?;
    let text = str::from_utf8(bytes).map_err(|_| Unusable::NotText)?;
    Config::parse(text).map_err(Unusable::Wrong)
}

fn complete(file: &Path, written: &Result<Config, Unusable>) -> Result<Config, Unusable> {
    certificates::load(file, written.clone()?).map_err(Unusable::Wrong)
}

fn checked(whole: &Result<Config, Unusable>, check: &Check) -> Result<Arc<Config>, Unusable> {
    let config = whole.clone()?;
    check(&config).map_err(Unusable::Refused)?;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn text(port: u32) -> String {
        format!(
            "listeners: [{{address: '127.0.0.1:{port}'}}]\nroutes: [{{service: shop}}]\n\
             services: {{shop: {{versions: {{v1: {{endpoints: ['127.0.0.1:1']}}}}}}}}\n"
        )
    }

    fn replace(file: &Path, text: &str) {
        let beside = file.with_extension("new");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, file).unwrap();
    }

    async fn wait_for(seen: &mut watch::Receiver<Seen>, port: u16) -> u64 {
        let in_force = |seen: &Seen| seen.config.as_ref().is_ok_and(|c| c.listeners[0].address.port() == port);
        seen.wait_for(in_force).await.unwrap().count
    }

    #[tokio::test]
    async fn sees_a_write_a_rename_and_a_mistake() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tidegate.yaml");
        fs::write(&file, text(1)).unwrap();
        let (_watcher, mut seen) = Watcher::start(&file).unwrap();
        assert_eq!(wait_for(&mut seen, 1).await, 1);
        fs::write(&file, text(2)).unwrap();
        wait_for(&mut seen, 2).await;
        replace(&file, &text(3));
        wait_for(&mut seen, 3).await;
        replace(&file, &text(3).replace("127.0.0.1:3", "nowhere").replace("shop}]", "shop, colour: red}]"));
        let wrong = seen.wait_for(|seen| seen.config.is_err()).await.unwrap().config.clone().unwrap_err();
        assert!(wrong.to_string().lines().count() > 1, "every problem: {wrong}");
        fs::remove_file(&file).unwrap();
        seen.wait_for(|seen| matches!(seen.config, Err(Unusable::Unreadable(_)))).await.unwrap();
        replace(&file, &text(4));
        wait_for(&mut seen, 4).await;
    }

    #[tokio::test]
    async fn sees_the_swap_of_a_config_map() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for (version, port) in [("..1", 1), ("..2", 2)] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("tidegate.yaml"), text(port)).unwrap();
        }
        std::os::unix::fs::symlink("..1", at("..data")).unwrap();
        std::os::unix::fs::symlink("..data/tidegate.yaml", at("tidegate.yaml")).unwrap();
        let (_watcher, mut seen) = Watcher::start(&at("tidegate.yaml")).unwrap();
        wait_for(&mut seen, 1).await;
        std::os::unix::fs::symlink("..2", at("..next")).unwrap();
        fs::rename(at("..next"), at("..data")).unwrap();
        wait_for(&mut seen, 2).await;
    }

    /// Within the time between two looks, which is what this test takes.
    #[tokio::test]
    async fn sees_a_renewed_certificate_and_one_that_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let tls = "tls: {certificates: [{certificateFile: a.pem, keyFile: a.key}]}";
        let text = text(1).replace("'127.0.0.1:1'}]\nroutes", &format!("'127.0.0.1:1', {tls}}}]\nroutes"));
        let pem = |what: &str, text: &str| format!("-----BEGIN {what}-----\n{text}\n");
        fs::write(at("a.pem"), pem("CERTIFICATE", "old")).unwrap();
        fs::write(at("a.key"), pem("PRIVATE KEY", "key")).unwrap();
        fs::write(at("tidegate.yaml"), text).unwrap();
        let (_watcher, mut seen) = Watcher::start(&at("tidegate.yaml")).unwrap();
        let holds = |seen: &Seen, word: &str| {
            let config = seen.config.as_ref().map(|config| serde_json::to_string(&config.listeners).unwrap());
            config.is_ok_and(|text| text.contains(word))
        };
        seen.wait_for(|seen| holds(seen, "old")).await.unwrap();
        fs::write(at("a.pem"), pem("CERTIFICATE", "renewed")).unwrap();
        seen.wait_for(|seen| holds(seen, "renewed")).await.unwrap();
        fs::remove_file(at("a.pem")).unwrap();
        let wrong = seen.wait_for(|seen| seen.config.is_err()).await.unwrap().config.clone().unwrap_err();
        let told = wrong.to_string();
        assert!(told.starts_with("listeners[0].tls.certificates[0].certificateFile: "), "{told}");
    }

    #[tokio::test]
    async fn ten_thousand_replacements_neither_lag_nor_pile_up() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("tidegate.yaml");
        fs::write(&file, text(1)).unwrap();
        let (_watcher, mut seen) = Watcher::start(&file).unwrap();
        let writer = file.clone();
        let replaced = tokio::task::spawn_blocking(move || (1..=10_000).for_each(|i| replace(&writer, &text(i))));
        replaced.await.unwrap();
        let last = tokio::time::Instant::now();
        let count = wait_for(&mut seen, 10_000).await;
        println!("10000 replacements, {count} read, the last {:?} after it was written", last.elapsed());
        assert!((2..=10_000).contains(&count), "{count}");
        assert!(last.elapsed() < POLL, "{:?}", last.elapsed());
    }
}
