//! Sends a request to an endpoint of its version and waits for the head of the response.

use std::error::Error as _;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use tidegate_config::limits;

use crate::clock::now;
use crate::endpoint::{self, Endpoint};
use crate::error::Error;
use crate::forwarding::Forwarding;
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

/// Sends the request in `request` to an endpoint of `arm`. What was not sent, or can be sent twice without harm, is sent
/// once more, to another endpoint where there is one. What can be sent to another version is left in `request`.
pub(crate) async fn forward(
    worker: &Worker,
    arm: &Arm,
    request: &mut Option<Request<RequestBody>>,
    forwarding: &Forwarding<'_>,
    patience: &Patience<'_>,
) -> Result<Answer, Error> {
    let mut fresh = false;
    let mut tried = None;
    let (mut sent, mut unreached) = (0, 0);
    loop {
        let endpoint = choose(worker, arm, tried).ok_or(Error::NoEndpoint)?;
        tried = Some(endpoint.id);
        let pool = worker.pool(endpoint);
        let lease = pool.lease();
        let mut link = match open(worker, &pool, patience, fresh).await {
            Ok(link) => link,
            Err(error) => {
                endpoint.not_reached();
                note_failure(arm, endpoint);
                unreached += 1;
                if unreached < limits::ATTEMPTS_MAX && arm.endpoints.len() > 1 {
                    continue;
                }
                return Err(error);
            }
        };
        let failure = match link.exchange(request, forwarding, patience.deadline, || patience.is_over()).await {
            Ok(response) => return Ok(Answer { response, link, lease }),
            Err(failure) => failure,
        };
        // From here on: an idle connection that the endpoint closed is no failure, and a fresh one cannot be stale.
        let stale = link.reused;
        fresh = true;
        let error = match failure {
            Failure::NotSent if stale => continue,
            Failure::NotSent => Error::Connect(io::Error::from(io::ErrorKind::ConnectionReset)),
            Failure::Broken(error) => patience.blame(error),
            Failure::TimedOut => patience.lateness(),
        };
        let reset = matches!(error, Error::Reset(_));
        if !(stale && reset)
            && matches!(error, Error::Reset(_) | Error::BadResponse | Error::RequestTimeout | Error::Connect(_))
        {
            note_failure(arm, endpoint);
        }
        sent += 1;
        if reset {
            *request = link.head.borrow().replay();
            if request.is_some() && sent < limits::ATTEMPTS_MAX {
                continue;
            }
        }
        return Err(error);
    }
}

/// The less busy of two endpoints picked by chance (the power of two choices): nearly as even as looking at all, without
/// every worker running to the same one. Another than the one `tried` last, if there is one. Before them all the application
/// beside this proxy, to which no network leads.
fn choose<'a>(worker: &Worker, arm: &'a Arm, tried: Option<u64>) -> Option<&'a Arc<Endpoint>> {
    match &*arm.endpoints {
        [] => None,
        [only] => Some(only),
        all => {
            let now = now();
            let is_usable = |endpoint: &&Arc<Endpoint>| endpoint.is_admitted(now) && Some(endpoint.id) != tried;
            if let Some(beside) = arm.beside.and_then(|at| all.get(at)).filter(is_usable) {
                return Some(beside);
            }
            let (first, second) = worker.two_of(all.len());
            let (first, second) = (&all[first], &all[second]);
            match (is_usable(&first), is_usable(&second)) {
                (true, false) => Some(first),
                (false, true) => Some(second),
                (true, true) => {
                    let busier = worker.pool(first).in_flight() > worker.pool(second).in_flight();
                    Some(if busier { second } else { first })
                }
                // At most half are ejected, so another one is admitted, unless ejections crossed: then any will do.
                (false, false) => {
                    let admitted = || all.iter().find(|endpoint| endpoint.is_admitted(now));
                    all.iter().find(is_usable).or_else(admitted).or(Some(first))
                }
            }
        }
    }
}

async fn open(worker: &Worker, pool: &Rc<Pool>, patience: &Patience<'_>, fresh: bool) -> Result<Box<Link>, Error> {
    if !fresh && let Some(link) = pool.take() {
        return Ok(link);
    }
    let connect = Link::connect(pool.endpoint.address, &worker.outbox);
    // Rare, so it gets no room in the future of every request.
    let connecting = Box::pin(tokio::time::timeout(patience.connect.min(patience.request), connect));
    let link = connecting.await.map_err(|_| Error::ConnectTimeout)?.map_err(Error::Connect)?;
    pool.endpoint.reached();
    Ok(link)
}

/// Counts a failure against an endpoint, which may eject it.
pub(crate) fn note_failure(arm: &Arm, endpoint: &Endpoint) {
    let now = now();
    endpoint.failed(now, || endpoint::may_eject(arm.endpoints.iter().map(AsRef::as_ref), now));
}

impl Patience<'_> {
    /// Sets the deadline, once for all attempts.
    pub(crate) fn start(&self) {
        let uploading = self.progress.is_some();
        self.deadline.set(if uploading { self.request.min(self.body_idle) } else { self.request });
    }

    /// Whether the wait is over now that the deadline has passed; sets it anew where the request body has moved on.
    fn is_over(&self) -> bool {
        let Some(progress) = &self.progress else { return true };
        let now = self.deadline.timer().now();
        let after = |wait| progress.last.get().saturating_add(Timer::ticks(wait));
        let (until, look) = if progress.ended.get() {
            (after(self.request), after(self.request))
        } else {
            // The upload may end at any time, and from then on the other wait counts.
            let until = after(self.body_idle);
            (until, until.min(now + Timer::ticks(self.request)))
        };
        self.deadline.set_at(look);
        until <= now
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
            None if error.is_parse() || is_endless(&error) => Error::BadResponse,
            None => Error::Reset(error),
        }
    }
}

/// Whether our own limit on what comes before a response ended the exchange.
fn is_endless(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::InvalidData)
}
