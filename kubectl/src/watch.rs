//! What changes, from now on. A connection that breaks is made anew.

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use kube::core::DynamicObject;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Config, Event, watcher};
use tidegate_terminal::output;

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::seen;

/// A change of the rollouts that are watched.
pub(crate) enum Change {
    /// One is as this says.
    There(Box<DynamicObject>),
    /// One is not there any more.
    Gone,
    /// All that there are were named.
    Complete,
}

/// The rollouts that are watched.
pub(crate) struct Watch {
    cluster: Cluster,
    stream: BoxStream<'static, watcher::Result<Event<DynamicObject>>>,
    /// One rollout, by its name; all without it.
    name: Option<String>,
    /// Whether it was named in the round that is under way.
    named: bool,
    /// Whether there was a whole round.
    complete: bool,
    /// Whether it was told that the connection is lost.
    lost: bool,
}

impl Watch {
    /// All of the namespace, or of all.
    pub(crate) fn all(cluster: &Cluster, everywhere: bool) -> Self {
        Self::new(cluster, everywhere, None)
    }

    /// One.
    pub(crate) fn one(cluster: &Cluster, object: &DynamicObject) -> Self {
        Self::new(cluster, false, Some(seen::name(object)))
    }

    fn new(cluster: &Cluster, everywhere: bool, name: Option<String>) -> Self {
        let config = match &name {
            Some(name) => Config::default().fields(&format!("metadata.name={name}")),
            None => Config::default(),
        };
        let stream = watcher(cluster.rollouts(everywhere), config).default_backoff().boxed();
        Self { cluster: cluster.clone(), stream, name, named: false, complete: false, lost: false }
    }

    /// The next change.
    pub(crate) async fn next(&mut self) -> Result<Change, Failure> {
        loop {
            let event = match self.stream.next().await {
                Some(Ok(event)) => event,
                Some(Err(error)) => {
                    self.lose(&error)?;
                    continue;
                }
                None => return Err(Failure::Gone(self.name.clone().unwrap_or_default())),
            };
            if std::mem::take(&mut self.lost) {
                output::note("the API server answers again");
            }
            match event {
                Event::Init => self.named = false,
                Event::InitApply(object) | Event::Apply(object) => {
                    self.named = true;
                    return Ok(Change::There(Box::new(object)));
                }
                Event::Delete(_) => return Ok(Change::Gone),
                Event::InitDone => {
                    self.complete = true;
                    return Ok(if self.name.is_some() && !self.named { Change::Gone } else { Change::Complete });
                }
            }
        }
    }

    /// Tells once that the connection is lost; fails where another try would not help.
    fn lose(&mut self, error: &watcher::Error) -> Result<(), Failure> {
        let failure = match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => self.cluster.failed(error),
            // A state that the API server has forgotten: the next round has the newest.
            watcher::Error::WatchError(status) if status.code == 410 => return Ok(()),
            watcher::Error::WatchError(status) => self.cluster.said(status),
            watcher::Error::NoResourceVersion => return Err(Failure::Gone(self.name.clone().unwrap_or_default())),
        };
        let passes = matches!(failure, Failure::Unreachable { .. } | Failure::Server { .. });
        if !passes || !self.complete {
            return Err(failure);
        }
        if !std::mem::replace(&mut self.lost, true) {
            output::note(&format!("{failure}; trying on"));
        }
        Ok(())
    }
}
