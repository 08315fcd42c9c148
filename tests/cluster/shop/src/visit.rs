//! Visitors: so many new ones a second, each with its own cookies, a few requests each over a pool of connections.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{COOKIE, HOST, SET_COOKIE};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::tally::{Tally, count};

/// Between two requests of one visitor.
const THINKS: Duration = Duration::from_millis(300);

/// How long a connection is kept that nobody uses, as long as Go's and hyper's clients do.
const KEEPS: Duration = Duration::from_secs(90);

/// Who comes, and how often.
#[derive(Debug, Clone, Args)]
pub(crate) struct Visit {
    /// The address to connect to, with a port.
    #[arg(long)]
    address: String,
    /// The page.
    #[arg(long, default_value = "http://shop.example.com/")]
    url: Uri,
    /// New visitors a second.
    #[arg(long, default_value_t = 50)]
    rate: u64,
    /// Requests of each visitor.
    #[arg(long, default_value_t = 3)]
    requests: u32,
    /// How long; 0: until it is ended.
    #[arg(long, default_value_t = 0)]
    seconds: u64,
    /// Seconds until a request is given up: longer than any takes that is not lost.
    #[arg(long, default_value_t = 20)]
    patience: u64,
}

struct Crowd {
    visit: Visit,
    /// Each since when nobody uses it.
    idle: RefCell<Vec<(Instant, SendRequest<Full<Bytes>>)>>,
    second: RefCell<Tally>,
}

/// Visits, prints a line of JSON each second, and a last one with all of it.
pub(crate) async fn run(visit: Visit) -> Result<(), Box<dyn std::error::Error>> {
    let crowd = Rc::new(Crowd { visit, idle: RefCell::default(), second: RefCell::default() });
    let local = LocalSet::new();
    let mut there = JoinSet::new();
    let mut total = local.run_until(come(Rc::clone(&crowd), &mut there)).await;
    // Those who are still there come to their end. Connections that nobody uses any more do not wait for theirs.
    local.run_until(async { while there.join_next().await.is_some() {} }).await;
    total.add(&crowd.second.take());
    print("total", &total)?;
    Ok(())
}

async fn come(crowd: Rc<Crowd>, there: &mut JoinSet<()>) -> Tally {
    let mut total = Tally::default();
    let mut visitors = interval(Duration::from_micros(1_000_000 / crowd.visit.rate.max(1)));
    visitors.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut seconds = interval(Duration::from_secs(1));
    let mut passed = 0;
    loop {
        tokio::select! {
            _ = visitors.tick() => {
                there.spawn_local(visitor(Rc::clone(&crowd)));
            }
            Some(_) = there.join_next() => {}
            _ = seconds.tick() => {
                let second = crowd.second.take();
                total.add(&second);
                if print(&passed.to_string(), &second).is_err() || passed == crowd.visit.seconds && passed > 0 {
                    return total;
                }
                passed += 1;
            }
            _ = tokio::signal::ctrl_c() => return total,
        }
    }
}

async fn visitor(crowd: Rc<Crowd>) {
    let mut cookies: BTreeMap<String, String> = BTreeMap::new();
    let mut before: Option<String> = None;
    for number in 0..crowd.visit.requests {
        if number > 0 {
            tokio::time::sleep(THINKS).await;
        }
        let Some((version, buys)) = request(&crowd, Method::GET, &mut cookies).await else { continue };
        let first = before.is_none();
        crowd.second.borrow_mut().note(before.as_deref(), &version);
        before = Some(version.clone());
        if first && rand::random_bool(buys.clamp(0.0, 1.0)) {
            request(&crowd, Method::POST, &mut cookies).await;
            count(&mut crowd.second.borrow_mut().bought, &version);
        }
    }
}

/// One request. Counts it, and returns the version that answered and the part of its visitors who buy.
async fn request(crowd: &Crowd, method: Method, cookies: &mut BTreeMap<String, String>) -> Option<(String, f64)> {
    let (asked, patience) = (Instant::now(), crowd.visit.patience);
    let answered = timeout(Duration::from_secs(patience), exchange(crowd, method, cookies)).await;
    let mut second = crowd.second.borrow_mut();
    second.slowest_ms = second.slowest_ms.max(asked.elapsed().as_millis());
    match answered {
        Ok(Ok(response)) => {
            let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
            let version = header("x-version").unwrap_or("nobody").to_owned();
            count(&mut second.requests, &version);
            if !response.status().is_success() {
                let why = header("x-tidegate-reason").map(|why| format!(" {why}")).unwrap_or_default();
                second.fail(&version, &format!("{}{why}", response.status().as_u16()));
            }
            let buys = header("x-buys").and_then(|buys| buys.parse().ok()).unwrap_or(0.0);
            (version != "nobody").then_some((version, buys))
        }
        Ok(Err(error)) => {
            second.fail("nobody", &error.to_string());
            None
        }
        Err(_) => {
            second.fail("nobody", &format!("no answer in {patience} s"));
            None
        }
    }
}

async fn exchange(
    crowd: &Crowd,
    method: Method,
    cookies: &mut BTreeMap<String, String>,
) -> Result<Response<()>, Box<dyn std::error::Error>> {
    let url = &crowd.visit.url;
    let path = if method == Method::POST { "/buy" } else { url.path() };
    let host = url.authority().map(hyper::http::uri::Authority::as_str).unwrap_or_default();
    let pairs: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut request = Request::builder().method(method).uri(path).header(HOST, host);
    if !pairs.is_empty() {
        request = request.header(COOKIE, pairs.join("; "));
    }
    let mut sender = connection(crowd).await?;
    let response = sender.send_request(request.body(Full::default())?).await?;
    let (parts, body) = response.into_parts();
    body.collect().await?;
    crowd.idle.borrow_mut().push((Instant::now(), sender));
    for cookie in parts.headers.get_all(SET_COOKIE) {
        let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
        if let Some((name, value)) = pair.split_once('=') {
            cookies.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(Response::from_parts(parts, ()))
}

/// A connection that takes a request now: an idle one, or a new one.
async fn connection(crowd: &Crowd) -> Result<SendRequest<Full<Bytes>>, Box<dyn std::error::Error>> {
    loop {
        let idle = crowd.idle.borrow_mut().pop();
        let Some((since, mut idle)) = idle else { break };
        if since.elapsed() > KEEPS {
            continue;
        }
        // A server may close one at any time; that is noticed here, as browsers do.
        if idle.ready().await.is_ok() {
            return Ok(idle);
        }
    }
    let stream = TcpStream::connect(&crowd.visit.address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

fn print(when: &str, tally: &Tally) -> std::io::Result<()> {
    let mut line = serde_json::to_value(tally)?;
    line["second"] = when.into();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
