//! The server that proxies get their publications from: HTTP/2 over TLS, one connection for each proxy, which proves who
//! it is with a token and is sent what concerns it.
//!
//! What is published is decided elsewhere; a [`Feed`] says what of it a proxy may see. Every replica of the controller
//! serves, leader or not.

mod answer;
mod connection;
mod identity;
mod lines;
mod stream;
mod token;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tidegate_config::wire::Acknowledgement;
use tidegate_config::{Publication, limits};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

pub use identity::{Denied, Identity};
pub use token::{JwkSet, KeysError, TokenError, Tokens};

use lines::Lines;

/// Finds out who has sent a request.
pub trait Authenticator: Send + Sync + 'static {
    /// The owner of a token.
    fn authenticate(&self, token: &str) -> impl Future<Output = Result<Identity, Denied>> + Send;
}

/// Says what a proxy is told.
pub trait Feed: Send + Sync + 'static {
    /// The publications for a proxy, their generations rising. When the sender is gone, the proxy's stream ends and it asks
    /// again: maybe for something else.
    fn subscribe(&self, identity: &Identity) -> Result<watch::Receiver<Arc<Publication>>, Denied>;
}

/// Hears what proxies have in force.
pub trait Acknowledged: Send + Sync + 'static {
    /// A proxy has said something of a generation of its feed.
    fn note(&self, identity: &Identity, acknowledgement: Acknowledgement);
}

/// What all connections share.
#[derive(Debug)]
pub struct Distribution<A, F, K> {
    authenticator: A,
    feed: F,
    acknowledged: K,
    lines: Arc<Lines>,
}

impl<A: Authenticator, F: Feed, K: Acknowledged> Distribution<A, F, K> {
    /// A distribution of what `feed` says to whom `authenticator` knows.
    pub fn new(authenticator: A, feed: F, acknowledged: K) -> Self {
        Self { authenticator, feed, acknowledged, lines: Arc::default() }
    }

    /// Serves proxies until its task is dropped; then their streams end. New connections see the newest certificate of
    /// `tls`, which must offer `h2` (ALPN) or no protocol at all.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, tls: watch::Receiver<Arc<ServerConfig>>) {
        let places = Arc::new(Semaphore::new(limits::PROXIES_MAX));
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else {
                        // Out of file descriptors, most likely: another moment may have some.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    };
                    // At the limit the connection closes at once: its proxy finds another replica.
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                    let (this, tls) = (Arc::clone(&self), Arc::clone(&tls.borrow()));
                    connections.spawn(async move {
                        connection::serve(this, stream, tls).await;
                        drop(place);
                    });
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }
}
