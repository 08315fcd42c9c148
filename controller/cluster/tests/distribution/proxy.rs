//! A proxy as the program runs it, without the program.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tidegate_proxy::subscribe::{Controller, Kept, Newest, subscribe};
use tidegate_proxy::{Following, Lookups, Proxy, follow, initial};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::site::within;

/// A running proxy. Stops when dropped.
pub(crate) struct Running {
    proxy: Arc<Proxy>,
    following: watch::Receiver<Following>,
    _tasks: JoinSet<()>,
}

impl Running {
    /// A proxy that knows nothing yet, with its state in a directory.
    pub(crate) fn start(controller: Controller, state: &Path) -> Self {
        let kept = Kept::open(state).unwrap();
        let read = kept.read();
        let first = Arc::new(initial::publication(&[]));
        let (newest, publications) = Newest::new(Arc::clone(&first), read.unwrap_or_default());
        let proxy = Arc::new(Proxy::start(&first, &BTreeMap::new(), 1).unwrap());
        let (status, following) = watch::channel(Following::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(follow(first, publications.clone(), Arc::clone(&proxy), Lookups::from_system(), status));
        tasks.spawn(kept.keep(publications, following.clone()));
        tasks.spawn(subscribe(controller, newest, following.clone()));
        Self { proxy, following, _tasks: tasks }
    }

    /// The generation in force and the epoch of its first service.
    pub(crate) fn now(&self) -> (u64, u64) {
        let snapshot = self.proxy.state().current().load();
        (snapshot.generation, snapshot.services.first().map_or(0, |service| service.epoch))
    }

    /// Waits until something is in force.
    pub(crate) async fn until(&mut self, expected: (u64, u64)) {
        let proxy = &self.proxy;
        let is = || {
            let snapshot = proxy.state().current().load();
            (snapshot.generation, snapshot.services.first().map_or(0, |service| service.epoch)) == expected
        };
        within(self.following.wait_for(|_| is())).await.unwrap();
    }
}
