//! A running `tidegate-proxy`, an application for it, and a client.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// The program, with nothing of the environment's.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate-proxy"));
    command.args(arguments).env_clear().env("COLUMNS", "100");
    command
}

/// A process that ends with the test.
pub(crate) struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    /// Where metrics are.
    pub(crate) admin: SocketAddr,
}

impl Running {
    /// Starts the program with its metrics on a free port.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::with_admin("127.0.0.1:0", arguments)
    }

    pub(crate) fn with_admin(admin: &str, arguments: &[&str]) -> Self {
        let mut command = program(arguments);
        let mut child = command.args(["--workers", "1", "--admin", admin]).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let admin = after(&mut out, "metrics on http://").trim_end_matches("/metrics").parse().unwrap();
        Self { child, out, admin }
    }

    /// The next address that it says it listens on.
    pub(crate) fn address(&mut self) -> SocketAddr {
        after(&mut self.out, "listening on http://").parse().unwrap()
    }

    /// Sends SIGTERM and waits for the beginning of the drain.
    pub(crate) fn terminate(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        after(&mut self.out, "draining");
    }

    /// Sends SIGTERM and waits until the program leaves.
    pub(crate) fn leave(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        after(&mut self.out, "leaving");
    }

    /// Sends one more.
    pub(crate) fn hurry(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// The status of `/readyz`.
    pub(crate) fn readiness(&self) -> u16 {
        get(self.admin, "/readyz", "localhost").0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What follows on the next line that begins so.
fn after(out: &mut impl std::io::BufRead, beginning: &str) -> String {
    let mut lines = out.by_ref().lines().map(Result::unwrap);
    let line = lines.find_map(|line| line.strip_prefix(beginning).map(str::to_owned));
    line.expect("the program says it before its end")
}

/// One answer: its status and body.
pub(crate) fn get(address: SocketAddr, path: &str, host: &str) -> (u16, String) {
    let mut stream = ask(address, path, host);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

/// Sends a request.
pub(crate) fn ask(address: SocketAddr, path: &str, host: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    stream
}

/// The head of the answer to a request that does not end its connection.
pub(crate) fn kept_open(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    lines.take_while(|line| !line.is_empty()).map(|line| line + "\n").collect()
}

/// An application that answers with its name, except to `/held`: those it never answers.
pub(crate) struct Application {
    pub(crate) address: SocketAddr,
    /// Tells of each request that is held.
    pub(crate) held: Receiver<()>,
}

impl Application {
    pub(crate) fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, held) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let sender = sender.clone();
                thread::spawn(move || answer(stream.unwrap(), name, &sender));
            }
        });
        Self { address, held }
    }
}

fn answer(mut stream: TcpStream, name: &str, hold: &Sender<()>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).is_ok_and(|count| count == 0) {
                return;
            }
        }
        if head.starts_with("GET /held ") {
            let _ = hold.send(());
            // Until its client is gone.
            let _ = reader.read_line(&mut head);
            return;
        }
        // Who is gone needs no answer.
        let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{name}", name.len());
    }
}
