//! One connection to an endpoint.
//!
//! hyper's connection is polled by the very task that waits for its response, not by a task of its own: a request costs
//! no channel hop and no wake-up between tasks, and a client that reads slowly slows the endpoint down by itself.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tidegate_config::limits;
use tokio::net::TcpStream;

use crate::timer::{Deadline, Tick};
use crate::upload::RequestBody;

/// An open connection.
pub(crate) struct Link {
    sender: SendRequest<RequestBody>,
    /// `None` once it has ended.
    connection: Option<Connection<TokioIo<TcpStream>, RequestBody>>,
    /// When it was last put aside.
    pub(crate) idle_since: Tick,
    /// Whether it has served a request before.
    pub(crate) reused: bool,
}

/// Why there is no response.
#[expect(clippy::large_enum_variant, reason = "it lives for one match, and the large case is the rare one")]
pub(crate) enum Failure {
    /// The request was not sent at all: here it is again.
    NotSent(Request<RequestBody>),
    /// The connection broke.
    Broken(hyper::Error),
    /// The deadline came first.
    TimedOut,
}

impl Link {
    /// Opens a connection.
    pub(crate) async fn connect(address: std::net::SocketAddr) -> io::Result<Box<Self>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(limits::RESPONSE_HEAD_BYTES_MAX);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        Ok(Box::new(Self { sender, connection: Some(connection), idle_since: 0, reused: false }))
    }

    /// Sends a request and waits for the head of the response. `expired` is asked whenever the deadline passes: it may
    /// set it anew.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<RequestBody>,
        deadline: &Deadline,
        mut expired: impl FnMut() -> bool,
    ) -> Result<Response<Incoming>, Failure> {
        let mut response = pin!(self.sender.try_send_request(request));
        let connection = &mut self.connection;
        poll_fn(|cx| {
            let ended = connection.as_mut().is_none_or(|connection| Pin::new(connection).poll(cx).is_ready());
            if ended {
                // Dropped, it gives back a request that it has not begun to send.
                *connection = None;
            }
            // Only the connection polled above can complete this, so nobody needs to be woken for it.
            if let Poll::Ready(result) = response.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Poll::Ready(result.map_err(|mut error| match error.take_message() {
                    Some(request) => Failure::NotSent(request),
                    None => Failure::Broken(error.into_error()),
                }));
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
        if let Some(connection) = &mut self.connection
            && Pin::new(connection).poll(cx).is_ready()
        {
            self.connection = None;
        }
    }

    /// Whether it can take another request. To be asked when a response has been read to its end.
    pub(crate) fn settle(&mut self) -> bool {
        // Once more, so that hyper sees the end of the message; and with nobody to wake, so that the task of this request
        // is not woken when another one takes the connection.
        self.drive(&mut Context::from_waker(Waker::noop()));
        self.connection.is_some() && self.sender.is_ready()
    }
}
