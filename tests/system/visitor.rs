//! Visitors: a connection that is kept, and a jar of cookies that tells who is on it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{COOKIE, HOST, HeaderMap, SET_COOKIE};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A response.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    headers: HeaderMap,
}

impl Answer {
    /// A field as text; empty where it is missing.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The version that answered.
    pub(crate) fn version(&self) -> &str {
        self.field("x-version")
    }
}

/// A kept connection.
pub(crate) struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    host: String,
    // Dropped, and with it the connection, together with this.
    _driver: JoinSet<()>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await.map_err(|error| format!("connect: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Whoever sends on it is told.
            let _ = connection.await;
        });
        Ok(Self { sender, host: address.to_string(), _driver: driver })
    }

    /// Whether the other side has ended it.
    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// One GET, with more fields.
    pub(crate) async fn get(&mut self, path: &str, fields: &[(&str, &str)]) -> Result<Answer, String> {
        let mut request = Request::get(path);
        if !fields.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header(HOST, &self.host);
        }
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(Empty::new()).unwrap();
        self.sender.ready().await.map_err(|error| format!("closed: {error}"))?;
        let response = self.sender.send_request(request).await.map_err(|error| format!("send: {error}"))?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| format!("body: {error}"))?.to_bytes();
        let body = String::from_utf8_lossy(&body).into_owned();
        Ok(Answer { status: head.status.as_u16(), body, headers: head.headers })
    }
}

/// One GET on a connection of its own.
pub(crate) async fn get(address: SocketAddr, path: &str, fields: &[(&str, &str)]) -> Result<Answer, String> {
    Connection::open(address).await?.get(path, fields).await
}

/// Somebody with a browser: brings back the cookies they were given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visitor {
    pub(crate) jar: BTreeMap<String, String>,
    /// The version they saw last.
    pub(crate) version: String,
}

impl Visitor {
    /// Visits once; the answer must be a good one.
    pub(crate) async fn visit(&mut self, connection: &mut Connection) {
        let cookies: Vec<String> = self.jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let fields: &[(&str, &str)] = if cookies.is_empty() { &[] } else { &[(COOKIE.as_str(), &cookies)] };
        let answer = connection.get("/", fields).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.jar.insert(name.to_owned(), value.to_owned());
        }
        answer.version().clone_into(&mut self.version);
    }
}

/// People who come again and again.
pub(crate) struct Regulars(pub(crate) Vec<Visitor>);

impl Regulars {
    pub(crate) fn new(count: usize) -> Self {
        Self(vec![Visitor::default(); count])
    }

    /// All of them visit once; returns the version that each sees.
    pub(crate) async fn visit(&mut self, address: SocketAddr) -> Vec<String> {
        let mut connection = Connection::open(address).await.unwrap();
        for visitor in &mut self.0 {
            visitor.visit(&mut connection).await;
        }
        self.0.iter().map(|visitor| visitor.version.clone()).collect()
    }
}
