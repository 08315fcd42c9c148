//! Deadlines of one worker on one coarse clock.
//!
//! A request has several timeouts and nearly none of them fires. A kernel timer or a heap entry for each would cost more
//! than the routing does, so all deadlines of a worker sit in one slab that a single tick looks through every 50 ms.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use slab::Slab;

/// The grain of every timeout.
pub(crate) const TICK: Duration = Duration::from_millis(50);

/// A point on the coarse clock, in ticks since the worker started.
pub(crate) type Tick = u64;

const NEVER: Tick = Tick::MAX;

struct Entry {
    expires: Tick,
    waker: Option<Waker>,
}

/// The clock and the deadlines of one worker.
pub(crate) struct Timer {
    origin: Instant,
    now: Cell<Tick>,
    entries: RefCell<Slab<Entry>>,
}

impl Timer {
    /// A clock that starts now.
    pub(crate) fn new(origin: Instant) -> Rc<Self> {
        Rc::new(Self { origin, now: Cell::new(0), entries: RefCell::new(Slab::new()) })
    }

    /// The time of the last tick.
    pub(crate) fn now(&self) -> Tick {
        self.now.get()
    }

    /// How many ticks make up `duration`, rounded up; one more because the clock may be a tick behind.
    pub(crate) fn ticks(duration: Duration) -> Tick {
        let ticks = duration.as_nanos().div_ceil(TICK.as_nanos()) + 1;
        Tick::try_from(ticks).unwrap_or(NEVER)
    }

    /// Moves the clock to `now` and wakes whoever's deadline has come.
    pub(crate) fn advance(&self, now: Instant) {
        let ticks = now.saturating_duration_since(self.origin).as_nanos() / TICK.as_nanos();
        let now = Tick::try_from(ticks).unwrap_or(NEVER - 1);
        self.now.set(now);
        self.wake(|entry| entry.expires <= now);
    }

    /// Wakes everybody, for example to look at a flag that has changed.
    pub(crate) fn wake_all(&self) {
        self.wake(|_| true);
    }

    fn wake(&self, due: impl Fn(&Entry) -> bool) {
        let entries = self.entries.borrow();
        let wakers: Vec<Waker> =
            entries.iter().filter(|(_, entry)| due(entry)).filter_map(|(_, entry)| entry.waker.clone()).collect();
        // Woken after the borrow ends: a waker may run code that sets a deadline.
        drop(entries);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// A deadline that is not set yet.
    pub(crate) fn deadline(self: &Rc<Self>) -> Deadline {
        let key = self.entries.borrow_mut().insert(Entry { expires: NEVER, waker: None });
        Deadline { timer: Rc::clone(self), key }
    }
}

/// One deadline; freed when dropped.
pub(crate) struct Deadline {
    timer: Rc<Timer>,
    key: usize,
}

impl Deadline {
    /// Expires `after` now.
    pub(crate) fn set(&self, after: Duration) {
        self.set_at(self.timer.now().saturating_add(Timer::ticks(after)));
    }

    /// Expires at a point on the clock.
    pub(crate) fn set_at(&self, expires: Tick) {
        if let Some(entry) = self.timer.entries.borrow_mut().get_mut(self.key) {
            entry.expires = expires;
        }
    }

    /// Ready once the deadline has passed; wakes the task then.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut entries = self.timer.entries.borrow_mut();
        let Some(entry) = entries.get_mut(self.key) else { return Poll::Pending };
        if entry.expires <= self.timer.now() {
            return Poll::Ready(());
        }
        match &mut entry.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// The clock this deadline is on.
    pub(crate) fn timer(&self) -> &Rc<Timer> {
        &self.timer
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.timer.entries.borrow_mut().try_remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_fires_between_its_time_and_two_ticks_later() {
        let start = crate::clock::now();
        let timer = Timer::new(start);
        let deadline = timer.deadline();
        deadline.set(Duration::from_millis(200));
        let mut cx = Context::from_waker(Waker::noop());
        timer.advance(start + Duration::from_millis(200));
        assert!(deadline.poll(&mut cx).is_pending());
        timer.advance(start + Duration::from_millis(300));
        assert!(deadline.poll(&mut cx).is_ready());
    }

    #[test]
    fn a_dropped_deadline_leaves_nothing() {
        let timer = Timer::new(crate::clock::now());
        for _ in 0..1_000 {
            timer.deadline().set(Duration::from_mins(1));
        }
        assert_eq!(timer.entries.borrow().len(), 0);
    }
}
