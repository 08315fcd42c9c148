//! The client's socket as hyper reads and writes it: notes activity, and gives back what was read to tell the protocol.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::admission::Activity;

/// A client's socket.
pub(crate) struct ClientIo {
    stream: TokioIo<TcpStream>,
    /// Bytes read before hyper was there.
    ahead: Bytes,
    activity: Rc<Activity>,
}

impl ClientIo {
    pub(crate) fn new(stream: TcpStream, ahead: Bytes, activity: Rc<Activity>) -> Self {
        Self { stream: TokioIo::new(stream), ahead, activity }
    }

    /// The socket.
    pub(crate) fn stream(&self) -> &TcpStream {
        self.stream.inner()
    }
}

/// Messages up to this size are written as one buffer.
const JOINED_BYTES: usize = 2_048;

/// Copies all slices into one buffer; `None` where they do not fit.
fn join(slices: &[io::IoSlice<'_>], into: &mut [u8]) -> Option<usize> {
    let mut length = 0;
    for slice in slices {
        into.get_mut(length..length + slice.len())?.copy_from_slice(slice);
        length += slice.len();
    }
    Some(length)
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
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.activity.sent();
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
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
        // A head and a small body: the kernel takes one buffer for less than what copying it costs.
        let mut joined = [0; JOINED_BYTES];
        let written = match join(bytes, &mut joined) {
            Some(length) => ready!(Pin::new(&mut self.stream).poll_write(cx, &joined[..length]))?,
            None => ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bytes))?,
        };
        self.activity.sent();
        Poll::Ready(Ok(written))
    }
}
