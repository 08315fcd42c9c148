//! The worker threads, and the one handle by which the rest of the process rules them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tidegate_config::{Config, Problems, Publication};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use crate::access_log::AccessLog;
use crate::clock::now;
use crate::ledger::Counting;
use crate::listen;
use crate::registry::Registry;
use crate::state::{Beside, Resolved, State};
use crate::timer::TICK;
use crate::tls::check_certificates;
use crate::worker::Worker;

/// Why the proxy cannot start or take a configuration.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address could not be opened.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Certificates that cannot be served.
    #[error("{0}")]
    Certificates(Problems),
    /// A thread or its runtime could not be started.
    #[error("cannot start a worker: {0}")]
    Worker(#[source] io::Error),
}

enum Command {
    Listen { listener: std::net::TcpListener, address: SocketAddr, stop: watch::Receiver<bool> },
    Leave,
    Drain { deadline: Instant },
    Cut,
}

/// A running data plane.
#[derive(Debug)]
pub struct Proxy {
    state: Arc<State>,
    counting: Counting,
    access_log: AccessLog,
    commands: Vec<mpsc::UnboundedSender<Command>>,
    /// Each returns how many requests it cut.
    threads: Mutex<Vec<JoinHandle<u32>>>,
    listeners: Mutex<Listeners>,
}

/// By the address that was asked for: the address bound, and the word to stop.
type Listeners = BTreeMap<SocketAddr, (SocketAddr, watch::Sender<bool>)>;

impl Proxy {
    /// Starts `workers` threads with a first publication in force, listening on its addresses. The access log, where the
    /// configuration asks for one, goes to standard output.
    pub fn start(publication: &Publication, resolved: &Resolved, workers: usize) -> Result<Self, StartError> {
        Self::start_logging_to(io::stdout(), publication, resolved, workers)
    }

    /// The same with another place for the access log.
    pub fn start_logging_to(
        out: impl io::Write + Send + 'static,
        publication: &Publication,
        resolved: &Resolved,
        workers: usize,
    ) -> Result<Self, StartError> {
        let registry: Arc<Mutex<Registry>> = Arc::default();
        let (counting, reporters) = Counting::start(Arc::clone(&registry), workers).map_err(StartError::Worker)?;
        let (access_log, logs) = AccessLog::start(out, workers).map_err(StartError::Worker)?;
        access_log.switch(publication.config.access_log.is_some());
        let state = State::new(publication, resolved, workers, registry).map_err(StartError::Certificates)?;
        let state = Arc::new(state);
        let (mut commands, mut threads) = (Vec::new(), Vec::new());
        for (index, (reporter, log)) in reporters.into_iter().zip(logs).enumerate() {
            let (sender, receiver) = mpsc::unbounded_channel();
            let state = Arc::clone(&state);
            let body = move || run(index, || Worker::new(index, workers, state, reporter, log), receiver);
            let thread = thread::Builder::new().name(format!("tidegate-worker-{index}")).spawn(body);
            threads.push(thread.map_err(StartError::Worker)?);
            commands.push(sender);
        }
        let proxy =
            Self { state, counting, access_log, commands, threads: Mutex::new(threads), listeners: Mutex::default() };
        proxy.listen(publication)?;
        Ok(proxy)
    }

    /// Puts a publication in force. Certificates are read and new addresses opened before anything else changes, so that a
    /// bad certificate or an address in use refuses the whole publication; addresses that are gone let their clients finish,
    /// and connections go on under the certificate that they were opened with.
    pub fn apply(&self, publication: &Publication, resolved: &Resolved) -> Result<(), StartError> {
        self.state.prepare(&publication.config).map_err(StartError::Certificates)?;
        self.listen(publication)?;
        self.access_log.switch(publication.config.access_log.is_some());
        self.state.apply(publication, resolved).map_err(StartError::Certificates)
    }

    /// Whether the certificates of a configuration can be served, and every address be opened, or is open. It may still be
    /// taken by somebody else before [`apply`](Self::apply).
    pub fn can_open(&self, config: &Config) -> Result<(), StartError> {
        check_certificates(config).map_err(StartError::Certificates)?;
        let listeners = lock(&self.listeners);
        config.listeners.iter().try_for_each(|listener| Self::probe(&listeners, listener.address))
    }

    /// Prefers the application beside this proxy from the next publication on: what its version is to answer goes there while
    /// it answers, and elsewhere when it does not.
    pub fn prefer(&self, beside: Beside) {
        self.state.prefer(beside);
    }

    /// What the workers read and count.
    pub fn state(&self) -> &Arc<State> {
        &self.state
    }

    /// Evidence events lost to a full queue.
    pub fn dropped_events(&self) -> u64 {
        self.counting.dropped()
    }

    /// Lines of the access log lost to a full queue or a closed output.
    pub fn dropped_lines(&self) -> u64 {
        self.access_log.dropped()
    }

    /// The addresses clients can connect to.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        lock(&self.listeners).values().map(|(bound, _)| *bound).collect()
    }

    /// The same as URLs.
    pub fn urls(&self) -> Vec<String> {
        let tls = &self.state.current().load().tls;
        let url = |(address, (bound, _)): (&SocketAddr, &(SocketAddr, _))| {
            let scheme = if tls.at(*address).is_some() { "https" } else { "http" };
            format!("{scheme}://{bound}")
        };
        lock(&self.listeners).iter().map(url).collect()
    }

    fn listen(&self, publication: &Publication) -> Result<(), StartError> {
        let mut listeners = lock(&self.listeners);
        // Several may share one.
        let wanted: BTreeSet<SocketAddr> =
            publication.config.listeners.iter().map(|listener| listener.address).collect();
        let mut opened = Vec::new();
        for address in wanted.iter().filter(|address| !listeners.contains_key(address)) {
            Self::probe(&listeners, *address)?;
            let failed = |source| StartError::Listen { address: *address, source };
            let first = listen::bind(*address).map_err(failed)?;
            let bound = first.local_addr().map_err(failed)?;
            let mut sockets = vec![first];
            for _ in 1..self.commands.len() {
                sockets.push(listen::bind(bound).map_err(failed)?);
            }
            opened.push((*address, bound, sockets));
        }
        for (address, bound, sockets) in opened {
            let (stop, stopped) = watch::channel(false);
            for (worker, listener) in self.commands.iter().zip(sockets) {
                // A worker that is gone has been reported by its panic; the others go on.
                let _ = worker.send(Command::Listen { listener, address, stop: stopped.clone() });
            }
            listeners.insert(address, (bound, stop));
        }
        listeners.retain(|address, (_, stop)| wanted.contains(address) || stop.send(true).is_err());
        Ok(())
    }

    /// Finds out whether somebody else listens on an address. Opening it does not tell: every socket that shares its port
    /// like ours do would be let in, and be given a part of its clients.
    fn probe(listeners: &Listeners, address: SocketAddr) -> Result<(), StartError> {
        // Next to one of our own, a wildcard address for example, this cannot be told apart from somebody else's.
        let ours =
            |(known, (bound, _)): (&SocketAddr, &(SocketAddr, _))| *known == address || bound.port() == address.port();
        if listeners.iter().any(ours) {
            return Ok(());
        }
        listen::probe(address).map_err(|source| StartError::Listen { address, source })
    }

    /// Goes on taking clients, and has each HTTP/1.1 response say that its connection ends (RFC 9112 §9.6): by the time of
    /// [`drain`](Self::drain) only connections are left that nobody uses. One that is closed while its client uses it loses
    /// a request.
    pub fn leave(&self) {
        for worker in &self.commands {
            // One that is gone has no clients.
            let _ = worker.send(Command::Leave);
        }
    }

    /// Takes no more clients, lets requests end within `timeouts.drain`, and returns when all workers have stopped: how many
    /// requests had not ended and were cut.
    pub fn drain(&self) -> u32 {
        for (_, stop) in lock(&self.listeners).values() {
            let _ = stop.send(true);
        }
        let deadline = now() + self.state.current().load().timeouts.drain;
        for worker in &self.commands {
            let _ = worker.send(Command::Drain { deadline });
        }
        let threads = std::mem::take(&mut *lock(&self.threads));
        // A worker that panicked has said so; what it was at is not known.
        let cut = threads.into_iter().map(|thread| thread.join().unwrap_or_default()).sum();
        self.access_log.finish();
        cut
    }

    /// Ends a drain now: requests that have not ended are cut.
    pub fn cut(&self) {
        for worker in &self.commands {
            // One that is gone has none.
            let _ = worker.send(Command::Cut);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The body of a worker thread: how many requests it cut at its end.
fn run(index: usize, worker: impl FnOnce() -> Rc<Worker>, commands: mpsc::UnboundedReceiver<Command>) -> u32 {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    match runtime {
        Ok(runtime) => runtime.block_on(work(worker(), commands)),
        // Without a runtime there is no worker; its listeners close, so the kernel gives its clients to the others.
        Err(error) => {
            eprintln!("tidegate: worker {index} cannot start: {error}");
            0
        }
    }
}

fn listen(worker: &Rc<Worker>, listener: std::net::TcpListener, address: SocketAddr, stop: watch::Receiver<bool>) {
    match TcpListener::from_std(listener) {
        Ok(listener) => {
            drop(tokio::task::spawn_local(listen::accept(Rc::clone(worker), listener, address, stop)));
        }
        Err(error) => eprintln!("tidegate: worker {} cannot listen: {error}", worker.index),
    }
}

async fn work(worker: Rc<Worker>, mut commands: mpsc::UnboundedReceiver<Command>) -> u32 {
    drop(tokio::task::spawn_local(Rc::clone(&worker.outbox).send()));
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut until: Option<Instant> = None;
    loop {
        tokio::select! {
            biased;
            command = commands.recv() => match command {
                Some(Command::Listen { listener, address, stop }) => listen(&worker, listener, address, stop),
                Some(Command::Leave) => worker.leaving.set(true),
                Some(Command::Drain { deadline }) => {
                    until = Some(deadline);
                    worker.leaving.set(true);
                    worker.draining.set(true);
                    worker.timer.wake_all();
                }
                Some(Command::Cut) | None => return worker.gate.in_flight(),
            },
            _ = tick.tick() => {
                let now = now();
                worker.tick(now);
                if until.is_some_and(|until| worker.is_empty() || now >= until) {
                    return worker.gate.in_flight();
                }
            }
        }
    }
}
