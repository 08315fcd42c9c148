//! Keeps the head of the request that a connection is sending, so that it can be sent once more over another one, and
//! bounds what may come before the response.
//!
//! The bytes are noted as they are written, which costs a small copy; a copy of the fields would cost twenty times as much
//! for every request, and nearly none of them is ever needed.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::{HeaderName, HeaderValue, Method, Request, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tidegate_config::limits;

use crate::forwarding::Forwarding;
use crate::outbox::Socket;
use crate::upload::RequestBody;

/// The head of a request as it went to an endpoint.
#[derive(Default)]
pub(crate) struct Head {
    /// What hyper wrote.
    bytes: Vec<u8>,
    /// What goes out behind its first line.
    forwarding: Vec<u8>,
    recording: bool,
    /// Reads that are left until the head of the response must be complete.
    reads_left: u32,
}

impl Head {
    /// Forgets the last head and notes the next.
    pub(crate) fn begin(&mut self, forwarding: &Forwarding<'_>) {
        self.bytes.clear();
        self.forwarding.clear();
        forwarding.write_to(&mut self.forwarding);
        self.recording = true;
        self.reads_left = limits::RESPONSE_HEAD_READS_MAX;
    }

    /// The head of the response is complete: its body may be as long as it likes.
    pub(crate) fn answered(&mut self) {
        self.reads_left = u32::MAX;
    }

    fn read(&mut self) -> io::Result<()> {
        self.reads_left = self.reads_left.checked_sub(1).ok_or(io::ErrorKind::InvalidData)?;
        Ok(())
    }

    /// The first line of a head that is about to be written.
    fn first_line<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let begins = self.recording && self.bytes.is_empty();
        let end = begins.then(|| memchr::memchr(b'\n', bytes)).flatten()?;
        bytes.get(..=end)
    }

    fn note(&mut self, written: &[u8]) {
        if self.recording && self.bytes.len() + written.len() <= 2 * limits::REQUEST_HEAD_BYTES_MAX {
            self.bytes.extend_from_slice(written);
        } else {
            self.recording = false;
        }
    }

    /// The request again, if it may be sent twice without harm: an idempotent method (RFC 9110 §9.2.2) and no body.
    pub(crate) fn replay(&self) -> Option<Request<RequestBody>> {
        let mut fields = [httparse::EMPTY_HEADER; 2 * limits::HEADERS_MAX];
        let mut head = httparse::Request::new(&mut fields);
        let length = match head.parse(&self.bytes).ok()? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial => return None,
        };
        let method = Method::from_bytes(head.method?.as_bytes()).ok()?;
        let idempotent = method.is_safe() || method == Method::PUT || method == Method::DELETE;
        if !idempotent || !self.recording || length != self.bytes.len() {
            return None;
        }
        let mut request = Request::new(RequestBody::Empty);
        *request.method_mut() = method;
        *request.uri_mut() = head.path?.parse::<Uri>().ok()?;
        for field in head.headers {
            let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
            if name == http::header::TRANSFER_ENCODING || name == http::header::CONTENT_LENGTH && field.value != b"0" {
                return None;
            }
            request.headers_mut().append(name, HeaderValue::from_bytes(field.value).ok()?);
        }
        Some(request)
    }
}

/// A socket whose writes are noted and whose reads are counted.
pub(crate) struct RecordingIo {
    stream: TokioIo<Socket>,
    head: Rc<RefCell<Head>>,
}

impl RecordingIo {
    pub(crate) fn new(stream: Socket, head: Rc<RefCell<Head>>) -> Self {
        Self { stream: TokioIo::new(stream), head }
    }

    /// The socket, once there are no more heads.
    pub(crate) fn into_socket(self) -> Socket {
        self.stream.into_inner()
    }
}

impl Read for RecordingIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        Poll::Ready(self.head.borrow_mut().read())
    }
}

impl Write for RecordingIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let head = Rc::clone(&self.head);
        let mut head = head.borrow_mut();
        let written = match head.first_line(bytes) {
            Some(line) => {
                ready!(self.stream.inner().poll_hold(cx, &[IoSlice::new(line), IoSlice::new(&head.forwarding)]))?;
                line.len()
            }
            None => ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?,
        };
        head.note(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(head: &str) -> Option<Request<RequestBody>> {
        let mut recorded = Head { recording: true, ..Head::default() };
        recorded.note(head.as_bytes());
        recorded.replay()
    }

    #[test]
    fn what_is_idempotent_and_has_no_body_comes_back_whole() {
        let request = replay("PUT /a?b HTTP/1.1\r\nhost: h\r\ncookie: a=b\r\ncontent-length: 0\r\n\r\n").unwrap();
        assert_eq!((request.method(), request.uri().to_string()), (&Method::PUT, "/a?b".to_owned()));
        assert_eq!(request.headers().len(), 3);
    }

    #[test]
    fn nothing_else_does() {
        for head in [
            "POST / HTTP/1.1\r\nhost: h\r\n\r\n",
            "PUT / HTTP/1.1\r\ncontent-length: 3\r\n\r\n",
            "GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: h\r\n\r\nbody",
            "GET / HTTP/1.1\r\nhost: h\r\n",
            "",
        ] {
            assert!(replay(head).is_none(), "{head:?}");
        }
    }
}
