//! Looks through a proxy before it is timed: is the answer right, and do visitors stay where they are?

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::header::{COOKIE, HOST, SET_COOKIE};
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::backend::{BODY, VERSION_HEADER};
use super::options::Protocol;
use super::scenario::{Request, Scenario};
use super::{Failure, Result};

/// How long a proxy may take to begin splitting.
pub(crate) const SPLIT_MAX: Duration = Duration::from_secs(30);

/// One connection through the proxy.
#[derive(Debug)]
pub(crate) struct Probe {
    sender: Sender,
    address: SocketAddr,
}

#[derive(Debug)]
enum Sender {
    H1(http1::SendRequest<Empty<Bytes>>),
    H2(http2::SendRequest<Empty<Bytes>>),
}

/// A right answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    version: String,
    /// Every cookie that the answer set, as a visitor sends them back.
    cookie: Option<String>,
}

impl Probe {
    /// Connects to the proxy.
    pub(crate) async fn connect(address: SocketAddr, protocol: Protocol) -> Result<Self> {
        let stream = TokioIo::new(TcpStream::connect(address).await?);
        let sender = match protocol {
            Protocol::H1 => {
                let (sender, connection) = http1::handshake(stream).await?;
                tokio::spawn(connection);
                Sender::H1(sender)
            }
            Protocol::H2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
                tokio::spawn(connection);
                Sender::H2(sender)
            }
        };
        Ok(Self { sender, address })
    }

    /// Checks what the scenario needs. Returns its requests, with cookies if its visitors return.
    pub(crate) async fn prepare(&mut self, scenario: Scenario) -> Result<Vec<Request>> {
        let mut requests = scenario.requests();
        if scenario.is_sticky() {
            self.split_in_force(SPLIT_MAX).await?;
        }
        for request in &mut requests {
            let answer = self.ask(request).await?;
            if scenario == Scenario::Returning {
                request.cookie = Some(self.cookie_that_sticks(request, &answer).await?);
            }
            if scenario == Scenario::New && answer.cookie.is_none() {
                return Err("a visitor without a cookie was given none".into());
            }
        }
        Ok(requests)
    }

    /// Sends new visitors until both versions have answered one: a rollout may begin with none on the canary.
    pub(crate) async fn split_in_force(&mut self, within: Duration) -> Result<()> {
        let deadline = Instant::now() + within;
        let mut versions = BTreeSet::new();
        for request in Scenario::New.requests().iter().cycle() {
            versions.insert(self.ask(request).await?.version);
            if versions.len() == 2 {
                break;
            }
            if Instant::now() > deadline {
                return Err(format!("after {within:?} of new visitors only {versions:?} have answered").into());
            }
        }
        Ok(())
    }

    /// The cookie of an answer, once it has led back to the same version.
    async fn cookie_that_sticks(&mut self, request: &Request, first: &Answer) -> Result<String> {
        let cookie = first.cookie.clone().ok_or("a first visit was given no cookie")?;
        let mut again = request.clone();
        again.cookie = Some(cookie.clone());
        let second = self.ask(&again).await?;
        if second.version == first.version {
            Ok(cookie)
        } else {
            Err(format!("a visitor of {} came back to {}", first.version, second.version).into())
        }
    }

    /// Sends one request; anything but a 200 with the backends' body is an error.
    async fn ask(&mut self, request: &Request) -> Result<Answer> {
        let response = self.send(request).await?;
        let (head, body) = response.into_parts();
        let body = body.collect().await?.to_bytes();
        if head.status != StatusCode::OK || body != BODY[..] {
            let what = format!("{}{} answered {}", request.host, request.path, head.status);
            return Err(format!("{what} with {} bytes instead of 200 with the body", body.len()).into());
        }
        let version = head.headers.get(VERSION_HEADER).ok_or("no version in the answer")?;
        let pairs = head
            .headers
            .get_all(SET_COOKIE)
            .iter()
            .map(|value| value.to_str().map(|text| text.split(';').next().unwrap_or(text)))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        Ok(Answer { version: version.to_str()?.to_owned(), cookie: (!pairs.is_empty()).then(|| pairs.join("; ")) })
    }

    async fn send(&mut self, request: &Request) -> Result<Response<Incoming>> {
        let mut outgoing = hyper::Request::builder();
        if let Some(cookie) = &request.cookie {
            outgoing = outgoing.header(COOKIE, cookie);
        }
        let answer = match &mut self.sender {
            Sender::H1(sender) => {
                let outgoing = outgoing.uri(&request.path).header(HOST, &request.host);
                sender.ready().await?;
                sender.send_request(outgoing.body(Empty::new())?).await
            }
            Sender::H2(sender) => {
                let outgoing = outgoing.uri(format!("http://{}{}", request.host, request.path));
                sender.ready().await?;
                sender.send_request(outgoing.body(Empty::new())?).await
            }
        };
        answer.map_err(|error| Failure::from(format!("no answer from {}: {error}", self.address)))
    }
}
