//! One client connection: its protocol, its requests, and what it may wait for how long.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use tidegate_config::limits;
use tokio::net::TcpStream;

use crate::admission::{Activity, Wait};
use crate::body::ResponseBody;
use crate::client_io::ClientIo;
use crate::forwarding::client_lines;
use crate::handle::{Client, Inbound, handle};
use crate::opening::{Opened, open};
use crate::outbox::SocketWatch;
use crate::protocol::Protocol;
use crate::refused::Refusal;
use crate::snapshot::Timeouts;
use crate::timer::{Deadline, Tick, Timer};
use crate::worker::Worker;

/// Serves a connection that came in at the address of a listener, until either side closes it.
pub(crate) async fn serve(worker: Rc<Worker>, stream: TcpStream, peer: SocketAddr, listener: SocketAddr) {
    let activity = Activity::new(Rc::clone(&worker.timer));
    let deadline = worker.timer.deadline();
    let timeouts = worker.snapshot().timeouts;
    deadline.set(timeouts.header_read);
    let address = peer.ip().to_canonical();
    let opened = open(&worker, stream, listener, &activity, &deadline).await;
    let Some(Opened { io, peer, protocol, entrance }) = opened else { return };
    let lines = client_lines(address, entrance.secure);
    let (shared, busy) = (Rc::clone(&worker), Rc::clone(&activity));
    let upgrade = Cell::new(None);
    let client = Rc::new(Client { worker: shared, activity: busy, address, lines, entrance, upgrade });
    let served = Rc::clone(&client);
    let service = service_fn(move |request: Request<Incoming>| {
        let client = Rc::clone(&served);
        let mut inbound = Inbound::new(&client, request);
        async move { Ok::<Response<ResponseBody>, Infallible>(handle(&client, &mut inbound).await) }
    });
    let watch = Watch::new(worker, activity, deadline, timeouts);
    // Each in an allocation of its own, which goes while a connection rests.
    match protocol {
        Protocol::Http1 => {
            let mut io = io;
            while let Some(rested) = Box::pin(serve_http1(io, &service, &client, &watch, &peer)).await {
                io = rested;
                if !io.has_bytes() && !rest(&watch, &peer).await {
                    io.send_last(b"");
                    return;
                }
            }
        }
        Protocol::Http2 => Box::pin(serve_http2(io, service, &watch)).await,
    }
}

/// Serves requests until the connection ends. Returns the socket if nothing has come for a while: then all that hyper
/// keeps for a connection, its buffers above all, can go until something does.
async fn serve_http1<S>(
    io: ClientIo,
    service: S,
    client: &Client,
    watch: &Watch,
    peer: &SocketWatch,
) -> Option<ClientIo>
where
    S: Service<Request<Incoming>, Response = Response<ResponseBody>, Error = Infallible> + Unpin,
{
    let mut builder = http1::Builder::new();
    // hyper's own head timer would be set and cleared for every request; ours is looked at once a tick.
    builder.header_read_timeout(None).max_header_size(limits::REQUEST_HEAD_BYTES_MAX);
    builder.max_buf_size(limits::CONNECTION_BUFFER_BYTES_MAX);
    // Keeps hyper from reading while a request is under way: it would have to allocate another buffer for that.
    builder.half_close(true);
    let mut connection = builder.serve_connection(io, service);
    watch.look_every(watch.shortest());
    let mut closing = false;
    let end = poll_fn(|cx| {
        if let Poll::Ready(result) = Pin::new(&mut connection).poll(cx) {
            return Poll::Ready(End::Closed(result));
        }
        // A client that goes away takes its request with it.
        if watch.activity.is_busy() && peer.is_closed(cx) {
            return Poll::Ready(End::Closed(Ok(())));
        }
        // Only now: a connection that is told to close before it has read what the client sent would lose it.
        if watch.worker.leaving.get() && !closing && watch.may_end() {
            closing = true;
            Pin::new(&mut connection).graceful_shutdown();
            if let Poll::Ready(result) = Pin::new(&mut connection).poll(cx) {
                return Poll::Ready(End::Closed(result));
            }
        }
        if let Poll::Ready(late) = watch.poll(cx, true) {
            return Poll::Ready(End::Late(late));
        }
        let rests = !closing && watch.activity.is_quiet(Timer::ticks(REST_AFTER)) && peer.is_sent();
        if rests { Poll::Ready(End::Rests) } else { Poll::Pending }
    })
    .await;
    match end {
        End::Rests => {
            let parts = connection.into_parts();
            let mut io = parts.io;
            io.put_back(parts.read_buf);
            return Some(io);
        }
        End::Late(Wait::Head(_)) => {
            connection.into_parts().io.send_last(LATE_HEAD);
            watch.worker.refuse(Refusal::HeadTimeout);
        }
        // The parser has answered; the error says that it did.
        End::Closed(Err(error)) => {
            if let Some(refusal) = Refusal::of_parser(&error) {
                watch.worker.refuse(refusal);
            }
        }
        End::Closed(Ok(())) => {
            if let Some(upgrade) = client.upgrade.take() {
                let parts = connection.into_parts();
                let mut io = parts.io;
                io.put_back(parts.read_buf);
                let idle = watch.timeouts.upgrade_idle;
                Box::pin(upgrade.pass(io, &watch.activity, &watch.deadline, idle)).await;
            }
        }
        End::Late(Wait::Request(_)) => connection.into_parts().io.send_last(b""),
        // What ends in the middle of a message must not look like its end.
        End::Late(_) => {}
    }
    None
}

/// Why a connection is served no longer.
enum End {
    Closed(hyper::Result<()>),
    Late(Wait),
    Rests,
}

/// How long nothing must happen on a connection before it rests.
const REST_AFTER: Duration = Duration::from_secs(1);

/// Waits for the next request on a connection that costs nothing meanwhile but its socket; false where its time is over.
async fn rest(watch: &Watch, peer: &SocketWatch) -> bool {
    watch.look_every(watch.timeouts.client_idle);
    poll_fn(|cx| {
        if peer.poll_readable(cx).is_ready() {
            return Poll::Ready(true);
        }
        if watch.worker.draining.get() && watch.may_end() {
            return Poll::Ready(false);
        }
        watch.poll(cx, true).map(|_| false)
    })
    .await
}

/// The answer to a request head that takes too long (RFC 9110 §15.5.9).
const LATE_HEAD: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\
    x-tidegate-reason: head-timeout\r\n\r\n";

async fn serve_http2<S>(io: ClientIo, service: S, watch: &Watch)
where
    S: Service<Request<Incoming>, Response = Response<ResponseBody>, Error = Infallible>,
    S::Future: 'static,
{
    let mut builder = http2::Builder::new(OnThisThread);
    builder
        .max_concurrent_streams(limits::H2_STREAMS_MAX)
        .initial_stream_window_size(limits::H2_STREAM_WINDOW_BYTES)
        .initial_connection_window_size(limits::H2_CONNECTION_WINDOW_BYTES)
        .max_header_list_size(u32::try_from(limits::REQUEST_HEAD_BYTES_MAX).unwrap_or(u32::MAX));
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut closing = false;
    poll_fn(|cx| {
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let late = watch.poll(cx, false).is_ready();
        if late && closing {
            return Poll::Ready(());
        }
        if (late || watch.worker.draining.get()) && !closing {
            closing = true;
            // Says GOAWAY, and gives the client one more period to end what it is at.
            connection.as_mut().graceful_shutdown();
            watch.deadline.set(watch.timeouts.header_read);
            return connection.as_mut().poll(cx).map(drop);
        }
        Poll::Pending
    })
    .await;
}

/// The timeouts of a connection. One deadline serves them all: when it fires, what the connection waits for tells
/// whether its time is up or when to look again.
struct Watch {
    worker: Rc<Worker>,
    activity: Rc<Activity>,
    deadline: Deadline,
    timeouts: Timeouts,
    /// The longest time until the deadline is looked at again.
    look_every: Cell<Duration>,
    /// When it was last looked at: once a tick is enough, and the task never changes.
    looked: Cell<Tick>,
    /// When it was first seen that the worker is draining.
    drained: Cell<Option<Tick>>,
}

/// How long a drained connection waits for one more request after the last one.
const ONE_MORE: Duration = Duration::from_millis(300);

impl Watch {
    fn new(worker: Rc<Worker>, activity: Rc<Activity>, deadline: Deadline, timeouts: Timeouts) -> Self {
        let (look_every, looked) = (Cell::new(Duration::ZERO), Cell::new(Tick::MAX));
        let watch = Self { worker, activity, deadline, timeouts, look_every, looked, drained: Cell::new(None) };
        watch.look_every(watch.shortest());
        watch
    }

    /// Looks at what the connection waits for now, and at least so often from now on.
    fn look_every(&self, interval: Duration) {
        self.look_every.set(interval);
        self.deadline.set_at(self.worker.timer.now());
    }

    /// Ready with what took too long.
    fn poll(&self, cx: &mut Context<'_>, is_http1: bool) -> Poll<Wait> {
        if self.looked.replace(self.worker.timer.now()) == self.worker.timer.now() {
            return Poll::Pending;
        }
        while self.deadline.poll(cx).is_ready() {
            let Timeouts { header_read, client_idle, body_idle, .. } = self.timeouts;
            let now = self.worker.timer.now();
            let wait = self.activity.wait(is_http1);
            let until = match wait {
                Wait::Request(since) => since + Timer::ticks(client_idle),
                Wait::Head(since) => since + Timer::ticks(header_read),
                Wait::Transfer(since) => since + Timer::ticks(body_idle),
                Wait::Endpoint => now + Timer::ticks(body_idle),
            };
            if until <= now {
                return Poll::Ready(wait);
            }
            // What it waits for may change at any time to something with a shorter limit, so look again within the
            // shortest: once in that time, not once a request.
            self.deadline.set_at(until.min(now + Timer::ticks(self.look_every.get())));
        }
        Poll::Pending
    }

    /// Whether an HTTP/1.1 connection may be told to end. The response of a request that waits for its endpoint says so to the
    /// client. One that has its response, or a part of it, does not know: it may have sent its next request already, and would
    /// lose it.
    fn may_end(&self) -> bool {
        let wait = self.activity.wait(true);
        if !self.worker.draining.get() {
            return wait == Wait::Endpoint;
        }
        let now = self.worker.timer.now();
        let drained = self.drained.get().unwrap_or(now);
        self.drained.set(Some(drained));
        let since = match wait {
            Wait::Endpoint => return true,
            Wait::Transfer(_) => return false,
            Wait::Request(since) => since,
            Wait::Head(since) => since.min(drained),
        };
        let until = since + Timer::ticks(ONE_MORE);
        self.deadline.set_at(until);
        until <= now
    }

    fn shortest(&self) -> Duration {
        let Timeouts { header_read, client_idle, body_idle, .. } = self.timeouts;
        header_read.min(client_idle).min(body_idle).min(REST_AFTER)
    }
}

/// Spawns HTTP/2 streams on the worker's own thread.
#[derive(Clone, Copy)]
struct OnThisThread;

impl<F: Future + 'static> Executor<F> for OnThisThread {
    fn execute(&self, future: F) {
        drop(tokio::task::spawn_local(async move {
            future.await;
        }));
    }
}
