//! A version that a test programs: a real server on a free port. Its handler is an ordinary blocking function that
//! gets each request and may send any bytes, stop in the middle, hang or close.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use super::gate::Gate;

/// What becomes of a connection after an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// It waits for the next request.
    Keep,
    /// It is closed.
    Close,
    /// It is reset: the peer sees an error, not an end.
    Reset,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The head, to the byte, with its empty line.
    pub(crate) head: Vec<u8>,
    /// The decoded body; `None` where it was not read or did not end properly.
    pub(crate) body: Option<Vec<u8>>,
}

impl Seen {
    /// The head as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.head).into_owned()
    }

    /// The request line.
    pub(crate) fn line(&self) -> String {
        self.text().lines().next().unwrap_or_default().to_owned()
    }

    /// The values of a field, in order.
    pub(crate) fn fields(&self, name: &str) -> Vec<String> {
        let text = self.text();
        let pairs = text.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        let of_name = pairs.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        of_name.map(|(_, value)| value.trim().to_owned()).collect()
    }

    /// The value of a field that is there once.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let mut values = self.fields(name);
        assert!(values.len() < 2, "{name} is there {} times", values.len());
        values.pop()
    }
}

type Handler = dyn Fn(&mut Exchange<'_>) -> After + Send + Sync;

struct Shared {
    seen: Mutex<Vec<Seen>>,
    /// Bytes of connections that ended before they made a head.
    strays: Mutex<Vec<u8>>,
    connections: AtomicUsize,
    open: Mutex<HashMap<usize, TcpStream>>,
    stopping: AtomicBool,
    idle: Option<Duration>,
    handler: Box<Handler>,
}

/// A running version. Stops when dropped.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

impl Backend {
    /// A version whose every request `handler` deals with.
    pub(crate) fn start(handler: impl Fn(&mut Exchange<'_>) -> After + Send + Sync + 'static) -> Self {
        Self::build(unserved().0, None, Box::new(handler))
    }

    /// A version that answers everything with 200 and this body, at an address that nobody served so far.
    pub(crate) fn coming(socket: Socket, body: &'static str) -> Self {
        Self::build(socket, None, Box::new(answers(body)))
    }

    /// The same, closing connections that were idle for so long after a request.
    pub(crate) fn idling(idle: Duration, handler: impl Fn(&mut Exchange<'_>) -> After + Send + Sync + 'static) -> Self {
        Self::build(unserved().0, Some(idle), Box::new(handler))
    }

    /// A version that answers everything with 200 and this body.
    pub(crate) fn saying(body: &'static str) -> Self {
        Self::start(answers(body))
    }

    /// A version that answers "ok" to everything once the gate is open.
    pub(crate) fn behind(gate: &Gate) -> Self {
        let gate = gate.clone();
        Self::start(move |exchange| {
            gate.pass();
            exchange.send(reply("200 OK", "", "ok"));
            After::Keep
        })
    }

    fn build(socket: Socket, idle: Option<Duration>, handler: Box<Handler>) -> Self {
        // Small on purpose, and inherited by connections: what is in flight should not hide in the kernel.
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        socket.set_send_buffer_size(64 * 1024).unwrap();
        socket.listen(1_024).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            seen: Mutex::default(),
            strays: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: Mutex::default(),
            stopping: AtomicBool::new(false),
            idle,
            handler,
        });
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                if serving.stopping.load(Ordering::SeqCst) {
                    return;
                }
                let number = serving.connections.fetch_add(1, Ordering::SeqCst);
                serving.open.lock().unwrap().insert(number, stream.try_clone().unwrap());
                let serving = Arc::clone(&serving);
                thread::spawn(move || serve(&serving, stream, number));
            }
        });
        Self { address, shared }
    }

    /// How many requests have arrived.
    pub(crate) fn requests(&self) -> usize {
        self.shared.seen.lock().unwrap().len()
    }

    /// How many connections have been opened.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub(crate) fn open_connections(&self) -> usize {
        self.shared.open.lock().unwrap().len()
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The only request so far.
    #[track_caller]
    pub(crate) fn only(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "one request should have arrived: {seen:?}");
        seen.remove(0)
    }

    /// Bytes that made no request head.
    pub(crate) fn strays(&self) -> String {
        String::from_utf8_lossy(&self.shared.strays.lock().unwrap()).into_owned()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the accept loop.
        let _ = TcpStream::connect(self.address);
        for stream in self.shared.open.lock().unwrap().values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn serve(shared: &Shared, stream: TcpStream, number: usize) {
    let mut exchange = Exchange { shared, stream, pending: Vec::new(), connection: number, served: 0, index: 0 };
    while exchange.next_head() {
        exchange.served += 1;
        match (shared.handler)(&mut exchange) {
            After::Keep => {}
            After::Close => break,
            After::Reset => {
                let _ = SockRef::from(&exchange.stream).set_linger(Some(Duration::ZERO));
                break;
            }
        }
    }
    shared.strays.lock().unwrap().extend(&exchange.pending);
    shared.open.lock().unwrap().remove(&number);
}

/// A request and the connection it came over.
pub(crate) struct Exchange<'a> {
    shared: &'a Shared,
    stream: TcpStream,
    pending: Vec<u8>,
    /// The number of the connection, from 0.
    pub(crate) connection: usize,
    /// How many requests this connection has brought, this one included.
    pub(crate) served: usize,
    index: usize,
}

impl Exchange<'_> {
    fn next_head(&mut self) -> bool {
        let end = loop {
            if let Some(at) = find(&self.pending, b"\r\n\r\n") {
                break at + 4;
            }
            let idle = self.shared.idle.filter(|_| self.served > 0 && self.pending.is_empty());
            self.stream.set_read_timeout(idle).unwrap();
            if !self.read_more() {
                return false;
            }
        };
        self.stream.set_read_timeout(None).unwrap();
        let head = self.pending.drain(..end).collect();
        let mut seen = self.shared.seen.lock().unwrap();
        self.index = seen.len();
        seen.push(Seen { head, body: None });
        true
    }

    fn read_more(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(count) if count > 0 => {
                self.pending.extend(&chunk[..count]);
                true
            }
            _ => false,
        }
    }

    /// The request.
    pub(crate) fn request(&self) -> Seen {
        self.shared.seen.lock().unwrap()[self.index].clone()
    }

    /// Reads the body to its end; `None` where it breaks off.
    pub(crate) fn read_body(&mut self) -> Option<Vec<u8>> {
        let request = self.request();
        let body = if request.field("transfer-encoding").is_some() {
            self.read_chunks()
        } else {
            let length = request.field("content-length").map_or(0, |length| length.parse().unwrap());
            self.read_exactly(length)
        };
        self.shared.seen.lock().unwrap()[self.index].body.clone_from(&body);
        body
    }

    fn read_chunks(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_line()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            if size == 0 {
                while !self.read_line()?.trim().is_empty() {}
                return Some(body);
            }
            body.extend(self.read_exactly(size)?);
            self.read_exactly(2)?;
        }
    }

    fn read_line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = find(&self.pending, b"\r\n") {
                let line: Vec<u8> = self.pending.drain(..at + 2).collect();
                return String::from_utf8(line).ok();
            }
            self.read_more().then_some(())?;
        }
    }

    fn read_exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.pending.len() < length {
            self.read_more().then_some(())?;
        }
        Some(self.pending.drain(..length).collect())
    }

    /// Sends bytes; false where the peer is gone.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Sends `chunk` again and again until `total` bytes are written or the peer takes none for `patience`; returns the
    /// bytes written.
    pub(crate) fn send_until_stuck(&mut self, chunk: &[u8], total: usize, patience: Duration) -> usize {
        self.stream.set_write_timeout(Some(patience)).unwrap();
        let mut written = 0;
        while written < total {
            match self.stream.write(chunk) {
                Ok(count) => written += count,
                Err(_) => break,
            }
        }
        written
    }

    /// Whatever has come; `None` at the end of the connection.
    pub(crate) fn read_some(&mut self) -> Option<Vec<u8>> {
        if self.pending.is_empty() && !self.read_more() {
            return None;
        }
        Some(std::mem::take(&mut self.pending))
    }

    /// Answers nothing until the peer closes.
    pub(crate) fn hang(&mut self) -> After {
        while self.read_more() {}
        After::Close
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// A response with a length.
pub(crate) fn reply(status: &str, fields: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{fields}content-length: {}\r\n\r\n{body}", body.len())
}

/// A handler that reads the request and answers 200 with `body`.
pub(crate) fn answers(body: &'static str) -> impl Fn(&mut Exchange<'_>) -> After + Send + Sync {
    move |exchange| {
        if exchange.read_body().is_none() {
            return After::Close;
        }
        let head = exchange.request().line().starts_with("HEAD ");
        let answer = reply("200 OK", "", body);
        let answer = if head { answer.trim_end_matches(body) } else { &answer };
        exchange.send(answer);
        After::Keep
    }
}

/// An address that refuses connections for as long as the socket lives.
pub(crate) fn unserved() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// An address that neither takes nor refuses connections, because its queue is full, for as long as the sockets live.
pub(crate) fn backlogged() -> (Vec<Socket>, SocketAddr) {
    let (socket, address) = unserved();
    socket.listen(0).unwrap();
    let mut sockets = vec![socket];
    loop {
        let filler = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let full = filler.connect_timeout(&address.into(), Duration::from_millis(100)).is_err();
        sockets.push(filler);
        if full {
            return (sockets, address);
        }
        assert!(sockets.len() < 16, "the queue does not fill");
    }
}
