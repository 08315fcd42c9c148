//! One running instance: the proxy's workers on their threads, and everything else on one more: the controller, the
//! operator's socket and the metrics. No worker ever waits for any of it.

mod announce;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{SystemTime, UNIX_EPOCH};

use tidegate_config::{Config, Publication};
use tidegate_controller::clock::Clock;
use tidegate_controller::control::{Control, ControlError};
use tidegate_controller::reconcile::{Asks, Controller, Handle, ReconcileError, asks};
use tidegate_controller::watch::{Seen, WatchError, Watcher};
use tidegate_proxy::admin::Operated;
use tidegate_proxy::{Following, Lookups, Metrics, Proxy, StartError, admin, follow};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};

/// Why an instance cannot run.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// The state directory cannot be used.
    #[error(transparent)]
    State(#[from] ReconcileError),
    /// The data plane cannot start.
    #[error(transparent)]
    Proxy(#[from] StartError),
    /// The operator's socket cannot be opened.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The file cannot be followed.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The address for metrics cannot be opened.
    #[error("cannot listen on {address} for metrics (admin.address): {source}")]
    Admin {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A thread or its runtime cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
}

/// A running instance.
#[derive(Debug)]
pub struct Instance {
    proxy: Arc<Proxy>,
    handle: Handle,
    admin: SocketAddr,
    ready: Arc<AtomicBool>,
    stop: Option<oneshot::Sender<()>>,
    control: Option<JoinHandle<Result<(), ReconcileError>>>,
}

/// What the control thread works on.
struct Parts {
    controller: Controller,
    control: Control,
    asks: Asks,
    handle: Handle,
    first: Arc<Publication>,
    publications: watch::Receiver<Arc<Publication>>,
    lookups: Lookups,
    file: Option<(Watcher, watch::Receiver<Seen>)>,
    proxy: Arc<Proxy>,
    operated: Operated,
    admin: TcpListener,
    stopped: oneshot::Receiver<()>,
}

impl Instance {
    /// Starts an instance with its state in a directory. `file`, if given, is followed.
    pub fn start(config: Arc<Config>, file: Option<PathBuf>, state_dir: &Path) -> Result<Self, InstanceError> {
        let started = unix_seconds();
        let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let workers = config.workers.map_or(cores, std::num::NonZero::get);
        let address = config.admin.address;
        let mut controller = Controller::open(state_dir, config, Clock::System)?;
        let failed = |source| InstanceError::Admin { address, source };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let admin = listener.local_addr().map_err(failed)?;
        controller.scrape_from(vec![admin]);
        let runtime = Builder::new_current_thread().enable_all().build().map_err(InstanceError::Thread)?;
        let guard = runtime.enter();
        let control = Control::bind(state_dir)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        drop(guard);
        // Clients come from here on, so whatever is in the way of this instance has shown itself above.
        let publications = controller.publications();
        let first = Arc::clone(&publications.borrow());
        let mut lookups = Lookups::from_system();
        let resolved = runtime.block_on(lookups.first(&first.config));
        let proxy = Arc::new(Proxy::start(&first, &resolved, workers)?);
        let file = match file {
            Some(file) => {
                let watched = watched(&file, &proxy)?;
                controller.follows(file);
                Some(watched)
            }
            None => None,
        };
        let (handle, asks) = asks();
        let (stop, stopped) = oneshot::channel();
        let ready = Arc::new(AtomicBool::new(true));
        let parts = Parts {
            control,
            operated: Operated {
                leaves: None,
                metrics: Arc::new(Metrics::new(Arc::clone(&proxy), started)),
                ready: Arc::clone(&ready),
            },
            proxy: Arc::clone(&proxy),
            handle: handle.clone(),
            controller,
            asks,
            first,
            publications,
            lookups,
            file,
            admin: listener,
            stopped,
        };
        let thread = thread::Builder::new().name("tidegate-control".into());
        let work = move || runtime.block_on(parts.work());
        let control = thread.spawn(work).map_err(InstanceError::Thread)?;
        Ok(Self { proxy, handle, admin, ready, stop: Some(stop), control: Some(control) })
    }

    /// Where clients connect.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.proxy.addresses()
    }

    /// The same with the scheme that is spoken there.
    pub fn urls(&self) -> Vec<String> {
        self.proxy.urls()
    }

    /// Where metrics are.
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// Asks the controller.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Says not ready, and has HTTP/1.1 responses end their connections while clients still come
    /// ([`Proxy::leave`](tidegate_proxy::Proxy::leave)).
    pub fn leave(&self) {
        self.ready.store(false, Ordering::Relaxed);
        self.proxy.leave();
    }

    /// Says not ready, lets requests end, then stops the controller with its state on disk. Returns how many requests had not
    /// ended in time and were cut.
    pub fn stop(mut self) -> Result<u32, ReconcileError> {
        self.ready.store(false, Ordering::Relaxed);
        let cut = self.proxy.drain();
        self.stop_control()?;
        Ok(cut)
    }

    /// What ends a [`stop`](Self::stop) early, by cutting the requests it waits for.
    pub fn cutter(&self) -> impl Fn() + Send + 'static {
        let proxy = Arc::clone(&self.proxy);
        move || proxy.cut()
    }

    fn stop_control(&mut self) -> Result<(), ReconcileError> {
        drop(self.stop.take());
        // A panic there has been printed; the state on disk is that of the last decision.
        self.control.take().map_or(Ok(()), |thread| thread.join().unwrap_or(Ok(())))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.stop_control();
    }
}

impl Parts {
    /// What the control thread does.
    async fn work(self) -> Result<(), ReconcileError> {
        let Self { controller, control, asks, handle, first, publications, lookups, file, proxy, .. } = self;
        let Self { operated, admin, stopped, .. } = self;
        let (_watcher, changes) = file.map_or((None, None), |(watcher, changes)| (Some(watcher), Some(changes)));
        let (status, following) = watch::channel(Following::default());
        if let Some(changes) = changes.clone() {
            tokio::spawn(announce::restarts(Arc::clone(&first.config), changes));
        }
        tokio::spawn(follow(first, publications, proxy, lookups, status));
        tokio::spawn(announce::obstacles(following));
        tokio::spawn(control.serve(handle));
        tokio::spawn(admin::serve(admin, operated));
        let shutdown = async {
            // Told, or left alone: either way it is time.
            let _ = stopped.await;
        };
        controller.run(asks, changes, shutdown).await
    }
}

/// Follows a file, whose addresses must be free or ours.
fn watched(file: &Path, proxy: &Arc<Proxy>) -> Result<(Watcher, watch::Receiver<Seen>), WatchError> {
    let proxy = Arc::clone(proxy);
    let check = move |config: &Config| proxy.can_open(config).map_err(|error| format!("listeners: {error}"));
    let (watcher, mut changes) = Watcher::checking(file, check)?;
    // It may have changed since it was read for the start.
    changes.mark_changed();
    Ok((watcher, changes))
}

#[expect(clippy::disallowed_methods, reason = "the edge that reads the wall clock: when the counters began")]
fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
