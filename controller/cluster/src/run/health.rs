//! `/healthz` and `/readyz` of a replica.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use tidegate_config::limits::ADMIN_CONNECTIONS_MAX;

use crate::world::World;

/// Answers for ever. A replica is ready when it knows the world.
pub(super) async fn serve(listener: TcpListener, worlds: watch::Receiver<Option<Arc<World>>>) {
    let places = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            continue;
        };
        let worlds = worlds.clone();
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let ready = worlds.borrow().is_some();
                async move { Ok::<_, Infallible>(answer(request.uri().path(), ready)) }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new());
            // A client that breaks off has had its answer, or wants none.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
            drop(place);
        });
    }
}

fn answer(path: &str, ready: bool) -> Response<Full<Bytes>> {
    let (status, text) = match (path, ready) {
        ("/healthz", _) | ("/readyz", true) => (StatusCode::OK, "ok\n"),
        ("/readyz", false) => (StatusCode::SERVICE_UNAVAILABLE, "the cluster's objects are not known yet\n"),
        _ => (StatusCode::NOT_FOUND, "only /healthz and /readyz are here\n"),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    response
}
