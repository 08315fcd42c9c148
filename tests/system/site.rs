//! An installation: a file, a state directory, the process that runs on them and the commands typed beside it.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use tempfile::TempDir;
use tidegate_config::Name;
use tidegate_controller::client::Client;
use tidegate_controller::engine::Report;
use tidegate_controller::view::{Overview, ServiceView};

use super::clock::until;
use super::process::Process;
use super::visitor::get;

/// The service in all files.
pub(crate) fn shop() -> Name {
    "shop".parse().unwrap()
}

/// A place where an instance can be run, again and again.
pub(crate) struct Site {
    directory: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// The output as JSON, of a command that did what it was asked.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.code, Some(0), "{}", self.err);
        serde_json::from_str(&self.out).unwrap()
    }

    /// The command failed, and says all of `words`.
    #[track_caller]
    pub(crate) fn assert_refused(&self, words: &[&str]) {
        assert_eq!(self.code, Some(1), "{}", self.err);
        assert!(words.iter().all(|word| self.err.contains(word)), "{words:?} should be in: {}", self.err);
    }
}

impl Site {
    pub(crate) fn new(text: &str) -> Self {
        let site = Self { directory: tempfile::tempdir().unwrap() };
        site.write(text);
        site
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("tidegate.yaml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Replaces the file, in one step.
    pub(crate) fn write(&self, text: &str) {
        let next = self.directory.path().join("next.yaml");
        fs::write(&next, text).unwrap();
        fs::rename(next, self.file()).unwrap();
    }

    /// Writes a file beside it, in one step.
    pub(crate) fn put(&self, name: &str, text: &str) {
        let next = self.directory.path().join("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, self.directory.path().join(name)).unwrap();
    }

    /// Starts the instance and waits until it has said where it is.
    pub(crate) async fn start(&self) -> Instance {
        Instance::of(Process::start(&self.run()), &self.state()).await
    }

    /// The same, and asks clients to go before it stops.
    pub(crate) async fn start_with_leave(&self, seconds: u32) -> Instance {
        let arguments = [&self.run()[..], &["--leave".into(), seconds.to_string().into()]].concat();
        Instance::of(Process::start(&arguments), &self.state()).await
    }

    /// The same where the system grants few file descriptors unless asked for more.
    pub(crate) async fn start_with_descriptors(&self, granted: u32) -> Instance {
        Instance::of(Process::start_with_descriptors(granted, &self.run()), &self.state()).await
    }

    fn run(&self) -> [OsString; 5] {
        ["run".into(), "-c".into(), self.file().into(), "--state-dir".into(), self.state().into()]
    }

    /// Runs a second instance that should not come up.
    pub(crate) async fn start_in_vain(&self, state: &Path) -> Ended {
        let (file, state) = (self.file(), state.to_owned());
        let paths = [file.to_str().unwrap(), state.to_str().unwrap()];
        tidegate(&["run", "-c", paths[0], "--state-dir", paths[1]]).await
    }

    /// Has the file checked.
    pub(crate) async fn check(&self) -> Ended {
        tidegate(&["check", "-c", self.file().to_str().unwrap()]).await
    }

    /// Types a command for the instance here.
    pub(crate) async fn tidegate(&self, arguments: &[&str]) -> Ended {
        let state = self.state();
        let target = ["--state-dir", state.to_str().unwrap()];
        tidegate(&[arguments, &target].concat()).await
    }
}

/// Types a command.
pub(crate) async fn tidegate(arguments: &[&str]) -> Ended {
    let mut process = Process::start(arguments);
    let status = process.ended().await;
    Ended { code: status.code(), out: process.out(), err: process.err() }
}

/// A running instance. Killed when dropped.
pub(crate) struct Instance {
    pub(crate) process: Process,
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    /// Where metrics are.
    pub(crate) admin: SocketAddr,
    /// Asks it.
    pub(crate) client: Client,
}

impl Instance {
    async fn of(mut process: Process, state: &Path) -> Self {
        let told = until("the addresses", async || {
            if !process.is_running() {
                process.ended().await;
                panic!("ended: {}", process.err());
            }
            Some(process.out()).filter(|out| out.contains("state in ") && out.ends_with('\n'))
        })
        .await;
        let after = |words: &str| {
            let line = told.lines().find_map(|line| line.strip_prefix(words)).unwrap();
            line.trim_end_matches("/metrics").parse().unwrap()
        };
        let (address, admin) = (after("listening on http://"), after("metrics on http://"));
        let client = Client::connect(state).await.unwrap();
        Self { process, address, admin, client }
    }

    /// The service.
    pub(crate) async fn view(&self) -> ServiceView {
        self.client.status(&shop()).await.unwrap()
    }

    /// The rollout of the service.
    pub(crate) async fn report(&self) -> Report {
        self.view().await.rollout.expect("a rollout")
    }

    /// Waits until the rollout of the service is as `wanted`.
    pub(crate) async fn report_when(&self, what: &str, wanted: impl Fn(&Report) -> bool) -> Report {
        until(what, async || Some(self.report().await).filter(&wanted)).await
    }

    /// The whole instance.
    pub(crate) async fn overview(&self) -> Overview {
        self.client.overview().await.unwrap()
    }

    /// What a scrape gets.
    pub(crate) async fn metrics(&self) -> String {
        get(self.admin, "/metrics", &[]).await.unwrap().body
    }

    /// All it has printed.
    pub(crate) fn said(&self) -> String {
        format!("{}{}", self.process.out(), self.process.err())
    }

    /// Kills it as a power cut would.
    pub(crate) async fn kill(mut self) {
        self.process.signal(Signal::KILL);
        self.process.ended().await;
    }
}
