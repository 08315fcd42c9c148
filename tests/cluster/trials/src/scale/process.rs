//! The programs under test, and what the kernel says of them.

use std::fmt;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tidegate_cluster::gateway::ADMIN_PORT;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::fill::PROXY;
use crate::Fault;

const HEALTH: &str = "127.0.0.1:9901";
/// Where proxies find the controller: this machine is all there is.
pub(super) const ORIGIN: &str = "https://localhost:8443";
/// The kernel's ticks in a second, wherever this runs.
const TICKS: f64 = 100.0;

/// A running controller.
pub(super) struct Controller {
    child: Child,
}

/// A running proxy; it ends with this.
pub(super) struct Proxy {
    _child: Child,
}

/// What a process took.
pub(super) struct Taken {
    percent: f64,
    memory: String,
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} % of a core, {}", self.percent, self.memory)
    }
}

fn log(files: &Path, name: &str) -> Result<File, Fault> {
    Ok(File::options().create(true).append(true).open(files.join(name))?)
}

impl Proxy {
    pub(super) fn start(program: &Path, files: &Path) -> Result<Self, Fault> {
        let state = files.join("state");
        fs::create_dir_all(&state)?;
        let child = Command::new(program)
            .args(["--controller", ORIGIN, "--workers", "1", "--admin", &format!("{PROXY}:{ADMIN_PORT}")])
            .arg("--ca")
            .arg(files.join("ca.crt"))
            .arg("--token")
            .arg(files.join("token"))
            .arg("--state-dir")
            .arg(state)
            .stdout(log(files, "proxy.log")?)
            .stderr(log(files, "proxy.log")?)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { _child: child })
    }
}

impl Controller {
    pub(super) fn start(program: &Path, files: &Path, identity: &str) -> Result<Self, Fault> {
        let child = Command::new(program)
            .args(["run", "--pod-name", identity, "--proxy-image", "tidegate-proxy", "--service", "localhost"])
            .args(["--health", HEALTH])
            .stderr(log(files, "controller.log")?)
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { child })
    }

    /// Waits until it says that it is ready.
    pub(super) async fn ready(&mut self, patience: Duration) -> Result<(), Fault> {
        let until = Instant::now() + patience;
        while !is_ready().await {
            if let Some(ended) = self.child.try_wait()? {
                return Err(format!("the controller has ended: {ended}").into());
            }
            if Instant::now() > until {
                return Err("the controller is not ready".into());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// What it takes for a while.
    pub(super) async fn measure(&self, time: Duration) -> Result<Taken, Fault> {
        let before = self.ticks()?;
        sleep(time).await;
        let percent = 100.0 * (self.ticks()? - before) / TICKS / time.as_secs_f64();
        Ok(Taken { percent, memory: self.memory()? })
    }

    /// Its memory, now and at most.
    pub(super) fn memory(&self) -> Result<String, Fault> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()?))?;
        let mebibytes = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field));
            let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
            kibibytes.unwrap_or_default() / 1024
        };
        Ok(format!("{} MiB, at most {} MiB", mebibytes("VmRSS:"), mebibytes("VmHWM:")))
    }

    fn ticks(&self) -> Result<f64, Fault> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid()?))?;
        // Behind the name, which may have spaces: utime and stime are the fields 14 and 15 of all.
        let (_, rest) = stat.rsplit_once(')').ok_or("no process")?;
        let fields: Vec<f64> = rest.split_whitespace().skip(11).take(2).filter_map(|it| it.parse().ok()).collect();
        Ok(fields.into_iter().sum())
    }

    fn pid(&self) -> Result<u32, Fault> {
        self.child.id().ok_or_else(|| "the controller has ended".into())
    }

    /// Ends it in good order.
    pub(super) async fn end(&mut self) -> Result<(), Fault> {
        let pid = Pid::from_raw(i32::try_from(self.pid()?)?).ok_or("no process")?;
        kill_process(pid, Signal::TERM)?;
        timeout(Duration::from_secs(10), self.child.wait()).await??;
        Ok(())
    }
}

async fn is_ready() -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(HEALTH).await?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer.starts_with("HTTP/1.1 200"))
    };
    ask.await.unwrap_or(false)
}
