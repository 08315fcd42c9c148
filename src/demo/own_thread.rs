//! A thread with a runtime of its own. The shop, the crowd and the controller each have one, so that none of them waits
//! for another and the proxy's workers run nothing but the proxy.

use std::future::Future;
use std::io;
use std::sync::mpsc::sync_channel;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::oneshot;

/// Resolves when the thread is to stop.
pub(crate) type Stop = oneshot::Receiver<()>;

/// A running thread. Dropping it stops the thread, with every task on it, and waits for that.
#[derive(Debug)]
pub(crate) struct OwnThread {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl OwnThread {
    /// Runs a future, made on the thread, until it ends. It should end when it is told to stop.
    pub(crate) fn start<F: Future<Output = ()>>(
        name: &str,
        body: impl FnOnce(Stop) -> F + Send + 'static,
    ) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (ready, built) = sync_channel(1);
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                Ok(runtime) => {
                    // Whoever waits for this is there until it comes.
                    let _ = ready.send(Ok(()));
                    runtime.block_on(body(stopped));
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        })?;
        built.recv().map_err(io::Error::other)??;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    /// Whether it ended by itself: nobody told it to, so it failed.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for OwnThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic on it has been reported by its hook.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_until_dropped() {
        let (told, tell) = sync_channel(1);
        let thread = OwnThread::start("test", async move |stop| {
            let task = tokio::task::spawn_local(std::future::pending::<()>());
            let _ = stop.await;
            told.send(task.is_finished()).unwrap();
        });
        let thread = thread.unwrap();
        assert!(!thread.has_ended());
        drop(thread);
        assert_eq!(tell.recv(), Ok(false));
    }
}
