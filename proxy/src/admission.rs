//! Requests in flight: of a worker, so that overload is turned away early, and of a client connection, so that it is
//! known what the connection waits for.

use std::cell::Cell;
use std::rc::Rc;

use crate::timer::{Tick, Timer};

/// What a client connection is doing. Its timeouts follow from this.
pub(crate) struct Activity {
    timer: Rc<Timer>,
    /// Requests whose response is not fully handed over.
    in_flight: Cell<u32>,
    /// Those among them that wait for the head of a response, which has a deadline of its own.
    waiting: Cell<u32>,
    /// When the first byte of an unfinished request head came.
    head_since: Cell<Option<Tick>>,
    /// The last time a byte came or went.
    last_byte: Cell<Tick>,
    /// Whether something has been written that is not with the system yet.
    unsent: Cell<bool>,
}

/// What a connection may wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// For a request to begin, since then.
    Request(Tick),
    /// For the rest of a request head, since its first byte.
    Head(Tick),
    /// For the client to take a response, since the last byte moved.
    Transfer(Tick),
    /// For an endpoint, under the request's own deadline.
    Endpoint,
}

impl Activity {
    pub(crate) fn new(timer: Rc<Timer>) -> Rc<Self> {
        let now = timer.now();
        let (in_flight, waiting, head_since, last_byte) = (Cell::new(0), Cell::new(0), Cell::new(None), Cell::new(now));
        Rc::new(Self { timer, in_flight, waiting, head_since, last_byte, unsent: Cell::new(false) })
    }

    /// Bytes came from the client.
    pub(crate) fn received(&self) {
        let now = self.timer.now();
        self.last_byte.set(now);
        if self.in_flight.get() == 0 && self.head_since.get().is_none() {
            self.head_since.set(Some(now));
        }
    }

    /// Bytes went to the client.
    pub(crate) fn sent(&self) {
        self.last_byte.set(self.timer.now());
    }

    /// Something is written, or all of it is with the system.
    pub(crate) fn set_unsent(&self, unsent: bool) {
        self.unsent.set(unsent);
    }

    /// The last time a byte came or went.
    pub(crate) fn last_byte(&self) -> Tick {
        self.last_byte.get()
    }

    /// Whether nothing has been going on for so long.
    pub(crate) fn is_quiet(&self, ticks: Tick) -> bool {
        let since = |last: Tick| last.saturating_add(ticks) <= self.timer.now();
        !self.unsent.get() && matches!(self.wait(true), Wait::Request(last) if since(last))
    }

    /// Whether a request is under way.
    pub(crate) fn is_busy(&self) -> bool {
        self.in_flight.get() > 0
    }

    /// What the connection waits for. An HTTP/2 connection gets frames that begin no request, so only HTTP/1.1 has a
    /// wait for the rest of a head.
    pub(crate) fn wait(&self, is_http1: bool) -> Wait {
        match (self.in_flight.get(), self.head_since.get()) {
            (0, Some(since)) if is_http1 => Wait::Head(since),
            (0, _) => Wait::Request(self.last_byte.get()),
            _ if self.waiting.get() > 0 => Wait::Endpoint,
            _ => Wait::Transfer(self.last_byte.get()),
        }
    }
}

/// The requests in flight at one worker.
#[derive(Default)]
pub(crate) struct Gate {
    in_flight: Cell<u32>,
}

impl Gate {
    /// How many are in.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.get()
    }

    /// Lets a request in, unless `limit` are in already.
    pub(crate) fn admit(self: &Rc<Self>, activity: &Rc<Activity>, limit: u32) -> Option<Admission> {
        activity.head_since.set(None);
        if self.in_flight.get() >= limit {
            return None;
        }
        self.in_flight.set(self.in_flight.get() + 1);
        activity.in_flight.set(activity.in_flight.get() + 1);
        activity.waiting.set(activity.waiting.get() + 1);
        Some(Admission { gate: Rc::clone(self), activity: Rc::clone(activity), answered: false })
    }
}

/// A request in flight, until dropped.
pub(crate) struct Admission {
    gate: Rc<Gate>,
    activity: Rc<Activity>,
    answered: bool,
}

impl Admission {
    /// The head of the response has come.
    pub(crate) fn answered(&mut self) {
        if !self.answered {
            self.answered = true;
            self.activity.waiting.set(self.activity.waiting.get().saturating_sub(1));
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.answered();
        let activity = &self.activity;
        activity.in_flight.set(activity.in_flight.get().saturating_sub(1));
        activity.last_byte.set(activity.timer.now());
        self.gate.in_flight.set(self.gate.in_flight.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn a_connection_waits_for_one_thing_at_a_time() {
        let activity = Activity::new(Timer::new(crate::clock::now()));
        let gate = Rc::new(Gate::default());
        assert_eq!(activity.wait(true), Wait::Request(0));
        activity.received();
        assert_eq!((activity.wait(true), activity.wait(false)), (Wait::Head(0), Wait::Request(0)));
        let mut admission = gate.admit(&activity, 1).unwrap();
        assert_eq!(activity.wait(true), Wait::Endpoint);
        assert!(gate.admit(&activity, 1).is_none());
        admission.answered();
        assert_eq!(activity.wait(true), Wait::Transfer(0));
        drop(admission);
        assert_eq!(activity.wait(true), Wait::Request(0));
        activity.received();
        assert!(gate.admit(&activity, 0).is_none());
        assert_eq!(activity.wait(true), Wait::Request(0), "a head that was turned away is complete");
        assert!(gate.admit(&activity, 1).is_some());
    }
}
