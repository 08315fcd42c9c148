//! A waker that can be told to keep still.
//!
//! hyper wakes the task of a connection whenever somebody takes a part of a body from it. Here that is the same task, which
//! is running already and would only be run once more for nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};

/// Passes wake-ups on to another waker, except while muted.
pub(crate) struct Muted {
    shared: Arc<Shared>,
    waker: Waker,
    /// The target once more, to be compared with without taking the lock.
    target: Waker,
}

struct Shared {
    muted: AtomicBool,
    target: Mutex<Waker>,
}

impl Default for Muted {
    fn default() -> Self {
        let shared = Arc::new(Shared { muted: AtomicBool::new(false), target: Mutex::new(Waker::noop().clone()) });
        Self { waker: Waker::from(Arc::clone(&shared)), shared, target: Waker::noop().clone() }
    }
}

impl Muted {
    /// From now on wakes `target`.
    pub(crate) fn wake_instead(&mut self, target: &Waker) {
        if !self.target.will_wake(target) {
            self.target.clone_from(target);
            self.shared.target.lock().unwrap_or_else(PoisonError::into_inner).clone_from(target);
        }
    }

    /// The waker to hand out.
    pub(crate) fn as_waker(&self) -> &Waker {
        &self.waker
    }

    /// Runs `body`; wake-ups meanwhile are lost.
    pub(crate) fn while_muted<T>(&self, body: impl FnOnce() -> T) -> T {
        self.shared.muted.store(true, Ordering::Relaxed);
        let result = body();
        self.shared.muted.store(false, Ordering::Relaxed);
        result
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.muted.load(Ordering::Relaxed) {
            self.target.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn wakes_its_target_unless_muted() {
        let counter = Arc::new(Counter::default());
        let mut muted = Muted::default();
        muted.wake_instead(&Waker::from(Arc::clone(&counter)));
        muted.as_waker().wake_by_ref();
        muted.while_muted(|| muted.as_waker().wake_by_ref());
        muted.as_waker().wake_by_ref();
        assert_eq!(counter.0.load(Ordering::Relaxed), 2);
    }
}
