//! A standalone instance in this process: the proxy on its workers, the controller and the admin side on one more thread.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tidegate_config::{Config, Publication};
use tidegate_controller::clock::Clock;
use tidegate_controller::control::{Control, ControlError};
use tidegate_controller::reconcile::{Asks, Controller, Handle, ReconcileError, asks};
use tidegate_proxy::{Metrics, Proxy, Resolved, StartError, admin};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::own_thread::{OwnThread, Stop};

/// Worker threads: one carries ten times the demo's load, and leaves the other core to the crowd and the shop.
const WORKERS: usize = 1;

/// Why no instance could be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InstanceError {
    /// The controller.
    #[error("cannot start the controller")]
    Controller(#[source] ReconcileError),
    /// The proxy.
    #[error("cannot start the proxy")]
    Proxy(#[source] StartError),
    /// The socket for operators.
    #[error("cannot start the control socket")]
    Control(#[source] ControlError),
    /// Its address for operators, or a thread.
    #[error("cannot start the controller's thread")]
    Thread(#[source] io::Error),
    /// It listens nowhere.
    #[error("the proxy has no address")]
    NoAddress,
}

/// A running instance. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Instance {
    address: SocketAddr,
    handle: Handle,
    // Dropped in this order: the controller uses the proxy.
    controller: OwnThread,
    proxy: Arc<Proxy>,
}

impl Instance {
    /// Starts an instance that keeps its state in a directory.
    pub(crate) fn start(config: Arc<Config>, state_dir: &Path) -> Result<Self, InstanceError> {
        let admin = std::net::TcpListener::bind(config.admin.address).map_err(InstanceError::Thread)?;
        admin.set_nonblocking(true).map_err(InstanceError::Thread)?;
        let scraped = admin.local_addr().map_err(InstanceError::Thread)?;
        let mut controller = Controller::open(state_dir, config, Clock::System).map_err(InstanceError::Controller)?;
        controller.scrape_from(vec![scraped]);
        let mut publications = controller.publications();
        let first = Arc::clone(&publications.borrow_and_update());
        let proxy = Proxy::start(&first, &Resolved::new(), WORKERS).map_err(InstanceError::Proxy)?;
        let proxy = Arc::new(proxy);
        let address = proxy.addresses().first().copied().ok_or(InstanceError::NoAddress)?;
        let (handle, asked) = asks();
        let parts = Parts { controller, asked, publications, admin, state_dir: state_dir.to_owned() };
        let (followed, operators) = (Arc::clone(&proxy), handle.clone());
        let (told, started) = std::sync::mpsc::sync_channel(1);
        let body = move |stop| parts.run(followed, operators, stop, told);
        let controller = OwnThread::start("demo-controller", body).map_err(InstanceError::Thread)?;
        started.recv().map_err(|gone| InstanceError::Thread(io::Error::other(gone)))??;
        Ok(Self { address, handle, controller, proxy })
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks the controller.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Whether it stopped by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.controller.has_ended()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.proxy.drain();
    }
}

/// What goes to the controller's thread.
struct Parts {
    controller: Controller,
    asked: Asks,
    publications: watch::Receiver<Arc<Publication>>,
    admin: std::net::TcpListener,
    state_dir: std::path::PathBuf,
}

type Told = std::sync::mpsc::SyncSender<Result<(), InstanceError>>;

impl Parts {
    async fn run(self, proxy: Arc<Proxy>, operators: Handle, stop: Stop, told: Told) {
        let Self { controller, asked, publications, admin, state_dir } = self;
        let control = Control::bind(&state_dir).map_err(InstanceError::Control);
        let admin = TcpListener::from_std(admin).map_err(InstanceError::Thread);
        let (control, admin) = match (control, admin) {
            (Ok(control), Ok(admin)) => (control, admin),
            // Whoever starts an instance waits for this.
            (Err(error), _) | (_, Err(error)) => return drop(told.send(Err(error))),
        };
        let _ = told.send(Ok(()));
        let started = std::time::Duration::from_millis(Clock::System.now().millis()).as_secs_f64();
        let metrics = Arc::new(Metrics::new(Arc::clone(&proxy), started));
        tokio::spawn(admin::serve(admin, metrics, Arc::new(AtomicBool::new(true))));
        tokio::spawn(control.serve(operators));
        tokio::spawn(follow(publications, proxy));
        let stopped = async { drop(stop.await) };
        if let Err(error) = controller.run(asked, None, stopped).await {
            eprintln!("tidegate: the controller stopped: {error}");
        }
    }
}

/// Hands every publication to the proxy.
async fn follow(mut publications: watch::Receiver<Arc<Publication>>, proxy: Arc<Proxy>) {
    while publications.changed().await.is_ok() {
        let publication = Arc::clone(&publications.borrow_and_update());
        if let Err(error) = proxy.apply(&publication, &Resolved::new()) {
            // The controller sees that the generation does not come into force, and holds.
            eprintln!("tidegate: generation {} is not in force: {error}", publication.generation);
        }
    }
}
