//! Processes that are pinned to a core and that never outlive the comparison.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{Failure, Result};

/// The machine's division: who measures never runs where the measured runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Core {
    /// The proxy under test, alone.
    Proxy,
    /// The generator and the backends.
    Load,
}

impl Core {
    /// The kernel's number of the core.
    pub(crate) fn number(self) -> usize {
        match self {
            Self::Proxy => 0,
            Self::Load => 1,
        }
    }
}

/// An error that says what is missing where the cores cannot be kept apart.
pub(crate) fn ensure_pinnable() -> Result<()> {
    let highest = Core::Proxy.number().max(Core::Load.number());
    if super::usage::CoreTime::of(highest).is_err() {
        return Err("this machine has one core; the proxy and the generator need one each".into());
    }
    let ran = taskset(Core::Proxy, Path::new("true"))
        .status()
        .map_err(|error| format!("taskset does not run ({error}); install it with `apt install util-linux`"))?;
    if ran.success() {
        Ok(())
    } else {
        Err(format!("this process may not run on core {}", Core::Proxy.number()).into())
    }
}

/// A command that runs on one core only and dies with the handle of its child.
pub(crate) fn pinned(core: Core, program: &Path, directory: &Path) -> tokio::process::Command {
    let mut command = tokio::process::Command::from(taskset(core, program));
    command.current_dir(directory).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// A process and everything it starts: one process group, killed when this value goes.
#[derive(Debug)]
pub(crate) struct Group {
    leader: Child,
    command: String,
    log: PathBuf,
}

impl Group {
    /// Starts `program` as the leader of a new group; what it prints goes to `log`.
    pub(crate) fn start(core: Core, program: &Path, arguments: &[String], log: PathBuf) -> Result<Self> {
        use std::os::unix::process::CommandExt;
        let output = File::create(&log)?;
        let leader = taskset(core, program)
            .args(arguments)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        Ok(Self { leader, command: format!("{} {}", program.display(), arguments.join(" ")), log })
    }

    /// The group's number, under which the kernel accounts it.
    pub(crate) fn id(&self) -> u32 {
        self.leader.id()
    }

    /// An error with the end of the log if the leader is no longer running.
    pub(crate) fn ensure_running(&mut self) -> Result<()> {
        match self.leader.try_wait()? {
            None => Ok(()),
            Some(status) => Err(self.failure(&format!("it ended by itself ({status})"))),
        }
    }

    /// An error that carries the command and the last lines of its log.
    pub(crate) fn failure(&self, what: &str) -> Failure {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines[lines.len().saturating_sub(8)..].join("\n    ");
        if tail.is_empty() {
            format!("{what}; `{}` printed nothing", self.command).into()
        } else {
            format!("{what}; `{}` printed:\n    {tail}", self.command).into()
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The shell's own `kill` exists on every machine; the program of that name does not.
        let _sent =
            Command::new("sh").args(["-c", &format!("kill -s KILL -- -{}", self.id())]).stderr(Stdio::null()).status();
        let _reaped = self.leader.wait();
    }
}

fn taskset(core: Core, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &core.number().to_string()]).arg(program);
    command
}
