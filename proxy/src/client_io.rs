//! The client's socket as hyper reads and writes it: notes activity, and gives back what was read to tell the protocol.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;

use crate::admission::Activity;
use crate::outbox::Socket;

/// A client's socket.
pub(crate) struct ClientIo {
    stream: TokioIo<Socket>,
    /// Bytes read before hyper was there.
    ahead: Bytes,
    activity: Rc<Activity>,
}

impl ClientIo {
    pub(crate) fn new(stream: Socket, ahead: Bytes, activity: Rc<Activity>) -> Self {
        Self { stream: TokioIo::new(stream), ahead, activity }
    }

    /// The socket.
    pub(crate) fn socket(&self) -> &Socket {
        self.stream.inner()
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
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        self.activity.received();
        Poll::Ready(Ok(()))
    }
}

impl Write for ClientIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.activity.set_unsent(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Until it is flushed, also where nothing could be written: the rest is in hyper's hands.
        self.activity.set_unsent(true);
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bytes))?;
        self.activity.sent();
        Poll::Ready(Ok(written))
    }
}
