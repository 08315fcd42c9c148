//! A client that sends exactly the bytes it is told to, and reads responses strictly.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::clock::DEADLINE;
use super::tls::Session;

/// A response.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// Statuses of the informational responses before it.
    pub(crate) before: Vec<u16>,
    /// The head as text, with its empty line.
    pub(crate) head: String,
    /// The decoded body.
    pub(crate) body: Vec<u8>,
    /// Whether the body ended as its framing says; false where the connection ended first.
    pub(crate) complete: bool,
}

impl Answer {
    /// The values of a field.
    pub(crate) fn fields(&self, name: &str) -> Vec<&str> {
        let pairs = self.head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
        pairs.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    /// The value of a field that is there at most once.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let values = self.fields(name);
        assert!(values.len() < 2, "{name} is there {} times: {}", values.len(), self.head);
        values.first().copied()
    }

    /// Why the proxy answered by itself.
    pub(crate) fn reason(&self) -> &str {
        self.field("x-tidegate-reason").unwrap_or("")
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    /// The `name=value` part of the cookie that this response sets.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let mut cookies = self.fields("set-cookie").into_iter().map(|cookie| cookie.split(';').next().unwrap());
        cookies.find(|cookie| cookie.split('=').next() == Some(name))
    }

    /// All cookies that this response sets, as a `Cookie` value.
    pub(crate) fn cookies(&self) -> String {
        let cookies = self.fields("set-cookie").into_iter().map(|cookie| cookie.split(';').next().unwrap());
        cookies.collect::<Vec<_>>().join("; ")
    }
}

/// What a client speaks over.
enum Stream {
    Plain(TcpStream),
    Tls(Box<Session>),
}

impl Stream {
    fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(session) => &session.sock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(session) => session.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.write(bytes),
            Self::Tls(session) => session.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(session) => session.flush(),
        }
    }
}

/// As many fields of a head, each with this value.
pub(crate) fn fields(count: usize, value: &str) -> String {
    (0..count).map(|i| format!("x-{i}: {value}\r\n")).collect::<Vec<_>>().concat()
}

/// A connection to the proxy.
pub(crate) struct Client {
    stream: Stream,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects.
    #[track_caller]
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).expect("a connection")
    }

    /// Connects; `None` where that is refused.
    pub(crate) fn try_connect(address: SocketAddr) -> Option<Self> {
        Self::from_stream(TcpStream::connect(address).ok()?)
    }

    /// Whether the port refuses clients; while it closes, whoever comes gets no answer at all, and asks again after a second.
    pub(crate) fn is_refused(address: SocketAddr) -> bool {
        let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
        TcpStream::connect_timeout(&address, Duration::from_millis(20)).is_err_and(refused)
    }

    /// Connects from another loopback address, so as to be another visitor.
    pub(crate) fn from_address(local: [u8; 4], address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((local, 0)).into()).unwrap();
        socket.connect(&address.into()).unwrap();
        Self::from_stream(socket.into()).unwrap()
    }

    /// Connects with buffers so small that what is in flight does not hide in the kernel.
    pub(crate) fn with_small_buffers(address: SocketAddr) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        socket.set_send_buffer_size(16 * 1024).unwrap();
        socket.connect(&address.into()).unwrap();
        Self::from_stream(socket.into()).unwrap()
    }

    fn from_stream(stream: TcpStream) -> Option<Self> {
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(DEADLINE)).ok()?;
        Some(Self { stream: Stream::Plain(stream), buffer: Vec::new() })
    }

    /// A client that speaks over a TLS session.
    pub(crate) fn over(session: Session) -> Self {
        Self { stream: Stream::Tls(Box::new(session)), buffer: Vec::new() }
    }

    /// The TLS session it speaks over.
    #[track_caller]
    pub(crate) fn session(&self) -> &Session {
        match &self.stream {
            Stream::Tls(session) => session,
            Stream::Plain(_) => panic!("not over TLS"),
        }
    }

    /// Sends bytes; a peer that is gone shows when reading.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.stream.write_all(bytes.as_ref()).and_then(|()| self.stream.flush());
        self
    }

    /// Sends `chunk` again and again until `total` bytes are written or the peer takes none for `patience`; returns the
    /// bytes written.
    pub(crate) fn send_until_stuck(&mut self, chunk: &[u8], total: usize, patience: Duration) -> usize {
        self.stream.socket().set_write_timeout(Some(patience)).unwrap();
        let mut written = 0;
        while written < total {
            match self.stream.write(chunk) {
                Ok(count) => written += count,
                Err(_) => break,
            }
        }
        written
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&mut self) -> &mut Self {
        if let Stream::Tls(session) = &mut self.stream {
            session.conn.send_close_notify();
            let _ = session.flush();
        }
        let _ = self.stream.socket().shutdown(Shutdown::Write);
        self
    }

    /// Sends a GET and reads the response.
    #[track_caller]
    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.get_with(path, "")
    }

    /// Sends a GET with more fields, each ending in CRLF, and reads the response.
    #[track_caller]
    pub(crate) fn get_with(&mut self, path: &str, fields: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: shop.example\r\n{fields}\r\n"));
        self.answer()
    }

    /// Reads the response to a request that is not HEAD.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    /// Reads the response to a request with this method.
    #[track_caller]
    pub(crate) fn answer_to(&mut self, method: &str) -> Answer {
        self.try_answer_to(method).expect("a response before the connection ends")
    }

    /// Reads the response; `None` where the connection ends before there is one.
    #[track_caller]
    pub(crate) fn try_answer(&mut self) -> Option<Answer> {
        self.try_answer_to("GET")
    }

    #[track_caller]
    fn try_answer_to(&mut self, method: &str) -> Option<Answer> {
        let mut before = Vec::new();
        loop {
            let head = self.read_until(b"\r\n\r\n")?;
            let status = head.get(9..12).and_then(|status| status.parse().ok()).expect("a status line");
            if (100..200).contains(&status) && status != 101 {
                before.push(status);
                continue;
            }
            let mut answer = Answer { status, before, head, body: Vec::new(), complete: true };
            if method != "HEAD" && !matches!(status, 101 | 204 | 304) {
                self.read_body(&mut answer);
            }
            return Some(answer);
        }
    }

    #[track_caller]
    fn read_body(&mut self, answer: &mut Answer) {
        let length = answer.field("content-length").map(|length| length.parse::<usize>().expect("a length"));
        match (answer.field("transfer-encoding"), length) {
            (Some("chunked"), None) => answer.complete = self.read_chunks(&mut answer.body).is_some(),
            (None, Some(length)) => answer.complete = self.read_exactly(length, &mut answer.body).is_some(),
            (None, None) => while self.read_more() {},
            (coding, length) => panic!("framed as {coding:?} and {length:?}"),
        }
        if answer.fields("transfer-encoding").is_empty() && length.is_none() {
            answer.body = std::mem::take(&mut self.buffer);
        }
    }

    fn read_chunks(&mut self, body: &mut Vec<u8>) -> Option<()> {
        loop {
            let line = self.read_until(b"\r\n")?;
            let size = usize::from_str_radix(line.trim(), 16).expect("a chunk size");
            if size == 0 {
                while self.read_until(b"\r\n")? != "\r\n" {}
                return Some(());
            }
            self.read_exactly(size, body)?;
            self.read_until(b"\r\n")?;
        }
    }

    /// Moves `length` bytes to `body`, or what there was.
    fn read_exactly(&mut self, length: usize, body: &mut Vec<u8>) -> Option<()> {
        while self.buffer.len() < length {
            if !self.read_more() {
                body.append(&mut self.buffer);
                return None;
            }
        }
        body.extend(self.buffer.drain(..length));
        Some(())
    }

    fn read_until(&mut self, end: &[u8]) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                let bytes: Vec<u8> = self.buffer.drain(..at + end.len()).collect();
                return Some(String::from_utf8(bytes).expect("text"));
            }
            self.read_more().then_some(())?;
        }
    }

    /// Reads more; false at the end of the connection. Fails where nothing comes within the deadline.
    #[track_caller]
    fn read_more(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => false,
            Ok(count) => {
                self.buffer.extend(&chunk[..count]);
                true
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("nothing came for {DEADLINE:?}"),
            Err(_) => false,
        }
    }

    /// The next bytes, which are no response.
    #[track_caller]
    pub(crate) fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.read_exactly(length, &mut bytes).expect("so many bytes");
        bytes
    }

    /// Waits until the proxy closes the connection, and returns what it sent until then.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> String {
        while self.read_more() {}
        String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned()
    }

    /// Whether nothing has come and the connection is open, at this moment.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.stream.socket().set_nonblocking(true).unwrap();
        let read = self.stream.read(&mut [0; 1]);
        self.stream.socket().set_nonblocking(false).unwrap();
        self.buffer.is_empty() && read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}
