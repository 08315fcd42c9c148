//! One connection of a proxy: TLS, HTTP/2, and when it ends.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tidegate_config::limits;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::{Acknowledged, Authenticator, Distribution, Feed};

/// How far a connection has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody has proved anything yet.
    Greeting,
    /// A proxy has.
    Known,
    /// Its stream has ended.
    Over,
}

/// How long a peer may take to prove who it is, and to go when it is over.
const GREETING: Duration = Duration::from_secs(limits::PROXY_GREETING_SECONDS as u64);
/// A peer that does not even answer to a PING for as long as a proxy waits for a sign of life is gone.
const SILENCE: Duration = Duration::from_secs(limits::SILENCE_SECONDS as u64);

/// Serves one connection to its end.
pub(super) async fn serve<A, F, K>(distribution: Arc<Distribution<A, F, K>>, stream: TcpStream, tls: Arc<ServerConfig>)
where
    A: Authenticator,
    F: Feed,
    K: Acknowledged,
{
    // A message is one write; nothing follows that would be worth waiting for. Where this is refused it is slower.
    let _ = stream.set_nodelay(true);
    // Whoever speaks no TLS or knows another authority has nothing to be told here.
    let Ok(Ok(stream)) = timeout(GREETING, TlsAcceptor::from(tls).accept(stream)).await else { return };
    let (phase, mut phases) = watch::channel(Phase::Greeting);
    let phase = Arc::new(phase);
    let service = service_fn(move |request: Request<Incoming>| {
        let (distribution, phase) = (Arc::clone(&distribution), Arc::clone(&phase));
        async move { Ok::<_, Infallible>(distribution.answer(request, phase).await) }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits::PROXY_REQUESTS_MAX)
        .max_header_list_size(limits::PROXY_HEAD_BYTES_MAX)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(64 * 1024)
        .keep_alive_interval(SILENCE)
        .keep_alive_timeout(SILENCE);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        _ = &mut connection => return,
        known = timeout(GREETING, phases.wait_for(|phase| *phase != Phase::Greeting)) => if known.is_err() { return },
    }
    tokio::select! {
        _ = &mut connection => return,
        _ = phases.wait_for(|phase| *phase == Phase::Over) => {}
    }
    connection.as_mut().graceful_shutdown();
    // A proxy closes the connection when its stream ends; one that does not is not waited for.
    let _ = timeout(GREETING, connection).await;
}
