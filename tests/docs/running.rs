//! The program as a user runs it, before versions that say their name.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// A version of a service: answers every request with its name, and `/fail` with 500.
pub(crate) struct Version {
    pub(crate) address: SocketAddr,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Version {
    /// Starts one on a free port.
    pub(crate) fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stopped = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stopped);
        let accept = move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if flag.load(Ordering::Relaxed) {
                    return;
                }
                thread::spawn(move || answer(name, &stream));
            }
        };
        Self { address, stopped, thread: Some(thread::spawn(accept)) }
    }
}

impl Drop for Version {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread, which then sees that it is to end.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Answers the requests of one connection until it is closed.
fn answer(name: &str, stream: &TcpStream) {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    while let Some(start) = lines.next() {
        if lines.by_ref().find(String::is_empty).is_none() {
            return;
        }
        let status = if start.contains("/fail") { "500 Internal Server Error" } else { "200 OK" };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{name}", name.len());
        if (&*stream).write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// A running `tidegate run`.
pub(crate) struct Running {
    pub(crate) child: Child,
    pub(crate) state_dir: PathBuf,
    clients: SocketAddr,
    admin: SocketAddr,
    /// What the versions are, by the addresses that the configuration gave them.
    _versions: [Version; 2],
}

impl Running {
    /// Runs a configuration whose endpoints are 127.0.0.1:9001 and 9002 and whose listener is 127.0.0.1:8080, all three
    /// replaced by free ports.
    pub(crate) fn start(name: &str, config: &str) -> Self {
        let versions = [Version::start("v1"), Version::start("v2")];
        let mut config = config.to_owned();
        for (written, version) in [("127.0.0.1:9001", &versions[0]), ("127.0.0.1:9002", &versions[1])] {
            assert_eq!(config.matches(written).count(), 1, "{written} in\n{config}");
            config = config.replace(written, &version.address.to_string());
        }
        assert_eq!(config.matches("127.0.0.1:8080").count(), 1, "{config}");
        config = config.replace("127.0.0.1:8080", "127.0.0.1:0");
        config.push_str("admin: { address: \"127.0.0.1:0\" }\n");
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("tidegate.yaml");
        fs::write(&file, config).unwrap();
        let state_dir = directory.join("state");
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.arg("run").arg("-c").arg(&file).arg("--state-dir").arg(&state_dir).stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut address = |before: &str, after: &str| {
            let line = lines.next().unwrap_or_default();
            let address = line.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            address.and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("{before}: {line}"))
        };
        let clients = address("listening on http://", "");
        let admin = address("metrics on http://", "/metrics");
        // Whatever else it prints is read, or it would wait for us.
        thread::spawn(move || lines.for_each(drop));
        Self { child, state_dir, clients, admin, _versions: versions }
    }

    /// Sends a request and returns the head and the body of the answer.
    pub(crate) fn get(&self, path: &str, fields: &[&str]) -> (String, String) {
        exchange(self.clients, path, fields)
    }

    /// Reads the metrics.
    pub(crate) fn metrics(&self) -> String {
        exchange(self.admin, "/metrics", &[]).1
    }

    /// Reads a page of the operators' address.
    pub(crate) fn admin(&self, path: &str) -> String {
        exchange(self.admin, path, &[]).0
    }

    /// Runs another command for this instance.
    pub(crate) fn tidegate(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.args(arguments).env("TIDEGATE_STATE_DIR", &self.state_dir).stdin(Stdio::null()).output().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn exchange(address: SocketAddr, path: &str, fields: &[&str]) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let fields = [&["host: localhost", "connection: close"], fields].concat().join("\r\n");
    let request = format!("GET {path} HTTP/1.1\r\n{fields}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
    (head.to_owned(), body.to_owned())
}

/// What a command printed for people.
pub(crate) fn printed(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}
