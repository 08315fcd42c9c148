//! The thread that writes the access log.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tidegate_config::limits;

use super::{Entry, Log, format};
use crate::clock::now;

/// How long a line may wait while there is a log.
const PERIOD: Duration = Duration::from_millis(10);
/// How long the thread sleeps while there is none; it is woken when there is one again.
const IDLE: Duration = Duration::from_secs(1);
/// Bytes written at once.
const PAGE_BYTES: usize = 64 * 1024;
/// How long the end of the proxy waits for the last lines: an output that nobody reads must not hold it up.
const LAST_LINES: Duration = Duration::from_secs(1);

/// The log of a proxy.
#[derive(Debug)]
pub(crate) struct AccessLog {
    switches: Arc<Switches>,
    dropped: Arc<AtomicU64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Switches {
    on: AtomicBool,
    stop: AtomicBool,
}

impl AccessLog {
    /// Starts the thread; one end of the queue for each worker.
    pub(crate) fn start(out: impl Write + Send + 'static, workers: usize) -> io::Result<(Self, Vec<Log>)> {
        let dropped = Arc::<AtomicU64>::default();
        let channel = |_| sync_channel(limits::ACCESS_LOG_QUEUE_MAX);
        let (queues, receivers): (Vec<_>, Vec<_>) = (0..workers).map(channel).unzip();
        let logs = queues.into_iter().map(|queue| Log { queue, dropped: Arc::clone(&dropped) }).collect();
        let switches = Arc::<Switches>::default();
        let (seen, mut page) = (Arc::clone(&switches), Page::new(out, Arc::clone(&dropped)));
        let body = move || write(&receivers, &mut page, &seen);
        let thread = thread::Builder::new().name("tidegate-log".into()).spawn(body)?;
        Ok((Self { switches, dropped, thread: Mutex::new(Some(thread)) }, logs))
    }

    /// Tells the thread whether lines are to be expected.
    pub(crate) fn switch(&self, on: bool) {
        self.switches.on.store(on, Ordering::Release);
        if let Some(thread) = &*self.thread.lock().unwrap_or_else(PoisonError::into_inner) {
            thread.thread().unpark();
        }
    }

    /// Lines that were lost.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Writes what was sent so far and ends, or gives up where the output takes too long.
    pub(crate) fn finish(&self) {
        self.switches.stop.store(true, Ordering::Release);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        thread.thread().unpark();
        let until = now() + LAST_LINES;
        while !thread.is_finished() && now() < until {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.finish();
    }
}

fn write(receivers: &[Receiver<Box<Entry>>], page: &mut Page<impl Write>, switches: &Switches) {
    loop {
        // Read first: what was sent before the word to stop is in the queues by now.
        let stop = switches.stop.load(Ordering::Acquire);
        for receiver in receivers {
            for entry in receiver.try_iter().take(limits::ACCESS_LOG_QUEUE_MAX) {
                page.add(&entry);
            }
        }
        page.turn();
        if stop {
            return;
        }
        thread::park_timeout(if switches.on.load(Ordering::Acquire) { PERIOD } else { IDLE });
    }
}

/// Lines on their way to the output.
struct Page<W> {
    out: W,
    text: String,
    lines: u64,
    dropped: Arc<AtomicU64>,
}

impl<W: Write> Page<W> {
    fn new(out: W, dropped: Arc<AtomicU64>) -> Self {
        Self { out, text: String::new(), lines: 0, dropped }
    }

    fn add(&mut self, entry: &Entry) {
        format::line(entry, &mut self.text);
        self.lines += 1;
        if self.text.len() >= PAGE_BYTES {
            self.turn();
        }
    }

    /// Writes the page. Where nobody reads any more its lines are lost, and the proxy goes on.
    fn turn(&mut self) {
        if self.lines == 0 {
            return;
        }
        if self.out.write_all(self.text.as_bytes()).and_then(|()| self.out.flush()).is_err() {
            self.dropped.fetch_add(self.lines, Ordering::Relaxed);
        }
        self.text.clear();
        self.lines = 0;
    }
}
