//! The client's connection as hyper reads and writes it: notes activity, and gives back what was read to tell the protocol.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio_rustls::server::TlsStream;

use crate::admission::Activity;
use crate::outbox::Socket;

/// A client's connection.
pub(crate) struct ClientIo {
    stream: Stream,
    /// Bytes read before hyper was there.
    ahead: Bytes,
    activity: Rc<Activity>,
}

enum Stream {
    Plain(TokioIo<Socket>),
    Tls(Box<Tls>),
}

/// Large, and what is in it stays for as long as the connection. Its functions are not a part of the plain ones, which are
/// short, and called for every request.
struct Tls(TokioIo<TlsStream<Socket>>);

impl ClientIo {
    /// A connection in the clear.
    pub(crate) fn plain(socket: Socket, ahead: Bytes, activity: Rc<Activity>) -> Self {
        Self { stream: Stream::Plain(TokioIo::new(socket)), ahead, activity }
    }

    /// A connection after its TLS handshake.
    pub(crate) fn tls(stream: TlsStream<Socket>, activity: Rc<Activity>) -> Self {
        Self { stream: Stream::Tls(Box::new(Tls(TokioIo::new(stream)))), ahead: Bytes::new(), activity }
    }

    /// Sends these bytes at once, as far as the system takes them, and says that they are the last.
    pub(crate) fn send_last(&mut self, bytes: &[u8]) {
        match &mut self.stream {
            Stream::Plain(socket) => socket.inner().send_now(bytes),
            Stream::Tls(stream) => {
                let (socket, session) = stream.0.inner_mut().get_mut();
                let mut records = Vec::new();
                // Nothing of this can fail but by a session that has ended, whose client hears nothing any more.
                let _ = session.writer().write_all(bytes);
                session.send_close_notify();
                while session.wants_write() && session.write_tls(&mut records).is_ok() {}
                socket.send_now(&records);
            }
        }
    }

    /// Gives these bytes to the next reader first.
    pub(crate) fn put_back(&mut self, bytes: Bytes) {
        // Without bytes it may still hold the buffer that they were in.
        self.ahead = if bytes.is_empty() { Bytes::new() } else { bytes };
    }

    /// Whether there are bytes that need not be waited for.
    pub(crate) fn has_bytes(&self) -> bool {
        !self.ahead.is_empty()
    }
}

impl Read for ClientIo {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if !self.ahead.is_empty() {
            let length = self.ahead.len().min(buf.remaining());
            buf.put_slice(&self.ahead[..length]);
            self.ahead.advance(length);
            self.activity.received();
            return Poll::Ready(Ok(()));
        }
        // Any outcome but bytes ends the connection, so an end of file may count as activity.
        ready!(match &mut self.stream {
            Stream::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Stream::Tls(stream) => stream.poll_read(cx, buf),
        })?;
        self.activity.received();
        Poll::Ready(Ok(()))
    }
}

impl Write for ClientIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut self.stream {
            Stream::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Stream::Tls(stream) => stream.poll_flush(cx),
        };
        self.activity.set_unsent(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(&mut stream.0).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Until it is flushed, also where nothing could be written: the rest is in hyper's hands.
        self.activity.set_unsent(true);
        let written = ready!(match &mut self.stream {
            Stream::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bytes),
            Stream::Tls(stream) => stream.poll_write_vectored(cx, bytes),
        })?;
        self.activity.sent();
        Poll::Ready(Ok(written))
    }
}

impl Tls {
    #[inline(never)]
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }

    #[inline(never)]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    #[inline(never)]
    fn poll_write_vectored(&mut self, cx: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bytes)
    }
}
