//! A process of the program under test, and all it says.

use std::ffi::OsStr;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};

use super::clock::until;

/// The program under test.
const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

/// A running process. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    out: Output,
    err: Output,
}

impl Process {
    pub(crate) fn start(arguments: &[impl AsRef<OsStr>]) -> Self {
        let mut command = Command::new(TIDEGATE);
        command.args(arguments);
        Self::spawn(command)
    }

    /// The same where the system grants few file descriptors unless asked for more.
    pub(crate) fn start_with_descriptors(granted: u32, arguments: &[impl AsRef<OsStr>]) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -Sn {granted} && exec \"$0\" \"$@\""), TIDEGATE]).args(arguments);
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        Self { child, out: Output::of(out), err: Output::of(err) }
    }

    /// What it has printed so far.
    pub(crate) fn out(&self) -> String {
        self.out.text.lock().unwrap().clone()
    }

    /// What it has complained about so far.
    pub(crate) fn err(&self) -> String {
        self.err.text.lock().unwrap().clone()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end; what it said is complete then.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let status = until("the end of the process", async || self.child.try_wait().unwrap()).await;
        for output in [&mut self.out, &mut self.err] {
            if let Some(reader) = output.reader.take() {
                reader.join().unwrap();
            }
        }
        status
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let (out, err) = (self.out(), self.err());
            eprintln!("the process said:\n{out:.2000}\n{err:.2000}");
        }
    }
}

struct Output {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    fn of(mut pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&text);
        let read = move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut bytes) {
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        };
        Self { text, reader: Some(thread::spawn(read)) }
    }
}
