//! Listening sockets: every worker has its own on the same address (`SO_REUSEPORT`), so the kernel divides the clients and
//! no worker waits for another.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
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

/// Takes clients at the address of a listener until `stop` says so; then those that the kernel has already let in.
pub(crate) async fn accept(
    worker: Rc<Worker>,
    listener: TcpListener,
    address: SocketAddr,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let mut stopped = pin!(stop.wait_for(|stop| *stop));
        let accepted = poll_fn(|cx| match listener.poll_accept(cx) {
            Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
            Poll::Pending => stopped.as_mut().poll(cx).map(|_| None),
        })
        .await;
        match accepted {
            None => return take_last(&worker, listener, address),
            Some(Ok((stream, peer))) => welcome(&worker, stream, peer, address),
            // Out of file descriptors, most likely: the clients that are being served will free some.
            Some(Err(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Takes the clients that the kernel has let in but not announced yet: closing the socket would reset them.
fn take_last(worker: &Rc<Worker>, listener: TcpListener, address: SocketAddr) {
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((stream, peer)) = listener.accept() {
        if stream.set_nonblocking(true).is_ok()
            && let Ok(stream) = TcpStream::from_std(stream)
        {
            welcome(worker, stream, peer, address);
        }
    }
}

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
