//! From an accepted socket to a connection whose protocol is known: by a TLS handshake, or by its first bytes.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::admission::Activity;
use crate::client_io::ClientIo;
use crate::outbox::{Socket, SocketWatch};
use crate::protocol::{self, Protocol};
use crate::timer::Deadline;
use crate::worker::Worker;

/// Where a client came in.
#[derive(Debug, Clone)]
pub(crate) struct Entrance {
    /// The address of the listener, as it is configured.
    pub(crate) address: SocketAddr,
    /// Whether the client speaks TLS.
    pub(crate) secure: bool,
    /// Whom it asked for when it opened the connection, in lower case (SNI, RFC 6066 §3).
    pub(crate) sni: Option<Box<str>>,
}

/// A connection whose protocol is known.
pub(crate) struct Opened {
    pub(crate) io: ClientIo,
    pub(crate) peer: SocketWatch,
    pub(crate) protocol: Protocol,
    pub(crate) entrance: Entrance,
}

/// Opens a connection at the address of a listener; `None` where the client went away or took too long.
pub(crate) async fn open(
    worker: &Worker,
    stream: TcpStream,
    address: SocketAddr,
    activity: &Rc<Activity>,
    deadline: &Deadline,
) -> Option<Opened> {
    let snapshot = worker.snapshot();
    let tls = snapshot.tls.at(address);
    // An error here is a client that went away, or that TLS has told what is wrong: there is nobody left to tell.
    if let Some(config) = tls {
        let shaken = Box::pin(shake_hands(worker, stream, Arc::clone(config), address, activity));
        in_time(deadline, worker, shaken).await?.ok()
    } else {
        let (protocol, ahead) = in_time(deadline, worker, protocol::detect(&stream)).await?.ok()??;
        let socket = Socket::new(stream, &worker.outbox);
        let peer = socket.watch(false);
        let io = ClientIo::plain(socket, ahead, Rc::clone(activity));
        Some(Opened { io, peer, protocol, entrance: Entrance { address, secure: false, sni: None } })
    }
}

async fn shake_hands(
    worker: &Worker,
    stream: TcpStream,
    config: Arc<ServerConfig>,
    address: SocketAddr,
    activity: &Rc<Activity>,
) -> io::Result<Opened> {
    let socket = Socket::new(stream, &worker.outbox);
    let peer = socket.watch(true);
    let stream = TlsAcceptor::from(config).accept(socket).await?;
    let (_, session) = stream.get_ref();
    let protocol = if session.alpn_protocol() == Some(b"h2") { Protocol::Http2 } else { Protocol::Http1 };
    let sni = session.server_name().map(|name| name.to_ascii_lowercase().into());
    let io = ClientIo::tls(stream, Rc::clone(activity));
    Ok(Opened { io, peer, protocol, entrance: Entrance { address, secure: true, sni } })
}

/// Waits for the beginning of a connection until the deadline; while draining, for one second more, because a client that was
/// let in just before may be about to send.
async fn in_time<F: Future>(deadline: &Deadline, worker: &Worker, beginning: F) -> Option<F::Output> {
    let mut beginning = pin!(beginning);
    let mut hurried = false;
    poll_fn(|cx| {
        if let Poll::Ready(output) = beginning.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        if worker.draining.get() && !hurried {
            hurried = true;
            deadline.set(Duration::from_secs(1));
        }
        deadline.poll(cx).map(|()| None)
    })
    .await
}
