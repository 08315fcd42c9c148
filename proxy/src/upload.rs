//! The body of a request on its way to an endpoint.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::timer::{Tick, Timer};

/// Why a body ended early; never the endpoint's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// It is longer than the limit.
    #[error("the request body is too large")]
    TooLarge,
    /// The client broke off.
    #[error("the client broke off its request body")]
    ClientGone,
}

/// What the request's own task sees of a body that hyper reads.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The last time a part came, or the end.
    pub(crate) last: Cell<Tick>,
    /// Whether the whole body has been read.
    pub(crate) ended: Cell<bool>,
    /// Why it ended early.
    pub(crate) fault: Cell<Option<Fault>>,
}

/// A request body.
pub(crate) enum RequestBody {
    /// There is none.
    Empty,
    /// What the client sends.
    Client {
        /// The client's body.
        incoming: Incoming,
        /// Bytes that may still come.
        left: u64,
        /// Shared with the task that waits for the response.
        progress: Rc<Progress>,
        /// Tells the time of progress.
        timer: Rc<Timer>,
    },
}

impl RequestBody {
    /// Wraps a client's body; `limit` 0 means none.
    pub(crate) fn new(incoming: Incoming, limit: u64, timer: &Rc<Timer>) -> (Self, Option<Rc<Progress>>) {
        if incoming.is_end_stream() {
            return (Self::Empty, None);
        }
        let (last, ended, fault) = (Cell::new(timer.now()), Cell::new(false), Cell::new(None));
        let progress = Rc::new(Progress { last, ended, fault });
        let left = if limit == 0 { u64::MAX } else { limit };
        let body = Self::Client { incoming, left, progress: Rc::clone(&progress), timer: Rc::clone(timer) };
        (body, Some(progress))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let Self::Client { incoming, left, progress, timer } = self.get_mut() else { return Poll::Ready(None) };
        let polled = std::task::ready!(Pin::new(&mut *incoming).poll_frame(cx));
        progress.last.set(timer.now());
        let fail = |fault| {
            progress.fault.set(Some(fault));
            Poll::Ready(Some(Err(fault)))
        };
        match polled {
            None => {
                progress.ended.set(true);
                Poll::Ready(None)
            }
            Some(Err(_)) => fail(Fault::ClientGone),
            Some(Ok(frame)) => {
                let length = frame.data_ref().map_or(0, |data| data.len() as u64);
                if length > *left {
                    return fail(Fault::TooLarge);
                }
                *left -= length;
                progress.ended.set(incoming.is_end_stream());
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Client { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Client { incoming, .. } => incoming.size_hint(),
        }
    }
}
