//! One connection to an endpoint.
//!
//! hyper's connection is polled by the very task that waits for its response, not by a task of its own: a request costs
//! no channel hop and no wake-up between tasks, and a client that reads slowly slows the endpoint down by itself.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use tidegate_config::limits;
use tokio::net::TcpStream;

use crate::forwarding::Forwarding;
use crate::muted::Muted;
use crate::outbox::{Outbox, Socket};
use crate::replay::{Head, RecordingIo};
use crate::timer::{Deadline, Tick};
use crate::upload::RequestBody;

/// An open connection.
pub(crate) struct Link {
    sender: SendRequest<RequestBody>,
    /// `None` once it has ended.
    connection: Option<Connection<RecordingIo, RequestBody>>,
    /// Whether the request under way asks for another protocol, which would come next on the socket.
    upgrades: bool,
    /// Wakes the task that the connection serves at the moment.
    waker: Muted,
    /// The head of the request under way, as it was sent.
    pub(crate) head: Rc<RefCell<Head>>,
    /// When it was last put aside.
    pub(crate) idle_since: Tick,
    /// Whether it has served a request before.
    pub(crate) reused: bool,
    /// Whether the endpoint said that it takes no more requests over it.
    pub(crate) last: bool,
}

/// Why there is no response.
pub(crate) enum Failure {
    /// The request was not sent at all.
    NotSent,
    /// The connection broke.
    Broken(hyper::Error),
    /// The deadline came first.
    TimedOut,
}

impl Link {
    /// Opens a connection.
    pub(crate) async fn connect(address: SocketAddr, outbox: &Rc<Outbox>) -> io::Result<Box<Self>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut builder = http1::Builder::new();
        // Most requests are a head alone: one buffer, which a plain write sends for less than a vectored one.
        builder.max_buf_size(limits::RESPONSE_HEAD_BYTES_MAX).writev(false);
        // A buffer may be filled beyond its size by one read, so the limit has to be told as well.
        builder.max_header_size(limits::RESPONSE_HEAD_BYTES_MAX);
        let head = Rc::default();
        let io = RecordingIo::new(Socket::new(stream, outbox), Rc::clone(&head));
        let (sender, connection) = builder.handshake(io).await.map_err(io::Error::other)?;
        let connection = Some(connection);
        Ok(Box::new(Self {
            sender,
            connection,
            upgrades: false,
            waker: Muted::default(),
            head,
            idle_since: 0,
            reused: false,
            last: false,
        }))
    }

    /// Sends the request in `request` and waits for the head of the response; puts it back where it was not sent.
    /// `expired` is asked whenever the deadline passes: it may set it anew.
    pub(crate) async fn exchange(
        &mut self,
        request: &mut Option<Request<RequestBody>>,
        forwarding: &Forwarding<'_>,
        deadline: &Deadline,
        mut expired: impl FnMut() -> bool,
    ) -> Result<Response<Incoming>, Failure> {
        let Some(taken) = request.take() else { return Err(Failure::NotSent) };
        self.head.borrow_mut().begin(forwarding);
        self.upgrades = forwarding.upgrades;
        let Self { sender, connection, waker, head, upgrades, .. } = self;
        let mut response = pin!(sender.try_send_request(taken));
        poll_fn(|cx| {
            // Dropped when it has ended, it gives back a request that it has not begun to send.
            let changed = poll_connection(connection, waker, *upgrades, cx);
            // Only the connection polled above can complete this, so nobody needs to be woken for it.
            if let Poll::Ready(result) = response.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                head.borrow_mut().answered();
                return Poll::Ready(result.map_err(|mut error| {
                    *request = error.take_message();
                    if request.is_some() { Failure::NotSent } else { Failure::Broken(error.into_error()) }
                }));
            }
            if changed {
                // Not without a response that changes the protocol: it has ended as any other, and gives back the same.
                *connection = None;
                cx.waker().wake_by_ref();
            }
            while deadline.poll(cx).is_ready() {
                if expired() {
                    return Poll::Ready(Err(Failure::TimedOut));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Moves bytes while a response body is read.
    pub(crate) fn drive(&mut self, cx: &mut Context<'_>) {
        poll_connection(&mut self.connection, &mut self.waker, false, cx);
    }

    /// Runs `read`, which takes from this connection's response body, without waking this task for it.
    pub(crate) fn quietly<T>(&self, read: impl FnOnce() -> T) -> T {
        self.waker.while_muted(read)
    }

    /// The socket after a response that changes the protocol as the request asked, and what was read behind that.
    pub(crate) fn into_upgraded(self) -> Option<(Socket, Bytes)> {
        let connection = self.connection.filter(|_| self.upgrades)?;
        let parts = connection.into_parts();
        Some((parts.io.into_socket(), parts.read_buf))
    }

    /// Whether it can take another request: the last response has been read to its end, and nothing came after it.
    pub(crate) fn is_ready(&mut self) -> bool {
        if !self.sender.is_ready() {
            self.drive(&mut Context::from_waker(Waker::noop()));
        }
        self.connection.is_some() && self.sender.is_ready()
    }

    /// Wakes nobody until the next request: the task of the last one has other things to do.
    pub(crate) fn rest(&mut self) {
        self.waker.wake_instead(Waker::noop());
    }
}

/// Moves bytes. A connection that has ended is dropped, except where the protocol may have changed: then returns true.
fn poll_connection(
    connection: &mut Option<Connection<RecordingIo, RequestBody>>,
    waker: &mut Muted,
    upgrades: bool,
    cx: &mut Context<'_>,
) -> bool {
    let ended = connection.as_mut().is_some_and(|connection| {
        waker.wake_instead(cx.waker());
        Pin::new(connection).poll(&mut Context::from_waker(waker.as_waker())).is_ready()
    });
    if ended && !upgrades {
        *connection = None;
    }
    ended && upgrades
}
