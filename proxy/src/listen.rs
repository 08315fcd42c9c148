//! Listening sockets: every worker has its own on the same address (`SO_REUSEPORT`), so the kernel divides the clients and
//! no worker waits for another.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
#[cfg(target_os = "linux")]
use socket2::{SockFilter, SockRef};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::connection;
use crate::worker::Worker;

/// Clients that the kernel may hold for us; more than the common 128, which overflows in a burst of a few milliseconds.
const BACKLOG: i32 = 4_096;

/// Opens one of the sockets of an address.
pub(crate) fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = socket(address)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Fails where anybody listens on an address, whether or not they share it.
pub(crate) fn probe(address: SocketAddr) -> io::Result<()> {
    socket(address)?.bind(&address.into())
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        // Every address, whatever the system's default is: the check of the configuration counts on it.
        socket.set_only_v6(false)?;
    }
    Ok(socket)
}

/// Takes clients at the address of a listener until `stop` says so; then those that are at the door already. From the call on
/// the worker is listening, also where it is told to drain before the result is polled.
pub(crate) fn accept(
    worker: Rc<Worker>,
    listener: TcpListener,
    address: SocketAddr,
    mut stop: watch::Receiver<bool>,
) -> impl Future<Output = ()> {
    let listening = Rc::clone(&worker.listening);
    async move {
        let stopped = pin!(stop.wait_for(|stop| *stop));
        welcome_until(&worker, &listener, address, stopped).await;
        turn_away(&listener);
        let last = worker.timer.deadline();
        last.set(AT_THE_DOOR);
        welcome_until(&worker, &listener, address, pin!(poll_fn(move |cx| last.poll(cx)))).await;
        empty(&worker, listener, address);
        drop(listening);
    }
}

/// Welcomes those who are still in the queue. On a busy machine the time is up before the runtime has heard of them, so the
/// kernel itself is asked.
fn empty(worker: &Rc<Worker>, listener: TcpListener, address: SocketAddr) {
    let Ok(listener) = listener.into_std() else { return };
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                if stream.set_nonblocking(true).is_ok()
                    && let Ok(stream) = TcpStream::from_std(stream)
                {
                    welcome(worker, stream, peer, address);
                }
            }
            // Whoever has given up meanwhile has left the queue.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) => return,
        }
    }
}

/// How long a handshake that is under way may take while its listener closes: a round trip, also to a client far away.
const AT_THE_DOOR: Duration = Duration::from_millis(100);

/// Welcomes clients until `end`, and all of them that the runtime has heard of by then.
async fn welcome_until<F: Future>(
    worker: &Rc<Worker>,
    listener: &TcpListener,
    address: SocketAddr,
    mut end: Pin<&mut F>,
) {
    loop {
        let accepted = poll_fn(|cx| match listener.poll_accept(cx) {
            Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
            Poll::Pending => end.as_mut().poll(cx).map(|_| None),
        })
        .await;
        match accepted {
            None => return,
            Some(Ok((stream, peer))) => welcome(worker, stream, peer, address),
            // Out of file descriptors, most likely: the clients that are being served will free some.
            Some(Err(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Lets no new handshake begin, so that the queue of a listener runs dry: closing the socket resets whoever is in it, and
/// however often it is emptied before, somebody may come in between. Whoever is turned away asks again after a second (RFC
/// 6298 §2.1), and finds the port closed or another listener.
#[cfg(target_os = "linux")]
fn turn_away(listener: &TcpListener) {
    /// Offset of the flags in a TCP header, and two of them (RFC 9293 §3.1).
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    /// Load a byte, AND, jump if equal, return: classic BPF, see the kernel's `Documentation/networking/filter.rst`.
    const LOAD: u16 = 0x30;
    const AND: u16 = 0x54;
    const IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let program = [
        SockFilter::new(LOAD, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    // A kernel that has no filters closes as others do, with a gap of microseconds.
    let _ = SockRef::from(listener).attach_filter(&program);
}

#[cfg(not(target_os = "linux"))]
fn turn_away(_: &TcpListener) {}

fn welcome(worker: &Rc<Worker>, stream: TcpStream, peer: SocketAddr, address: SocketAddr) {
    let limit = worker.part_of(worker.snapshot().limits.connections);
    if worker.connections.get() >= limit || stream.set_nodelay(true).is_err() {
        return;
    }
    let counted = Counted::new(Rc::clone(worker));
    drop(tokio::task::spawn_local(async move {
        let worker = Rc::clone(&counted.0);
        connection::serve(worker, stream, peer, address).await;
        drop(counted);
    }));
}

/// A connection that counts until dropped, also when its task panics.
struct Counted(Rc<Worker>);

impl Counted {
    fn new(worker: Rc<Worker>) -> Self {
        worker.connections.set(worker.connections.get() + 1);
        Self(worker)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.set(self.0.connections.get() - 1);
    }
}
