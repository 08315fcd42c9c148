//! The body of a response on its way to the client.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::admission::Admission;
use crate::link::Link;
use crate::pool::Lease;
use crate::timer::Deadline;

/// A response body.
pub enum ResponseBody {
    /// Our own words; taken when sent.
    Text(Option<Bytes>),
    /// What an endpoint sends.
    Endpoint(Box<Stream>),
}

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection to the endpoint broke.
    #[error("the endpoint broke off its response")]
    Endpoint(#[source] hyper::Error),
    /// Neither side moved a byte for `timeouts.bodyIdle`.
    #[error("the response stood still for too long")]
    Idle,
}

/// A body that comes from an endpoint, together with the connection it comes over.
pub struct Stream {
    incoming: Incoming,
    link: Option<Box<Link>>,
    lease: Lease,
    deadline: Deadline,
    idle: Duration,
    /// Whether the deadline is running: it does while we wait for the endpoint, not while the client reads.
    waiting: bool,
    /// Counts the request as in flight until the body is gone.
    _admission: Admission,
}

impl ResponseBody {
    /// A body of our own.
    pub fn text(text: Bytes) -> Self {
        Self::Text(Some(text))
    }

    /// The body that follows a response head on `link`.
    pub(crate) fn endpoint(
        incoming: Incoming,
        link: Box<Link>,
        lease: Lease,
        deadline: Deadline,
        idle: Duration,
        admission: Admission,
    ) -> Self {
        if incoming.is_end_stream() {
            lease.put(link, deadline.timer().now());
            return Self::Text(None);
        }
        let link = Some(link);
        Self::Endpoint(Box::new(Stream {
            incoming,
            link,
            lease,
            deadline,
            idle,
            waiting: false,
            _admission: admission,
        }))
    }
}

impl Stream {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut driven = false;
        loop {
            // Only the link driven below can bring more, so nobody needs to be woken for it.
            let incoming = &mut self.incoming;
            let take = || Pin::new(incoming).poll_frame(&mut Context::from_waker(Waker::noop()));
            let taken = match &self.link {
                Some(link) => link.quietly(take),
                None => take(),
            };
            match taken {
                Poll::Ready(frame) => {
                    self.waiting = false;
                    // Nothing follows trailers, and a client that gets none does not ask again.
                    let is_last = match &frame {
                        Some(Ok(frame)) => frame.is_trailers() || self.incoming.is_end_stream(),
                        Some(Err(_)) => false,
                        None => true,
                    };
                    if is_last {
                        self.finish();
                    }
                    return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Endpoint)));
                }
                Poll::Pending if driven => break,
                Poll::Pending => {
                    driven = true;
                    if let Some(link) = &mut self.link {
                        link.drive(cx);
                    }
                }
            }
        }
        if !self.waiting {
            self.waiting = true;
            self.deadline.set(self.idle);
        }
        if self.deadline.poll(cx).is_ready() { Poll::Ready(Some(Err(BodyError::Idle))) } else { Poll::Pending }
    }

    /// Keeps the connection for the next request.
    fn finish(&mut self) {
        if let Some(link) = self.link.take() {
            self.lease.put(link, self.deadline.timer().now());
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Self::Endpoint(stream) => stream.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_none(),
            Self::Endpoint(stream) => stream.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::Endpoint(stream) => stream.incoming.size_hint(),
        }
    }
}
