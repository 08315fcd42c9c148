//! One version of the application.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

/// How a version behaves.
#[derive(Debug, Clone, Args)]
pub(crate) struct Serve {
    /// Where it serves.
    #[arg(long, env = "SHOP_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// What it calls itself, in the header x-version.
    #[arg(long, env = "SHOP_VERSION", default_value = "1")]
    version: String,
    /// The part of requests that it answers with 500, from 0 to 1.
    #[arg(long, env = "SHOP_FAILS", default_value_t = 0.0)]
    fails: f64,
    /// The part of visitors who buy, from 0 to 1, in the header x-buys.
    #[arg(long, env = "SHOP_BUYS", default_value_t = 0.0)]
    buys: f64,
    /// Milliseconds before each answer.
    #[arg(long, env = "SHOP_DELAY_MS", default_value_t = 0)]
    delay_ms: u64,
    /// Seconds that it serves on when it is told to end: so long it may still be sent visitors.
    #[arg(long, env = "SHOP_DRAIN_S", default_value_t = 5)]
    drain_s: u64,
}

/// Serves until it is told to end, and a while longer.
pub(crate) async fn run(serve: Serve) -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind(serve.listen).await?;
    let mut terminated = signal(SignalKind::terminate())?;
    let drain = Duration::from_secs(serve.drain_s);
    let serve = Rc::new(serve);
    let local = LocalSet::new();
    let ended = async {
        terminated.recv().await;
        tokio::time::sleep(drain).await;
    };
    local
        .run_until(async {
            tokio::select! {
                () = accept(listener, serve) => {}
                () = ended => {}
            }
        })
        .await;
    Ok(())
}

async fn accept(listener: TcpListener, serve: Rc<Serve>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let serve = Rc::clone(&serve);
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| answer(request, Rc::clone(&serve)));
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new());
            // Whoever breaks off wants no answer.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, serve: Rc<Serve>) -> Result<Response<Full<Bytes>>, Infallible> {
    let probe = request.uri().path() == "/healthz";
    if serve.delay_ms > 0 && !probe {
        tokio::time::sleep(Duration::from_millis(serve.delay_ms)).await;
    }
    let fails = !probe && rand::random_bool(serve.fails.clamp(0.0, 1.0));
    let mut response = Response::new(Full::new(Bytes::from(format!("version {}\n", serve.version))));
    *response.status_mut() = if fails { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
    let headers = response.headers_mut();
    for (name, value) in [("x-version", serve.version.clone()), ("x-buys", serve.buys.to_string())] {
        if let Ok(value) = value.parse() {
            headers.insert(name, value);
        }
    }
    Ok(response)
}
