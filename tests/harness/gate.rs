//! A gate that holds threads until the test opens it.

use std::sync::{Arc, Condvar, Mutex};

use super::clock::DEADLINE;

/// Shut until opened, then open for good. Clones are the same gate.
#[derive(Clone, Default)]
pub(crate) struct Gate(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    open: bool,
    waiting: usize,
}

impl Gate {
    /// Lets everybody pass.
    pub(crate) fn open(&self) {
        self.0.0.lock().unwrap().open = true;
        self.0.1.notify_all();
    }

    /// Blocks until the gate is open, or the deadline has passed.
    pub(crate) fn pass(&self) {
        let mut state = self.0.0.lock().unwrap();
        state.waiting += 1;
        drop(self.0.1.wait_timeout_while(state, DEADLINE, |state| !state.open).unwrap());
    }

    /// Whether it has been opened.
    pub(crate) fn is_open(&self) -> bool {
        self.0.0.lock().unwrap().open
    }

    /// How many have come to the gate.
    pub(crate) fn arrived(&self) -> usize {
        self.0.0.lock().unwrap().waiting
    }
}
