//! The webhook in every replica: what it must know, and its HTTPS for API servers.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use kube::runtime::events::EventType;
use rustls::ServerConfig;
use tidegate_config::limits::{WEBHOOK_CONNECTIONS_MAX, WEBHOOK_GREETING_SECONDS, WEBHOOK_IDLE_SECONDS};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::events::Events;
use crate::webhook::{Handled, Known, Notice, handle};

const GREETING: Duration = Duration::from_secs(WEBHOOK_GREETING_SECONDS as u64);
const IDLE: Duration = Duration::from_secs(WEBHOOK_IDLE_SECONDS as u64);
/// What was not done, in Events.
const ACTION: &str = "Injecting";

/// What questions are answered with.
#[derive(Debug, Clone)]
pub(super) struct Webhook {
    /// What is known, `None` before anything is.
    pub(super) known: watch::Receiver<Option<Known>>,
    /// Where owners of pods are told.
    pub(super) events: Events,
}

impl Webhook {
    /// Serves API servers until `ended`; then it lets questions under way have their answers. New connections see the newest
    /// certificate of `tls`.
    pub(super) async fn serve(
        self,
        listener: TcpListener,
        tls: watch::Receiver<Arc<ServerConfig>>,
        mut ended: watch::Receiver<bool>,
    ) {
        let places = Arc::new(Semaphore::new(WEBHOOK_CONNECTIONS_MAX));
        let (mut connections, end) = (JoinSet::new(), ended.clone());
        loop {
            tokio::select! {
                () = over(&mut ended) => break,
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else {
                        // Out of file descriptors, most likely: another moment may have some.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    };
                    // At the limit the connection closes at once: nobody's pod waits for one that stands still.
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                    let (webhook, tls, ended) = (self.clone(), Arc::clone(&tls.borrow()), end.clone());
                    connections.spawn(async move {
                        webhook.connection(stream, tls, ended).await;
                        drop(place);
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
        while connections.join_next().await.is_some() {}
    }

    async fn connection(self, stream: TcpStream, tls: Arc<ServerConfig>, ended: watch::Receiver<bool>) {
        let _ = stream.set_nodelay(true);
        let Ok(Ok(stream)) = timeout(GREETING, TlsAcceptor::from(tls).accept(stream)).await else { return };
        let speaks_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let service = service_fn(move |request: Request<Incoming>| {
            let webhook = self.clone();
            async move { Ok::<_, Infallible>(webhook.answer(request).await) }
        });
        let stream = TokioIo::new(stream);
        if speaks_http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.timer(TokioTimer::new()).keep_alive_interval(IDLE).keep_alive_timeout(IDLE);
            let connection = pin!(builder.serve_connection(stream, service));
            finish(connection, ended, http2::Connection::graceful_shutdown).await;
        } else {
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(IDLE);
            let connection = pin!(builder.serve_connection(stream, service));
            finish(connection, ended, http1::Connection::graceful_shutdown).await;
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let Handled { response, notices } = handle(request, &self.known).await;
        for Notice { regarding, reason, message } in notices {
            self.events.publish(regarding, EventType::Warning, reason, ACTION, message);
        }
        response
    }
}

/// Waits for the end.
async fn over(ended: &mut watch::Receiver<bool>) {
    // Whoever would say it is gone: that is the end, too.
    let _ = ended.wait_for(|ended| *ended).await;
}

/// Runs a connection to its end; once `ended` it takes no more requests. An error is the peer's affair: it has had its
/// answer, or wants none.
async fn finish<C: Future>(
    mut connection: Pin<&mut C>,
    mut ended: watch::Receiver<bool>,
    shut: impl FnOnce(Pin<&mut C>),
) {
    tokio::select! {
        _ = connection.as_mut() => return,
        () = over(&mut ended) => {}
    }
    shut(connection.as_mut());
    connection.await;
}

#[cfg(test)]
mod tests;
