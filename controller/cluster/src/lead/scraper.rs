//! Reads proxies, each on a task of its own, so that one that hangs holds up nobody.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tidegate_controller::clock::Clock;
use tidegate_controller::counters::{self, Reading};
use tidegate_controller::engine::Timestamp;
use tidegate_controller::scrape::scrape;
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// What one proxy told.
#[derive(Debug, Clone)]
pub struct Scraped {
    /// Where it was read.
    pub target: SocketAddr,
    /// When.
    pub at: Timestamp,
    /// What it said, or why it did not.
    pub told: Result<Arc<Reading>, String>,
}

/// The proxies that are read.
#[derive(Debug)]
pub struct Scraper {
    clock: Clock,
    tasks: BTreeMap<SocketAddr, Task>,
    scraped: mpsc::Sender<Scraped>,
}

#[derive(Debug)]
struct Task {
    every: Duration,
    hurry: Arc<Notify>,
    handle: AbortHandle,
}

impl Scraper {
    /// A scraper of nothing, and where its readings come out.
    pub fn new(clock: Clock) -> (Self, mpsc::Receiver<Scraped>) {
        let (scraped, readings) = mpsc::channel(64);
        (Self { clock, tasks: BTreeMap::new(), scraped }, readings)
    }

    /// Reads these proxies this often from now on, and no others.
    pub fn want(&mut self, wanted: &BTreeMap<SocketAddr, Duration>) {
        self.tasks.retain(|target, task| {
            let stays = wanted.get(target) == Some(&task.every);
            if !stays {
                task.handle.abort();
            }
            stays
        });
        for (target, every) in wanted {
            if !self.tasks.contains_key(target) {
                let hurry = Arc::new(Notify::new());
                let read = read(*target, *every, Arc::clone(&hurry), self.clock.clone(), self.scraped.clone());
                let handle = tokio::spawn(read).abort_handle();
                self.tasks.insert(*target, Task { every: *every, hurry, handle });
            }
        }
    }

    /// Reads a proxy now.
    pub fn hurry(&self, target: &SocketAddr) {
        if let Some(task) = self.tasks.get(target) {
            task.hurry.notify_one();
        }
    }
}

impl Drop for Scraper {
    fn drop(&mut self) {
        self.tasks.values().for_each(|task| task.handle.abort());
    }
}

async fn read(target: SocketAddr, every: Duration, hurry: Arc<Notify>, clock: Clock, out: mpsc::Sender<Scraped>) {
    loop {
        let told = match scrape(target).await {
            Ok(text) => counters::read(&text).map(Arc::new).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        if out.send(Scraped { target, at: clock.now(), told }).await.is_err() {
            return;
        }
        // Sooner where somebody is in a hurry.
        let _ = timeout(every, hurry.notified()).await;
    }
}
