//! The life of the process: what it begins with, what runs beside the workers, how it ends.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate_config::{Config, Key, Limits, Problems, Publication};
use tidegate_proxy::admin::Operated;
use tidegate_proxy::subscribe::{Controller, Kept, KeptError, Newest, subscribe};
use tidegate_proxy::{Following, Lookups, Metrics, Proxy, StartError, admin, descriptors, fixed, follow, initial};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::options::Options;
use crate::signals::Signals;

/// Why the process failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    /// No runtime, signals or threads.
    #[error("cannot start")]
    Start(#[source] io::Error),
    /// The state directory.
    #[error("--state-dir: {0}")]
    State(#[source] KeptError),
    /// The configuration file cannot be read.
    #[error("cannot read {}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The configuration file is wrong.
    #[error("{} cannot be served:\n{problems}", .file.display())]
    Wrong {
        /// The file.
        file: PathBuf,
        /// Every problem.
        problems: Problems,
    },
    /// The address for metrics.
    #[error("cannot listen on {address} for metrics (--admin)")]
    Admin {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The data plane.
    #[error(transparent)]
    Proxy(#[from] StartError),
    /// Somebody did not wait.
    #[error("a second signal cut {0} request{s} that had not ended", s = if *.0 == 1 { "" } else { "s" })]
    Cut(u32),
}

/// Serves until a signal.
pub(crate) fn run(options: Options) -> Result<(), ProcessError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ProcessError::Start)?;
    runtime.block_on(serve(options))
}

async fn serve(options: Options) -> Result<(), ProcessError> {
    let mut signals = Signals::catch().map_err(ProcessError::Start)?;
    let connections = Limits::default().connections;
    if let Err(shortage) = descriptors::are_enough(descriptors::needed_for(connections), descriptors::take_all()) {
        eprintln!("tidegate: for the default of limits.connections: {shortage}");
    }
    let listener = TcpListener::bind(options.admin).await;
    let listener = listener.map_err(|source| ProcessError::Admin { address: options.admin, source })?;
    let admin = listener.local_addr().map_err(ProcessError::Start)?;
    let leave = Duration::from_secs(options.leave);
    let Process { proxy, following, ready } = Process::start(options).await?;
    say(&format!("metrics on http://{admin}/metrics\n"));
    let metrics = Arc::new(Metrics::new(Arc::clone(&proxy), unix_seconds()));
    let operated = Operated { leaves: Some(Arc::clone(&proxy)), metrics, ready: Arc::clone(&ready) };
    let serving = tokio::spawn(admin::serve(listener, operated));
    tokio::select! {
        () = announce(&proxy, following, &ready) => {}
        () = signals.next() => {}
    }
    ready.store(false, Ordering::Relaxed);
    if !leave.is_zero() {
        say(&format!("leaving within {} s; a second signal drains at once\n", leave.as_secs()));
        proxy.leave();
        tokio::select! {
            () = tokio::time::sleep(leave) => {}
            () = signals.next() => {}
        }
    }
    say("draining; a second signal cuts what has not ended\n");
    let result = end(proxy, &mut signals).await;
    serving.abort();
    result
}

/// What runs.
struct Process {
    proxy: Arc<Proxy>,
    following: watch::Receiver<Following>,
    ready: Arc<AtomicBool>,
}

impl Process {
    async fn start(options: Options) -> Result<Self, ProcessError> {
        let (fallbacks, beside) = (options.fallbacks(), options.beside());
        let Options { controller, ca, token, config, state_dir, workers, .. } = options;
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers = workers.map_or(cores, std::num::NonZero::get);
        let kept = Kept::open(&state_dir).map_err(ProcessError::State)?;
        let known = kept.read().unwrap_or_else(|error| {
            eprintln!("tidegate: {error}; it is not used");
            None
        });
        let first = match &config {
            Some(file) => of_file(file, known.as_ref())?,
            None => initial::publication(&fallbacks),
        };
        let first = Arc::new(first);
        let mut lookups = Lookups::from_system();
        let resolved = lookups.first(&first.config).await;
        let proxy = Arc::new(Proxy::start(&first, &resolved, workers)?);
        proxy.prefer(beside);
        let ready = Arc::new(AtomicBool::new(!first.config.listeners.is_empty()));
        let (newest, publications) = Newest::new(Arc::clone(&first), known.filter(|_| config.is_none()));
        let (status, following) = watch::channel(Following::default());
        tokio::spawn(follow(first, publications.clone(), Arc::clone(&proxy), lookups, status));
        tokio::spawn(kept.keep(publications, following.clone()));
        match controller.zip(ca).zip(token) {
            Some(((origin, ca), token)) => {
                drop(tokio::spawn(subscribe(Controller::new(origin, ca, token), newest, following.clone())));
            }
            // Nothing newer comes, and `follow` goes on with the names of the file.
            None => drop(tokio::spawn(async move {
                let _newest = newest;
                std::future::pending::<()>().await;
            })),
        }
        Ok(Self { proxy, following, ready })
    }
}

fn of_file(file: &Path, kept: Option<&Publication>) -> Result<Publication, ProcessError> {
    let read = std::fs::read_to_string(file);
    let text = read.map_err(|source| ProcessError::Read { file: file.to_owned(), source })?;
    let published = Config::parse(&text).and_then(|config| fixed::publication(config, kept, || Key(rand::random())));
    published.map_err(|problems| ProcessError::Wrong { file: file.to_owned(), problems })
}

/// Says what changes, and is ready once something is in force.
async fn announce(proxy: &Proxy, mut following: watch::Receiver<Following>, ready: &AtomicBool) {
    let (mut addresses, mut problem) = (Vec::new(), None);
    loop {
        let now = following.borrow_and_update().clone();
        if now.in_force > 0 {
            ready.store(true, Ordering::Relaxed);
        }
        let bound = proxy.addresses();
        for address in bound.iter().filter(|address| !addresses.contains(*address)) {
            say(&format!("listening on http://{address}\n"));
        }
        addresses = bound;
        if now.problem != problem {
            let text = now.problem.clone().unwrap_or_else(|| "the newest publication is in force".to_owned());
            eprintln!("tidegate: {text}");
            problem = now.problem;
        }
        if following.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Lets requests end; at the next signal they are cut.
async fn end(proxy: Arc<Proxy>, signals: &mut Signals) -> Result<(), ProcessError> {
    let drained = Arc::clone(&proxy);
    let mut draining = tokio::task::spawn_blocking(move || drained.drain());
    let (cut, hurried) = tokio::select! {
        biased;
        cut = &mut draining => (cut, false),
        () = signals.next() => {
            proxy.cut();
            (draining.await, true)
        }
    };
    // A panic has been printed by its own thread.
    match cut.unwrap_or_default() {
        0 => Ok(()),
        cut if hurried => Err(ProcessError::Cut(cut)),
        cut => {
            eprintln!(
                "tidegate: timeouts.drain is over: {cut} request{} cut",
                if cut == 1 { " was" } else { "s were" }
            );
            Ok(())
        }
    }
}

/// Prints to standard output. A reader that has gone away is no error.
fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[expect(clippy::disallowed_methods, reason = "the edge that reads the wall clock: when the counters began")]
fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
