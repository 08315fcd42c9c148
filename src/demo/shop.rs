//! The shop: two versions of one web application, as real HTTP servers on loopback.
//!
//! Pages: `GET /`, `GET /item/NAME`, and `POST /buy`, which answers 201. Every answer tells the crowd which version gave
//! it and how persuasive that version is; whether somebody buys is then the visitor's own decision.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::chance::{Chance, Draw};
use super::own_thread::{OwnThread, Stop};
use super::policy::FREE;
use super::scenario::{VERSIONS, World};

/// The request field with the number of a visitor. It only fixes how this shop behaves; the proxy knows visitors by their
/// cookies and passes this on unread.
pub(crate) const VISITOR: HeaderName = HeaderName::from_static("x-demo-visitor");
/// The request field with the number of the page within a visit.
pub(crate) const PAGE: HeaderName = HeaderName::from_static("x-demo-page");
/// The response field that names the version.
pub(crate) const VERSION: HeaderName = HeaderName::from_static("x-demo-version");
/// The response field with the part of the visitors that the version persuades.
pub(crate) const APPEAL: HeaderName = HeaderName::from_static("x-demo-appeal");

/// The deviation of the logarithm of response times.
const SIGMA: f64 = 0.25;
const PAGE_HTML: &[u8] = b"<!doctype html><title>The shop</title><h1>The shop</h1>\n\
    <ul><li><a href=/item/bucket>Bucket</a><li><a href=/item/spade>Spade</a></ul>\n";

/// The open shop. It closes when this is dropped.
#[derive(Debug)]
pub(crate) struct Shop {
    addresses: [SocketAddr; 2],
    thread: OwnThread,
}

impl Shop {
    /// Opens both versions on free ports.
    pub(crate) fn open(world: World, chance: Chance) -> io::Result<Self> {
        let (stable, canary) = (bind()?, bind()?);
        let addresses = [stable.local_addr()?, canary.local_addr()?];
        let thread = OwnThread::start("demo-shop", move |stop| serve([stable, canary], world, chance, stop))?;
        Ok(Self { addresses, thread })
    }

    /// Where the versions are: stable, canary.
    pub(crate) fn addresses(&self) -> [SocketAddr; 2] {
        self.addresses
    }

    /// Whether it closed by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.has_ended()
    }
}

fn bind() -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(FREE)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// One version, as its connections see it.
struct Counter {
    world: World,
    version: usize,
    chance: Chance,
    opened: Instant,
    /// The fields of every answer.
    fields: HeaderMap,
}

async fn serve(listeners: [std::net::TcpListener; 2], world: World, chance: Chance, stop: Stop) {
    let opened = Instant::now();
    for (version, listener) in listeners.into_iter().enumerate() {
        let Ok(listener) = TcpListener::from_std(listener) else { return };
        let fields = fields(version, world);
        let counter = Rc::new(Counter { world, version, chance, opened, fields });
        tokio::task::spawn_local(accept(listener, counter));
    }
    let _ = stop.await;
}

fn fields(version: usize, world: World) -> HeaderMap {
    let mut fields = HeaderMap::new();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(VERSION, HeaderValue::from_static(VERSIONS[version]));
    // A number is always a valid value.
    if let Ok(appeal) = HeaderValue::try_from(world.versions[version].appeal.to_string()) {
        fields.insert(APPEAL, appeal);
    }
    fields
}

async fn accept(listener: TcpListener, counter: Rc<Counter>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::task::spawn_local(connection(stream, Rc::clone(&counter)))),
            // Out of file descriptors, most likely: another moment may have some.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn connection(stream: TcpStream, counter: Rc<Counter>) {
    // Without it answers are a little later, in both versions.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| answer(&counter, request));
    // The proxy closes connections as it likes.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Answers one request. The wait is part of the connection's own task.
async fn answer(counter: &Counter, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let Counter { world, version, chance, opened, fields } = counter;
    let number = |name| request.headers().get(name)?.to_str().ok()?.parse::<u64>().ok();
    let (visitor, page) = (number(VISITOR).unwrap_or(0), number(PAGE).unwrap_or(0));
    let slowness = chance.log_normal(visitor, Draw::Latency(page), SIGMA);
    tokio::time::sleep(world.versions[*version].median.mul_f64(slowness)).await;
    let fails = chance.uniform(visitor, Draw::Failure(page)) < world.failures(*version, opened.elapsed());
    let path = request.uri().path();
    let status = match (request.method(), path) {
        _ if fails => StatusCode::INTERNAL_SERVER_ERROR,
        (&Method::POST, "/buy") => StatusCode::CREATED,
        (&Method::GET, path) if path == "/" || path.starts_with("/item/") => StatusCode::OK,
        _ => StatusCode::NOT_FOUND,
    };
    let body = if status == StatusCode::OK { PAGE_HTML } else { b"\n" };
    let mut response = Response::new(Full::new(Bytes::from_static(body)));
    *response.status_mut() = status;
    response.headers_mut().clone_from(fields);
    Ok(response)
}
