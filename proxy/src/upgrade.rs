//! A connection whose client and endpoint have changed to another protocol (RFC 9110 §7.8), such as WebSocket: from then on
//! bytes pass as they are, both ways. One on which nothing happens holds no buffers.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::admission::{Activity, Admission};
use crate::client_io::ClientIo;
use crate::outbox::Socket;
use crate::pool::Lease;
use crate::timer::{Deadline, Timer};

/// Bytes taken from one side at a time.
const CHUNK_BYTES: usize = 8_192;

/// The endpoint's side of it.
pub(crate) struct Upgrade {
    pub(crate) endpoint: Socket,
    /// What came from the endpoint behind the head of its response.
    pub(crate) ahead: Bytes,
    /// A request in flight, for the endpoint and for the worker, for as long as it lasts.
    pub(crate) _lease: Lease,
    pub(crate) _admission: Admission,
}

impl Upgrade {
    /// Passes bytes until both sides have ended or one has broken, or nothing has moved for `idle`.
    pub(crate) async fn pass(self, client: ClientIo, activity: &Activity, deadline: &Deadline, idle: Duration) {
        let Self { mut endpoint, ahead, _lease, _admission } = self;
        let mut client = TokioIo::new(client);
        let (mut up, mut down) = (Flow::default(), Flow { bytes: ahead.to_vec(), ..Flow::default() });
        deadline.set(idle);
        poll_fn(|cx| {
            let both = [up.poll(&mut client, &mut endpoint, cx), down.poll(&mut endpoint, &mut client, cx)];
            // Whom to tell of an error? Both see that the connection ends.
            let broken = both.iter().any(|flow| matches!(flow, Poll::Ready(Err(_))));
            if broken || both.iter().all(Poll::is_ready) {
                return Poll::Ready(());
            }
            while deadline.poll(cx).is_ready() {
                // Whatever moves passes the client's side.
                let until = activity.last_byte() + Timer::ticks(idle);
                if until <= deadline.timer().now() {
                    return Poll::Ready(());
                }
                deadline.set_at(until);
            }
            Poll::Pending
        })
        .await;
    }
}

/// One direction.
#[derive(Default)]
struct Flow {
    /// Taken from one side, and not yet by the other.
    bytes: Vec<u8>,
    passed: usize,
    /// Whether there is no more to take.
    ended: bool,
    /// Whether the other side has been told so.
    told: bool,
}

impl Flow {
    /// Ready when all has passed, the end included.
    fn poll<R, W>(&mut self, from: &mut R, to: &mut W, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        while !self.told {
            while self.passed < self.bytes.len() {
                self.passed += ready!(Pin::new(&mut *to).poll_write(cx, &self.bytes[self.passed..]))?;
            }
            // Its memory, too.
            (self.bytes, self.passed) = (Vec::new(), 0);
            if self.ended {
                ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                self.told = true;
                break;
            }
            let mut space = [MaybeUninit::uninit(); CHUNK_BYTES];
            let mut taken = ReadBuf::uninit(&mut space);
            if Pin::new(&mut *from).poll_read(cx, &mut taken)?.is_pending() {
                ready!(Pin::new(&mut *to).poll_flush(cx))?;
                return Poll::Pending;
            }
            let taken = taken.filled();
            self.ended = taken.is_empty();
            let passed = if self.ended { Poll::Ready(0) } else { Pin::new(&mut *to).poll_write(cx, taken)? };
            match passed {
                Poll::Ready(count) => self.bytes.extend_from_slice(&taken[count..]),
                Poll::Pending => {
                    self.bytes.extend_from_slice(taken);
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
