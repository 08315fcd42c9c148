//! The life of a request, on one screen.

use std::cell::Cell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use tidegate_config::limits;

use crate::access_log::Line;
use crate::admission::{Activity, Admission};
use crate::body::ResponseBody;
use crate::clock::now;
use crate::error::Error;
use crate::forward::{self, Answer, Patience, forward};
use crate::forwarding::Forwarding;
use crate::headers::{self, Accepted};
use crate::opening::Entrance;
use crate::parked::{self, Place};
use crate::record::{self, Assigned, Outcome};
use crate::refused::Refusal;
use crate::route::{Missed, Target};
use crate::shard::Cause;
use crate::snapshot::{Service, Snapshot};
use crate::timer::Deadline;
use crate::upgrade::Upgrade;
use crate::upload::{Progress, RequestBody};
use crate::visitor::Visitor;
use crate::worker::Worker;

/// The client behind a connection.
pub(crate) struct Client {
    pub(crate) worker: Rc<Worker>,
    pub(crate) activity: Rc<Activity>,
    pub(crate) address: IpAddr,
    /// What endpoints are told of it, made once for all requests of the connection.
    pub(crate) lines: Vec<u8>,
    /// Where it came in.
    pub(crate) entrance: Entrance,
    /// What follows its last response, where that is not the end.
    pub(crate) upgrade: Cell<Option<Upgrade>>,
}

/// A request as it came, with the routing state that it meets.
pub(crate) struct Inbound {
    started: Instant,
    #[expect(clippy::redundant_allocation, reason = "see `Worker::snapshot`")]
    snapshot: Rc<Arc<Snapshot>>,
    /// Stays in its place until it is sent: it is large, and every move of it costs.
    request: Option<Request<RequestBody>>,
    /// Of its body, where it has one.
    progress: Option<Rc<Progress>>,
}

impl Inbound {
    /// Loads the snapshot, and wraps the body, so that its limit holds and its progress is seen.
    pub(crate) fn new(client: &Client, request: Request<Incoming>) -> Self {
        let (started, snapshot) = (now(), client.worker.snapshot());
        let (head, body) = request.into_parts();
        let (body, progress) = RequestBody::new(body, snapshot.limits.request_body_bytes, &client.worker.timer);
        Self { started, snapshot, request: Some(Request::from_parts(head, body)), progress }
    }
}

/// Answers one request: find the route, assign a version, choose an endpoint, rewrite the fields, forward, rewrite them
/// back, record, log.
pub(crate) async fn handle(client: &Client, inbound: &mut Inbound) -> Response<ResponseBody> {
    let Inbound { started, snapshot, request, progress } = inbound;
    let line = client.worker.log.open(snapshot, client.address, request.as_ref(), *started);
    let answer = respond(client, snapshot, &line, request, progress.take(), *started).await;
    let response = answer.unwrap_or_else(|error| refused(&client.worker, &error));
    line.close(&response);
    response
}

/// Answers a request that no route was found for.
#[cold]
fn refused(worker: &Worker, error: &Error) -> Response<ResponseBody> {
    if let Some(refusal) = Refusal::of(error) {
        worker.refuse(refusal);
    }
    error.response()
}

async fn respond(
    client: &Client,
    snapshot: &Arc<Snapshot>,
    line: &Line<'_>,
    request: &mut Option<Request<RequestBody>>,
    progress: Option<Rc<Progress>>,
    started: Instant,
) -> Result<Response<ResponseBody>, Error> {
    let worker = &*client.worker;
    let limit = worker.part_of(snapshot.limits.requests_in_flight);
    let admission = Some(worker.gate.admit(&client.activity, limit).ok_or(Error::Overloaded)?);
    let Some(head) = request else { return Err(Error::ClientGone) };
    let accepted = check(head)?;
    *head.version_mut() = Version::HTTP_11;
    let id = accepted.id.is_none().then(|| worker.request_id());
    let forwarding = Forwarding { client: &client.lines, host: &accepted.host, upgrades: accepted.upgrades, id };
    let place = None;
    let mut admitted =
        Admitted { client, line, request, accepted: &accepted, forwarding, progress, started, admission, place };
    match admitted.attempt(snapshot).await? {
        Attempt::Answered(response) => Ok(response),
        // Rare, so it gets no room in the future of every request.
        Attempt::Parked => Box::pin(parked::wait(&mut admitted, snapshot)).await,
    }
}

/// Checks a request before anything is looked up for it.
fn check(request: &mut Request<RequestBody>) -> Result<Accepted, Error> {
    if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > limits::URI_BYTES_MAX) {
        return Err(Error::TargetTooLong);
    }
    headers::accept(request)
}

/// Finds the route of a request that was accepted.
fn find(snapshot: &Snapshot, entrance: &Entrance, path: &str, host: &HeaderValue) -> Result<Target, Error> {
    let host = headers::without_port(host);
    let door = snapshot.routes.at(entrance.address);
    let sni = entrance.sni.as_deref();
    let found = if host.bytes().any(|b| b.is_ascii_uppercase()) {
        door.find(&host.to_ascii_lowercase(), path, sni)
    } else {
        door.find(host, path, sni)
    };
    found.map_err(|missed| match missed {
        Missed::NoRoute => Error::NoRoute,
        Missed::Misdirected => Error::Misdirected,
    })
}

/// A request that was let in and is well formed.
pub(crate) struct Admitted<'a> {
    pub(crate) client: &'a Client,
    pub(crate) line: &'a Line<'a>,
    request: &'a mut Option<Request<RequestBody>>,
    accepted: &'a Accepted,
    forwarding: Forwarding<'a>,
    progress: Option<Rc<Progress>>,
    started: Instant,
    /// Until the response takes it.
    admission: Option<Admission>,
    /// Among those that wait, once it has had to.
    place: Option<Place>,
}

/// What became of a request under one snapshot.
pub(crate) enum Attempt {
    /// It has an answer, maybe our own.
    Answered(Response<ResponseBody>),
    /// Nobody could be reached who would answer it, it was not sent, and it may wait for somebody.
    Parked,
}

impl Admitted<'_> {
    /// Answers the request under a snapshot.
    pub(crate) async fn attempt(&mut self, snapshot: &Snapshot) -> Result<Attempt, Error> {
        let Self { client, line, accepted, started, .. } = *self;
        let worker = &*client.worker;
        let Some(head) = &*self.request else { return Err(Error::ClientGone) };
        let target = find(snapshot, &client.entrance, head.uri().path(), &accepted.host)?;
        let service = &snapshot.services[target.service];
        let visitor = if service.splits() {
            Some(Visitor::of(snapshot, service, head.headers(), accepted, client.address, || worker.random()))
        } else {
            Visitor::choosing(service, accepted)
        };
        let arm = visitor.map_or_else(|| service.arm_at(0), |visitor| visitor.arm(service));
        let may_convert = record::may_convert(service, head.method(), head.uri().path());
        let secure = client.entrance.secure;
        let assigned = Assigned { worker, snapshot, line, secure, service, arm, visitor, may_convert };
        let unanswered = Unanswered { assigned: &assigned, started, settled: Cell::new(false) };
        line.sent(self.forwarding.id, target.service, &assigned);

        let sent = send(self.request, &self.forwarding, self.progress.clone(), target, &assigned).await;
        let latency = now().saturating_duration_since(started);
        unanswered.settled.set(true);
        match (sent, self.admission.take()) {
            (Ok(sent), Some(admission)) => Ok(Attempt::Answered(answered(client, &assigned, sent, admission, latency))),
            (Ok(_), None) => Err(Error::ClientGone),
            (Err(error), admission) if self.may_park(snapshot, service, &error, latency) => {
                self.admission = admission;
                Ok(Attempt::Parked)
            }
            (Err(error), _) => Ok(Attempt::Answered(failed(&assigned, &error, latency))),
        }
    }

    /// Whether a request that got no answer may wait for one: it is as it came, its time is not over, and there is a place.
    fn may_park(&mut self, snapshot: &Snapshot, service: &Service, error: &Error, waited: Duration) -> bool {
        let unreached = matches!(error, Error::NoEndpoint | Error::Connect(_) | Error::ConnectTimeout);
        let waits = service.park.is_some_and(|park| waited < park) && unreached && self.request.is_some();
        if waits && self.place.is_none() {
            self.place = Place::among(&self.client.worker, snapshot);
        }
        waits && self.place.is_some()
    }
}

/// An answer, and what it says of the version that should have given it.
struct Sent {
    answer: Answer,
    /// The arm that gave it: the assigned one, or stable where that could not be reached.
    by: usize,
    deadline: Deadline,
    failure: Option<Cause>,
}

async fn send(
    request: &mut Option<Request<RequestBody>>,
    forwarding: &Forwarding<'_>,
    progress: Option<Rc<Progress>>,
    target: Target,
    assigned: &Assigned<'_>,
) -> Result<Sent, Error> {
    let Assigned { worker, snapshot, service, .. } = assigned;
    if let Some(refusal) = &service.arms[assigned.arm].refusal {
        return Err(Error::Refused(Arc::clone(refusal)));
    }
    let deadline = worker.timer.deadline();
    let timeouts = &snapshot.timeouts;
    let patience = Patience {
        deadline: &deadline,
        connect: timeouts.connect,
        request: target.request_timeout,
        body_idle: timeouts.body_idle,
        progress,
    };
    patience.start();
    let (by, result, failure) = match forward(worker, &service.arms[assigned.arm], request, forwarding, &patience).await
    {
        // A version that cannot be reached, or breaks off what may be sent again, hurts its own record, not its visitors.
        Err(error) if request.is_some() && assigned.arm != service.fallback && cause(&error).is_some() => {
            assigned.line.fell_back(service.fallback);
            // Rare, so it gets no room in the future of every request.
            let fallback =
                Box::pin(forward(worker, &service.arms[service.fallback], request, forwarding, &patience)).await;
            (service.fallback, fallback, cause(&error))
        }
        result => (assigned.arm, result, None),
    };
    drop(patience);
    Ok(Sent { answer: result?, by, deadline, failure })
}

/// Rewrites the response and records it.
fn answered(
    client: &Client,
    assigned: &Assigned<'_>,
    sent: Sent,
    mut admission: Admission,
    latency: Duration,
) -> Response<ResponseBody> {
    let Sent { answer: Answer { response, mut link, lease }, by, deadline, failure } = sent;
    let (mut head, incoming) = response.into_parts();
    admission.answered();
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        let answer = Answer { response: Response::from_parts(head, incoming), link, lease };
        return switched(client, assigned, Sent { answer, by, deadline, failure }, admission, latency);
    }
    let Ok(closes) = headers::returned(&mut head.headers) else {
        forward::note_failure(&assigned.service.arms[by], lease.endpoint());
        return failed(assigned, &Error::BadResponse, latency);
    };
    link.last = closes || head.version == Version::HTTP_10;
    let failure = failure.or(head.status.is_server_error().then_some(Cause::Status));
    if head.status.is_server_error() {
        forward::note_failure(&assigned.service.arms[by], lease.endpoint());
    } else {
        lease.endpoint().succeeded();
    }
    // Ours, whatever the endpoint's is (RFC 9110 §6.2): it decides how the body is framed.
    head.version = Version::HTTP_11;
    assigned.record(&Outcome { latency, status: Some(head.status), failure }, &mut head.headers);
    let idle = assigned.snapshot.timeouts.body_idle;
    let body = ResponseBody::endpoint(incoming, link, lease, deadline, idle, admission);
    Response::from_parts(head, body)
}

/// Says that the protocol changes, and leaves the rest to the client's connection.
#[cold]
fn switched(
    client: &Client,
    assigned: &Assigned<'_>,
    sent: Sent,
    admission: Admission,
    latency: Duration,
) -> Response<ResponseBody> {
    let Sent { answer: Answer { response, link, lease }, by, failure, .. } = sent;
    let (mut head, _) = response.into_parts();
    let (Some((endpoint, ahead)), Ok(())) = (link.into_upgraded(), headers::returned_upgrade(&mut head.headers)) else {
        // Nobody asked for it, or it does not say for what.
        forward::note_failure(&assigned.service.arms[by], lease.endpoint());
        return failed(assigned, &Error::BadResponse, latency);
    };
    lease.endpoint().succeeded();
    head.version = Version::HTTP_11;
    assigned.record(&Outcome { latency, status: Some(head.status), failure }, &mut head.headers);
    client.upgrade.set(Some(Upgrade { endpoint, ahead, _lease: lease, _admission: admission }));
    Response::from_parts(head, ResponseBody::Text(None))
}

/// Answers in the place of a version that gave no response, and records that.
fn failed(assigned: &Assigned<'_>, error: &Error, latency: Duration) -> Response<ResponseBody> {
    let mut response = error.response();
    let (status, failure) = (Some(response.status()), cause(error));
    assigned.record(&Outcome { latency, status, failure }, response.headers_mut());
    response
}

/// Why an error counts against its version; `None` where it is not the version's fault.
fn cause(error: &Error) -> Option<Cause> {
    match error {
        Error::Connect(_) | Error::ConnectTimeout | Error::NoEndpoint => Some(Cause::Connect),
        Error::Reset(_) | Error::BadResponse => Some(Cause::Reset),
        Error::RequestTimeout => Some(Cause::Timeout),
        Error::Malformed(_)
        | Error::TargetTooLong
        | Error::BodyTooLarge
        | Error::Unsupported(_)
        | Error::NoRoute
        | Error::Misdirected
        | Error::Overloaded
        | Error::Refused(_)
        | Error::BodyTimeout
        | Error::ClientGone => None,
    }
}

/// A request whose client may go away before the response: it was exposed to its version all the same.
struct Unanswered<'a> {
    assigned: &'a Assigned<'a>,
    started: Instant,
    settled: Cell<bool>,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if !self.settled.get() {
            let latency = now().saturating_duration_since(self.started);
            let outcome = Outcome { latency, status: None, failure: None };
            self.assigned.record(&outcome, &mut HeaderMap::new());
        }
    }
}
