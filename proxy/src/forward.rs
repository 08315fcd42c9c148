//! Sends a request to an endpoint of its version and waits for the head of the response.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, request};
use hyper::body::Incoming;
use tidegate_config::limits;

use crate::clock::now;
use crate::endpoint::{self, Endpoint};
use crate::error::Error;
use crate::link::{Failure, Link};
use crate::pool::{Lease, Pool};
use crate::snapshot::Arm;
use crate::timer::{Deadline, Timer};
use crate::upload::{Fault, Progress, RequestBody};
use crate::worker::Worker;

/// The head of a response, and the connection its body comes over.
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    pub(crate) link: Box<Link>,
    pub(crate) lease: Lease,
}

/// What bounds the wait for a response.
pub(crate) struct Patience<'a> {
    pub(crate) deadline: &'a Deadline,
    pub(crate) connect: Duration,
    pub(crate) request: Duration,
    pub(crate) body_idle: Duration,
    /// The request body, where there is one.
    pub(crate) progress: Option<Rc<Progress>>,
}

/// Sends `request` to an endpoint of `arm`. What was not sent, or can be sent twice without harm, is sent once more.
///
/// On an error that came before anything was sent, the request comes back with it.
pub(crate) async fn forward(
    worker: &Worker,
    arm: &Arm,
    request: Request<RequestBody>,
    patience: &Patience<'_>,
) -> Result<Answer, (Error, Option<Request<RequestBody>>)> {
    let mut request = request;
    let copy = replayable(&request);
    let mut fresh = false;
    for attempt in 1.. {
        let Some(endpoint) = choose(worker, &arm.endpoints) else { return Err((Error::NoEndpoint, Some(request))) };
        let pool = worker.pool(endpoint);
        let lease = pool.lease();
        let mut link = match open(&pool, patience, fresh).await {
            Ok(link) => link,
            Err(error) => {
                note_failure(arm, endpoint);
                if attempt < limits::ATTEMPTS_MAX && arm.endpoints.len() > 1 {
                    continue;
                }
                return Err((error, Some(request)));
            }
        };
        patience.start();
        let reused = link.reused;
        match link.exchange(request, patience.deadline, || patience.is_over()).await {
            Ok(response) => return Ok(Answer { response, link, lease }),
            Err(Failure::NotSent(unsent)) if reused => {
                // The endpoint closed an idle connection: nothing was lost, and a fresh one cannot be stale.
                request = unsent;
                fresh = true;
            }
            Err(Failure::NotSent(unsent)) => {
                note_failure(arm, endpoint);
                let error = Error::Connect(io::Error::from(io::ErrorKind::ConnectionReset));
                return Err((error, Some(unsent)));
            }
            Err(Failure::Broken(error)) => {
                let broken = patience.blame(error);
                let endpoint_is_at_fault = matches!(broken, Error::Reset(_) | Error::BadResponse);
                if endpoint_is_at_fault && !reused {
                    note_failure(arm, endpoint);
                }
                match &copy {
                    Some(copy) if matches!(broken, Error::Reset(_)) && attempt < limits::ATTEMPTS_MAX => {
                        request = Request::from_parts(copy.clone(), RequestBody::Empty);
                        fresh = true;
                    }
                    _ => return Err((broken, None)),
                }
            }
            Err(Failure::TimedOut) => {
                let error = patience.lateness();
                if matches!(error, Error::RequestTimeout) {
                    note_failure(arm, endpoint);
                }
                return Err((error, None));
            }
        }
    }
    Err((Error::NoEndpoint, None))
}

/// A copy of a request that may be sent twice: of an idempotent method (RFC 9110 §9.2.2) and without a body.
fn replayable(request: &Request<RequestBody>) -> Option<request::Parts> {
    let idempotent = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE
    );
    if !idempotent || !matches!(request.body(), RequestBody::Empty) {
        return None;
    }
    let mut copy = Request::new(());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy.into_parts().0)
}

/// The less busy of two endpoints picked by chance (the power of two choices): nearly as even as looking at all, without
/// every worker running to the same one.
fn choose<'a>(worker: &Worker, endpoints: &'a [Arc<Endpoint>]) -> Option<&'a Arc<Endpoint>> {
    match endpoints {
        [] => None,
        [only] => Some(only),
        all => {
            let now = now();
            let (first, second) = worker.two_of(all.len());
            let (first, second) = (&all[first], &all[second]);
            match (first.is_admitted(now), second.is_admitted(now)) {
                (true, false) => Some(first),
                (false, true) => Some(second),
                (true, true) => {
                    let busier = worker.pool(first).in_flight() > worker.pool(second).in_flight();
                    Some(if busier { second } else { first })
                }
                // At most half are ejected, so another one is admitted, unless ejections crossed: then any will do.
                (false, false) => Some(all.iter().find(|endpoint| endpoint.is_admitted(now)).unwrap_or(first)),
            }
        }
    }
}

async fn open(pool: &Rc<Pool>, patience: &Patience<'_>, fresh: bool) -> Result<Box<Link>, Error> {
    if !fresh && let Some(link) = pool.take() {
        return Ok(link);
    }
    let connecting = tokio::time::timeout(patience.connect, Link::connect(pool.endpoint.address));
    connecting.await.map_err(|_| Error::ConnectTimeout)?.map_err(Error::Connect)
}

/// Counts a failure against an endpoint, which may eject it.
pub(crate) fn note_failure(arm: &Arm, endpoint: &Endpoint) {
    let now = now();
    endpoint.failed(now, || endpoint::may_eject(arm.endpoints.iter().map(AsRef::as_ref), now));
}

impl Patience<'_> {
    /// Sets the deadline for one attempt.
    fn start(&self) {
        let uploading = self.progress.as_ref().is_some_and(|progress| !progress.ended.get());
        self.deadline.set(if uploading { self.body_idle } else { self.request });
    }

    /// Whether the wait is over now that the deadline has passed; sets it anew where the request body has moved on.
    fn is_over(&self) -> bool {
        let Some(progress) = &self.progress else { return true };
        let patience = if progress.ended.get() { self.request } else { self.body_idle };
        let until = progress.last.get().saturating_add(Timer::ticks(patience));
        self.deadline.set_at(until);
        until <= self.deadline.timer().now()
    }

    /// Which wait it was that took too long.
    fn lateness(&self) -> Error {
        let uploading = self.progress.as_ref().is_some_and(|progress| !progress.ended.get());
        if uploading { Error::BodyTimeout } else { Error::RequestTimeout }
    }

    /// Whose fault a broken exchange is.
    fn blame(&self, error: hyper::Error) -> Error {
        match self.progress.as_ref().and_then(|progress| progress.fault.get()) {
            Some(Fault::TooLarge) => Error::BodyTooLarge,
            Some(Fault::ClientGone) => Error::ClientGone,
            None if error.is_parse() => Error::BadResponse,
            None => Error::Reset(error),
        }
    }
}
