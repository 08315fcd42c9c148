//! Requests that nobody can answer at the moment: they wait until somebody can, instead of being answered 502 or 503, where
//! their service is so configured (`park`). Between two versions that may not run at the same time nothing is lost so.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::Response;
use tidegate_config::limits;

use crate::body::ResponseBody;
use crate::error::Error;
use crate::handle::{Admitted, Attempt};
use crate::snapshot::Snapshot;
use crate::timer::Timer;
use crate::worker::Worker;

/// Tries a request again, each time under the snapshot in force then, until it has an answer.
pub(crate) async fn wait(request: &mut Admitted<'_>, tried: &Arc<Snapshot>) -> Result<Response<ResponseBody>, Error> {
    let worker = &*request.client.worker;
    let longest = Duration::from_millis(limits::PARKED_TRY_MILLIS_MAX.into());
    let mut pause = Duration::from_millis(limits::PARKED_TRY_MILLIS_MIN.into());
    let mut tried = Arc::clone(tried);
    loop {
        changed(worker, &tried, pause).await;
        pause = (pause * 2).min(longest);
        tried = Arc::clone(&worker.snapshot());
        request.line.renew(&tried);
        if let Attempt::Answered(response) = request.attempt(&tried).await? {
            return Ok(response);
        }
    }
}

/// Waits for another snapshot than the one that was tried; at most for `pause`, after which an address may have somebody
/// behind it.
async fn changed(worker: &Worker, tried: &Arc<Snapshot>, pause: Duration) {
    let timer = &worker.timer;
    let (tick, until) = (timer.deadline(), timer.now().saturating_add(Timer::ticks(pause)));
    poll_fn(|cx| {
        while timer.now() < until && Arc::ptr_eq(tried, &worker.snapshot()) {
            tick.set_at(timer.now() + 1);
            if tick.poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    })
    .await;
}

/// A place among the requests that wait, until dropped.
pub(crate) struct Place(Rc<Worker>);

impl Place {
    /// A place, unless this worker's part of them is taken: what can be served must not be turned away for what waits.
    pub(crate) fn among(worker: &Rc<Worker>, snapshot: &Snapshot) -> Option<Self> {
        let all = worker.part_of(snapshot.limits.requests_in_flight);
        let most = u64::from(all) * u64::from(limits::PARKED_PERCENT_MAX) / 100;
        worker.parked().enter(worker.index, most).then(|| Self(Rc::clone(worker)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.parked().leave(self.0.index);
    }
}

/// One worker's counters; no other thread writes them.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    waiting: AtomicU64,
    all: AtomicU64,
}

/// The counters of all workers.
#[derive(Debug)]
pub(crate) struct Parked(Box<[Shard]>);

impl Parked {
    /// Counters at zero for `workers` workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Shard::default()).collect())
    }

    /// Counts a request of a worker, unless `most` of them wait.
    fn enter(&self, worker: usize, most: u64) -> bool {
        let Some(Shard { waiting, all }) = self.0.get(worker) else { return false };
        let there = waiting.load(Ordering::Relaxed);
        if there >= most {
            return false;
        }
        waiting.store(there + 1, Ordering::Relaxed);
        all.store(all.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        true
    }

    fn leave(&self, worker: usize) {
        let Some(Shard { waiting, .. }) = self.0.get(worker) else { return };
        waiting.store(waiting.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
    }

    /// How many wait now.
    pub(crate) fn waiting(&self) -> u64 {
        self.0.iter().map(|shard| shard.waiting.load(Ordering::Relaxed)).sum()
    }

    /// How many have had to.
    pub(crate) fn all(&self) -> u64 {
        self.0.iter().map(|shard| shard.all.load(Ordering::Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_has_its_part_of_the_places() {
        let parked = Parked::new(2);
        assert!(parked.enter(0, 2) && parked.enter(0, 2) && !parked.enter(0, 2));
        assert!(parked.enter(1, 2), "another worker's places are its own");
        parked.leave(0);
        assert!(parked.enter(0, 2));
        assert_eq!((parked.waiting(), parked.all()), (3, 4));
        assert!(!parked.enter(0, 0) && !parked.enter(2, 1), "no place, no worker");
    }
}
