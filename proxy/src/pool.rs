//! The connections of one worker to one endpoint.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tidegate_config::limits;

use crate::endpoint::Endpoint;
use crate::link::Link;
use crate::timer::{Tick, Timer};

/// Idle connections, and how many requests are under way.
pub(crate) struct Pool {
    /// The endpoint.
    pub(crate) endpoint: Arc<Endpoint>,
    /// The one used last is used next: the others may grow old and be closed.
    #[expect(clippy::vec_box, reason = "a link is large and moves between here and bodies")]
    idle: RefCell<Vec<Box<Link>>>,
    in_flight: Cell<u32>,
}

impl Pool {
    pub(crate) fn new(endpoint: Arc<Endpoint>) -> Rc<Self> {
        Rc::new(Self { endpoint, idle: RefCell::new(Vec::new()), in_flight: Cell::new(0) })
    }

    /// Requests of this worker that the endpoint has not fully answered.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.get()
    }

    /// Counts a request until the lease is dropped.
    pub(crate) fn lease(self: &Rc<Self>) -> Lease {
        self.in_flight.set(self.in_flight.get() + 1);
        Lease(Rc::clone(self))
    }

    /// An idle connection that can take a request.
    pub(crate) fn take(&self) -> Option<Box<Link>> {
        let mut idle = self.idle.borrow_mut();
        std::iter::from_fn(|| idle.pop()).find_map(|mut link| link.is_ready().then_some(link))
    }

    /// Closes connections that were idle for too long, or that the endpoint has closed; true if nothing is left here.
    pub(crate) fn sweep(&self, now: Tick, idle: Duration) -> bool {
        let mut links = self.idle.borrow_mut();
        links.retain_mut(|link| link.idle_since.saturating_add(Timer::ticks(idle)) > now && link.is_ready());
        links.is_empty() && self.in_flight.get() == 0
    }
}

/// A request under way at an endpoint.
pub(crate) struct Lease(Rc<Pool>);

impl Lease {
    /// The endpoint it is at.
    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.0.endpoint
    }

    /// Puts a connection aside for the next request. Whether it is fit for one is asked when that comes: by then nobody
    /// holds on to what was read over it, and its buffer can be filled anew instead of replaced.
    pub(crate) fn put(&self, mut link: Box<Link>, now: Tick) {
        let mut idle = self.0.idle.borrow_mut();
        if !link.last && idle.len() < limits::IDLE_PER_ENDPOINT_MAX {
            link.rest();
            link.idle_since = now;
            link.reused = true;
            idle.push(link);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get().saturating_sub(1));
    }
}
