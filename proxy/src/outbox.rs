//! Small writes of one worker, held back until every task that is ready has run, and then sent one after another.
//!
//! A message that is sent wakes its receiver. Sent one at a time, between the work for other requests, each of them wakes
//! a receiver that has just fallen asleep again; sent together they find it awake. On a busy worker that saves a tenth of
//! a request's time, and on an idle one it costs nothing: the sender's task runs as soon as no other is ready.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Bytes held for one socket. More is sent at once, without copying it.
const HELD_BYTES_MAX: usize = 8_192;
/// Buffers kept for the next turn: as many sockets as are usually written to in one.
const SPARE_BUFFERS_MAX: usize = 64;

/// The sockets of one worker that have something to send.
#[derive(Default)]
pub(crate) struct Outbox {
    waiting: RefCell<Vec<Rc<Outgoing>>>,
    sender: RefCell<Option<Waker>>,
    spare: RefCell<Vec<Vec<u8>>>,
}

impl Outbox {
    /// Sends what sockets hold, whenever no other task is ready. Never ends.
    pub(crate) async fn send(self: Rc<Self>) {
        let mut turn = Vec::new();
        poll_fn(|cx| {
            self.sender.borrow_mut().get_or_insert_with(|| cx.waker().clone());
            std::mem::swap(&mut turn, &mut *self.waiting.borrow_mut());
            turn.drain(..).for_each(|outgoing: Rc<Outgoing>| outgoing.send_held());
            Poll::<()>::Pending
        })
        .await;
    }

    fn enqueue(&self, outgoing: &Rc<Outgoing>) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty()
            && let Some(sender) = &*self.sender.borrow()
        {
            // It goes to the end of the queue of ready tasks, behind those that may want to send as well.
            sender.wake_by_ref();
        }
        waiting.push(Rc::clone(outgoing));
    }

    fn buffer(&self) -> Vec<u8> {
        self.spare.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(HELD_BYTES_MAX))
    }

    fn take_back(&self, mut buffer: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_BUFFERS_MAX && buffer.capacity() == HELD_BYTES_MAX {
            buffer.clear();
            spare.push(buffer);
        }
    }
}

/// A socket that holds small writes back until its worker's turn is over.
pub(crate) struct Socket {
    incoming: OwnedReadHalf,
    outgoing: Rc<Outgoing>,
}

struct Outgoing {
    outbox: Rc<Outbox>,
    half: RefCell<OwnedWriteHalf>,
    held: RefCell<Held>,
    /// Whether the outbox will send what is held.
    queued: Cell<bool>,
}

#[derive(Default)]
struct Held {
    /// Without capacity while nothing is held.
    bytes: Vec<u8>,
    /// How many of them have been sent.
    sent: usize,
    /// Why the last ones could not be.
    error: Option<io::Error>,
    /// The task that writes.
    writer: Option<Waker>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, outbox: &Rc<Outbox>) -> Self {
        let (incoming, half) = stream.into_split();
        let (outbox, half) = (Rc::clone(outbox), RefCell::new(half));
        let outgoing = Outgoing { outbox, half, held: RefCell::default(), queued: Cell::new(false) };
        Self { incoming, outgoing: Rc::new(outgoing) }
    }

    /// What a connection's task may ask of it while hyper owns it.
    pub(crate) fn watch(&self, encrypted: bool) -> SocketWatch {
        SocketWatch { outgoing: Rc::clone(&self.outgoing), encrypted }
    }

    /// Holds bytes back whatever their number, once the system has taken what it would not take before.
    pub(crate) fn poll_hold(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<()>> {
        if !self.outgoing.queued.get() {
            ready!(self.outgoing.poll_held(cx))?;
        }
        self.outgoing.hold(cx, slices);
        Poll::Ready(Ok(()))
    }

    /// Sends at once what is held and these bytes, as far as the system takes them.
    pub(crate) fn send_now(&self, bytes: &[u8]) {
        self.outgoing.send_held();
        // Best effort: whoever asks has no time to wait.
        let _ = self.outgoing.half.borrow().try_write(bytes);
    }
}

/// Sees a socket that hyper owns.
pub(crate) struct SocketWatch {
    outgoing: Rc<Outgoing>,
    /// Whether what comes are TLS records.
    encrypted: bool,
}

/// Fewer bytes hold no TLS record with a request: its header, the authentication tag and the shortest line are more. They may
/// be the alert that ends a session (RFC 8446 §6.1), of 31 bytes at most.
const REQUEST_RECORD_BYTES_MIN: usize = 32;

impl SocketWatch {
    /// Whether the other side has closed the connection and nothing is left to be read before that; if not, wakes the
    /// task when something comes.
    pub(crate) fn is_closed(&self, cx: &mut Context<'_>) -> bool {
        if self.poll_readable(cx).is_pending() {
            return false;
        }
        self.has_ended(cx)
    }

    #[cold]
    fn has_ended(&self, cx: &mut Context<'_>) -> bool {
        let half = self.outgoing.half.borrow();
        let stream: &TcpStream = half.as_ref();
        let mut bytes = [0; REQUEST_RECORD_BYTES_MIN];
        match stream.poll_peek(cx, &mut ReadBuf::new(&mut bytes)) {
            Poll::Ready(Ok(0) | Err(_)) => true,
            Poll::Ready(Ok(count)) if self.encrypted && count < REQUEST_RECORD_BYTES_MIN => {
                // The end of the session, and behind it that of the connection?
                let mut noop = Context::from_waker(Waker::noop());
                let ready = pin!(stream.ready(Interest::READABLE)).poll(&mut noop);
                matches!(ready, Poll::Ready(Ok(ready)) if ready.is_read_closed())
            }
            Poll::Ready(Ok(_)) | Poll::Pending => false,
        }
    }

    /// Ready when something has come from the other side, its end included.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let half = self.outgoing.half.borrow();
        let stream: &TcpStream = half.as_ref();
        stream.poll_read_ready(cx).map(drop)
    }

    /// Whether nothing waits to be sent.
    pub(crate) fn is_sent(&self) -> bool {
        self.outgoing.held.borrow().bytes.is_empty()
    }
}

impl Outgoing {
    /// Sends what is held; whatever stops that is told to the writer, who waits or gives up.
    fn send_held(&self) {
        self.queued.set(false);
        let mut held = self.held.borrow_mut();
        while held.sent < held.bytes.len() {
            match self.half.borrow().try_write(&held.bytes[held.sent..]) {
                Ok(count) => held.sent += count,
                Err(error) => {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        held.error = Some(error);
                    }
                    let writer = held.writer.take();
                    drop(held);
                    return writer.into_iter().for_each(Waker::wake);
                }
            }
        }
        self.clear(&mut held);
    }

    /// Sends what is held and waits until that is done.
    fn poll_held(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut held = self.held.borrow_mut();
        if let Some(error) = held.error.take() {
            return Poll::Ready(Err(error));
        }
        while held.sent < held.bytes.len() {
            let mut half = self.half.borrow_mut();
            held.sent += ready!(Pin::new(&mut *half).poll_write(cx, &held.bytes[held.sent..]))?;
        }
        self.clear(&mut held);
        Poll::Ready(Ok(()))
    }

    fn clear(&self, held: &mut Held) {
        held.sent = 0;
        self.outbox.take_back(std::mem::take(&mut held.bytes));
    }

    /// Whether so many bytes more may wait for the end of the turn.
    fn has_room(&self, length: usize) -> bool {
        let held = self.held.borrow();
        held.bytes.len() + length <= HELD_BYTES_MAX && held.error.is_none() && held.sent == 0
    }

    fn hold(self: &Rc<Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) {
        let mut held = self.held.borrow_mut();
        if held.bytes.capacity() == 0 {
            held.bytes = self.outbox.buffer();
        }
        for slice in slices {
            held.bytes.extend_from_slice(slice);
        }
        if !held.writer.as_ref().is_some_and(|writer| writer.will_wake(cx.waker())) {
            held.writer = Some(cx.waker().clone());
        }
        if !self.queued.replace(true) {
            self.outbox.enqueue(self);
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.incoming).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = slices.iter().map(|slice| slice.len()).sum();
        if self.outgoing.has_room(length) {
            self.outgoing.hold(cx, slices);
            return Poll::Ready(Ok(length));
        }
        ready!(self.outgoing.poll_held(cx))?;
        let mut half = self.outgoing.half.borrow_mut();
        Pin::new(&mut *half).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Waits only for what the system would not take: the rest is as good as sent.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.outgoing.queued.get() { Poll::Ready(Ok(())) } else { self.outgoing.poll_held(cx) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.outgoing.poll_held(cx))?;
        Pin::new(&mut *self.outgoing.half.borrow_mut()).poll_shutdown(cx)
    }
}
