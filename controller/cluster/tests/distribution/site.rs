//! A controller's server with an authority of its own, and the files that a proxy knows it by.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tidegate_cluster::ca::{Authority, Leaf};
use tidegate_cluster::distribute::{Acknowledged, Authenticator, Denied, Distribution, Feed, Identity};
use tidegate_config::wire::Acknowledgement;
use tidegate_config::{Config, Key, Publication, Share, Split};
use tidegate_proxy::subscribe::Controller;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// The token that is known at first.
pub(crate) const TOKEN: &str = "proxy";
/// A token whose owner may have nothing.
pub(crate) const STRANGER: &str = "stranger";
const NOW: i64 = 1_790_000_000;

/// An acknowledgement and whose it is.
pub(crate) type Heard = (String, Acknowledgement);

/// A controller and its files. Everything stops when it is dropped.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) publications: watch::Sender<Arc<Publication>>,
    pub(crate) heard: mpsc::UnboundedReceiver<Heard>,
    /// Every token that the server was shown.
    pub(crate) shown: mpsc::UnboundedReceiver<String>,
    pub(crate) authority: Authority,
    pub(crate) directory: Arc<TempDir>,
    fake: Fake,
    server: JoinSet<()>,
}

/// What the server asks: tokens are the names of pods.
#[derive(Clone)]
struct Fake {
    publications: watch::Receiver<Arc<Publication>>,
    hear: mpsc::UnboundedSender<Heard>,
    show: mpsc::UnboundedSender<String>,
}

impl Authenticator for Fake {
    async fn authenticate(&self, token: &str) -> Result<Identity, Denied> {
        let _ = self.show.send(token.to_owned());
        let known = token.starts_with(TOKEN) || token == STRANGER;
        let identity = || Identity {
            namespace: "shop".into(),
            service_account: "default".into(),
            pod_name: token.to_owned(),
            pod_uid: "7".into(),
        };
        known.then(identity).ok_or_else(|| Denied::Unauthenticated("nobody knows this token".into()))
    }
}

impl Feed for Fake {
    fn subscribe(&self, identity: &Identity) -> Result<watch::Receiver<Arc<Publication>>, Denied> {
        let served = identity.pod_name != STRANGER;
        if self.publications.borrow().generation == 0 {
            return Err(Denied::NotReady("nothing is known yet".into()));
        }
        served.then(|| self.publications.clone()).ok_or_else(|| Denied::Forbidden("no proxy of ours".into()))
    }
}

impl Acknowledged for Fake {
    fn note(&self, identity: &Identity, acknowledgement: Acknowledgement) {
        let _ = self.hear.send((identity.pod_name.clone(), acknowledgement));
    }
}

impl Site {
    /// A controller that publishes `first`.
    pub(crate) async fn start(first: Arc<Publication>) -> Self {
        let (hear, heard) = mpsc::unbounded_channel();
        let (show, shown) = mpsc::unbounded_channel();
        let (publications, receiver) = watch::channel(first);
        let fake = Fake { publications: receiver, hear, show };
        let authority = Authority::create(NOW - 86_400).unwrap();
        let directory = Arc::new(tempfile::tempdir().unwrap());
        let address = "127.0.0.1:0".parse().unwrap();
        let mut site = Self { address, publications, heard, shown, authority, directory, fake, server: JoinSet::new() };
        fs::write(site.file("ca.pem"), site.authority.certificate()).unwrap();
        fs::write(site.file("token"), format!("{TOKEN}\n")).unwrap();
        site.serve().await;
        site
    }

    /// Stops the server; connections break.
    pub(crate) async fn stop(&mut self) {
        self.server.shutdown().await;
    }

    /// Starts a server at the same address, at the first time at a free one.
    pub(crate) async fn serve(&mut self) {
        let leaf = Leaf::issue(&self.authority, &["localhost".into()], unix_seconds()).unwrap();
        let (_, tls) = watch::channel(Arc::new(leaf.server(&["h2"]).unwrap()));
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let fake = || self.fake.clone();
        let distribution = Distribution::new(fake(), fake(), fake());
        self.server.spawn(Arc::new(distribution).serve(listener, tls));
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where a proxy is told that the controller is. Of the addresses of the name, nobody listens at some.
    pub(crate) fn controller(&self) -> Controller {
        let url = format!("https://localhost:{}", self.address.port());
        Controller::new(url.parse().unwrap(), self.file("ca.pem"), self.file("token"))
    }

    /// Waits until a token is shown.
    pub(crate) async fn is_shown(&mut self, token: &str) {
        while within(self.shown.recv()).await.unwrap() != token {}
    }

    /// Waits for the next acknowledgement.
    pub(crate) async fn hears(&mut self) -> Acknowledgement {
        within(self.heard.recv()).await.unwrap().1
    }
}

/// Fails where something takes much longer than it should.
pub(crate) async fn within<T>(wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("it happens within 30 s")
}

#[expect(clippy::disallowed_methods, reason = "TLS reads the wall clock, so certificates must fit it")]
fn unix_seconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs().try_into().unwrap()
}

/// In force: `generation`.
pub(crate) fn in_force(generation: u64) -> Acknowledgement {
    Acknowledgement { generation, refused: None }
}

/// A publication of one service at `epoch` that answers at `listener`.
pub(crate) fn publication(generation: u64, epoch: u64, listener: SocketAddr) -> Arc<Publication> {
    large(generation, epoch, listener, 1)
}

/// The same with many services beside it, each with an endpoint that the epoch tells.
pub(crate) fn large(generation: u64, epoch: u64, listener: SocketAddr, services: usize) -> Arc<Publication> {
    let version = "v".parse().unwrap();
    let arms = Split::lay_out(&[], &version, [], Share::ZERO, |_| Share::ZERO);
    let split = |epoch| Split::fixed(epoch, Key([0; 16]), arms.clone(), version.clone());
    let names: BTreeSet<String> = (0..services).map(|service| format!("s{service}")).collect();
    let mut file = format!("{{listeners: [{{address: '{listener}'}}], routes: [{{service: s0}}], services: {{");
    for name in &names {
        write!(file, "{name}: {{versions: {{v: {{endpoints: ['127.0.0.1:{}']}}}}}},", 1_000 + epoch).unwrap();
    }
    file.push_str("}}");
    let splits: BTreeMap<_, _> = names.iter().map(|name| (name.parse().unwrap(), split(epoch))).collect();
    let config = Arc::new(Config::parse(&file).unwrap());
    Arc::new(Publication { generation, cookie_key: Key([0; 16]), config, splits })
}

/// The same in the next generation, in which one service is at the next epoch.
pub(crate) fn moved(publication: &Publication) -> Arc<Publication> {
    let mut moved = publication.clone();
    moved.generation += 1;
    moved.splits.values_mut().take(1).for_each(|split| split.epoch += 1);
    Arc::new(moved)
}

/// A free port, to listen on.
pub(crate) fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}
