//! The versions behind the router: real HTTP servers on free ports that keep a log, fail when told to, and hold
//! requests back.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::clock::unix_millis;

/// The path whose requests wait until they are released.
pub(crate) const HELD: &str = "/held";

/// A request as the version saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// When it arrived, in milliseconds since the Unix epoch.
    pub(crate) at: u64,
    /// Its path.
    pub(crate) path: String,
    /// Whether it was answered 500.
    pub(crate) failed: bool,
}

/// A running version.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    // Stops the server when dropped.
    _server: JoinSet<()>,
}

struct Shared {
    version: &'static str,
    /// One request of so many fails; 0: none.
    failing: AtomicU64,
    served: AtomicU64,
    log: Mutex<Vec<Seen>>,
    released: watch::Sender<bool>,
}

impl Backend {
    pub(crate) async fn start(version: &'static str) -> Self {
        Self::serve(version, TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// A version at an address that refused connections so far.
    pub(crate) fn start_at(version: &'static str, reserved: Reserved) -> Self {
        Self::serve(version, reserved.socket.listen(1_024).unwrap())
    }

    fn serve(version: &'static str, listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            version,
            failing: AtomicU64::new(0),
            served: AtomicU64::new(0),
            log: Mutex::default(),
            released: watch::Sender::new(false),
        });
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&shared)));
        Self { address, shared, _server: server }
    }

    /// From now on one request of `every` fails; 0: none.
    pub(crate) fn fail_one_of(&self, every: u64) {
        self.shared.failing.store(every, Ordering::Relaxed);
    }

    /// Lets the held requests end, those to come included.
    pub(crate) fn release(&self) {
        self.shared.released.send_replace(true);
    }

    /// Every request so far, in the order of arrival.
    pub(crate) fn log(&self) -> Vec<Seen> {
        self.shared.log.lock().unwrap().clone()
    }

    /// How many requests of a path have arrived.
    pub(crate) fn arrived(&self, path: &str) -> usize {
        self.shared.log.lock().unwrap().iter().filter(|seen| seen.path == path).count()
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(|request| answer(Arc::clone(&shared), request));
            // A router that was killed has nothing to be told.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let number = shared.served.fetch_add(1, Ordering::Relaxed);
    let every = shared.failing.load(Ordering::Relaxed);
    let failed = every > 0 && number.is_multiple_of(every);
    let held = path == HELD;
    shared.log.lock().unwrap().push(Seen { at: unix_millis(), path, failed });
    if held {
        // The sender lives as long as this task.
        let _ = shared.released.subscribe().wait_for(|released| *released).await;
    }
    let mut response = Response::new(Full::new(Bytes::from_static(shared.version.as_bytes())));
    response.headers_mut().insert("x-version", HeaderValue::from_static(shared.version));
    if failed {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    Ok(response)
}

/// An address that refuses connections until a version is started at it.
pub(crate) struct Reserved {
    pub(crate) address: SocketAddr,
    socket: TcpSocket,
}

impl Reserved {
    pub(crate) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
        Self { address: socket.local_addr().unwrap(), socket }
    }
}

/// Two versions of one service.
pub(crate) struct Pair {
    pub(crate) v1: Backend,
    pub(crate) v2: Backend,
}

impl Pair {
    pub(crate) async fn start() -> Self {
        Self { v1: Backend::start("v1").await, v2: Backend::start("v2").await }
    }

    /// A file with the service `shop` on free ports; `shop` says more of it, one field a line.
    pub(crate) fn file(&self, shop: &str) -> String {
        self.routed("{service: shop}", "0%", shop)
    }

    /// The same with these routes, and this share of v2 where no rollout moves it.
    pub(crate) fn routed(&self, routes: &str, share: &str, shop: &str) -> String {
        let (v1, v2) = (self.v1.address, self.v2.address);
        format!(
            "listeners: [{{address: '127.0.0.1:0'}}]
admin: {{address: '127.0.0.1:0'}}
workers: 2
routes: [{routes}]
timeouts: {{request: 500ms}}
services:
  shop:
    versions:
      v1: {{endpoints: ['{v1}']}}
      v2: {{endpoints: ['{v2}'], share: {share}}}
    {}
",
            shop.trim()
        )
    }
}
