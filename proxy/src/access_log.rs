//! The access log: one JSON object a line for every request, without query, cookies or authorization.
//!
//! Workers send plain values over a bounded queue and never wait; one thread turns them into text and writes it.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};

use crate::body::ResponseBody;
use crate::clock;
use crate::error;
use crate::headers;
use crate::record::Assigned;
use crate::snapshot::Snapshot;
use crate::worker::RequestId;

mod format;
mod writer;

pub(crate) use writer::AccessLog;

/// What a line says. Strings are counted references into the head of the request.
#[derive(Debug)]
struct Entry {
    /// Milliseconds since the Unix epoch when the head of the request was there.
    at: u64,
    client: IpAddr,
    protocol: Version,
    method: Method,
    uri: Uri,
    host: Option<HeaderValue>,
    id: Option<HeaderValue>,
    snapshot: Arc<Snapshot>,
    /// `None` where no route was found.
    chosen: Option<Chosen>,
    /// `None` where the client went away first.
    answer: Option<Answer>,
    /// To the head of the response.
    latency: Duration,
}

/// The version that a request went to.
#[derive(Debug, Clone, Copy)]
struct Chosen {
    /// The service, by its place in the snapshot.
    service: usize,
    /// The arm that the request belongs to.
    arm: usize,
    /// The arm that was asked in its place because it could not be reached.
    instead: Option<usize>,
    why: Why,
    /// Whether the visitor gets its identity with this request; `None` where visitors are not told apart.
    new_visitor: Option<bool>,
}

/// Why a request belongs to its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// By the shares.
    Assigned,
    /// A tester named it.
    Chosen,
    /// The canary it belongs to is out of service.
    Protected,
    /// No other version takes visitors.
    Only,
}

/// The head of a response.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    /// Our reason, where the answer is our own.
    reason: Option<HeaderValue>,
}

/// A worker's end of the queue.
#[derive(Debug)]
pub(crate) struct Log {
    queue: SyncSender<Box<Entry>>,
    dropped: Arc<AtomicU64>,
}

impl Log {
    /// Begins the line of a request; an empty one where nothing is logged.
    pub(crate) fn open<B>(
        &self,
        snapshot: &Arc<Snapshot>,
        client: IpAddr,
        request: Option<&Request<B>>,
        started: Instant,
    ) -> Line<'_> {
        let Some(request) = request.filter(|_| snapshot.access_log) else { return Line(None) };
        let fields = request.headers();
        let entry = Box::new(Entry {
            at: clock::unix_millis(),
            client,
            protocol: request.version(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            host: fields.get(header::HOST).cloned(),
            id: fields.get(&headers::X_REQUEST_ID).cloned(),
            snapshot: Arc::clone(snapshot),
            chosen: None,
            answer: None,
            latency: Duration::ZERO,
        });
        Line(Some(Open { log: self, started, entry: RefCell::new(entry) }))
    }

    /// Sends a line, or counts it as lost where the queue is full or nobody writes any more.
    fn send(&self, entry: Box<Entry>) {
        if self.queue.try_send(entry).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The line of a request under way; sent when dropped, so that a request whose client goes away has its line too.
pub(crate) struct Line<'a>(Option<Open<'a>>);

struct Open<'a> {
    log: &'a Log,
    started: Instant,
    entry: RefCell<Box<Entry>>,
}

impl Line<'_> {
    /// The request is on its way to the version it belongs to, with its id.
    pub(crate) fn sent(&self, id: Option<RequestId>, service: usize, assigned: &Assigned<'_>) {
        let Some(open) = &self.0 else { return };
        let why = match assigned.visitor {
            None => Why::Only,
            Some(visitor) if visitor.protected => Why::Protected,
            Some(visitor) if visitor.chosen.is_some() => Why::Chosen,
            Some(_) => Why::Assigned,
        };
        let new_visitor = assigned.visitor.map(|visitor| visitor.is_new);
        let mut entry = open.entry.borrow_mut();
        entry.chosen = Some(Chosen { service, arm: assigned.arm, instead: None, why, new_visitor });
        if let Some(id) = id {
            entry.id = HeaderValue::from_bytes(id.as_bytes()).ok();
        }
    }

    /// The request is tried once more under a newer snapshot.
    pub(crate) fn renew(&self, snapshot: &Arc<Snapshot>) {
        let Some(open) = &self.0 else { return };
        let mut entry = open.entry.borrow_mut();
        entry.snapshot = Arc::clone(snapshot);
        entry.chosen = None;
    }

    /// Another arm is asked, because the version could not be reached.
    pub(crate) fn fell_back(&self, arm: usize) {
        let Some(open) = &self.0 else { return };
        if let Some(chosen) = &mut open.entry.borrow_mut().chosen {
            chosen.instead = Some(arm);
        }
    }

    /// The head of the response is there.
    pub(crate) fn close(&self, response: &Response<ResponseBody>) {
        let Some(open) = &self.0 else { return };
        // A text is our own answer. An endpoint may send a field of that name too, which would be no reason of ours.
        let ours = matches!(response.body(), ResponseBody::Text(Some(_)));
        let reason = response.headers().get(error::REASON).filter(|_| ours).cloned();
        open.entry.borrow_mut().answer = Some(Answer { status: response.status(), reason });
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if let Some(Open { log, started, entry }) = self.0.take() {
            let mut entry = entry.into_inner();
            entry.latency = clock::now().saturating_duration_since(started);
            log.send(entry);
        }
    }
}

#[cfg(test)]
mod tests;
