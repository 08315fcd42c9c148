//! A proxy on free ports, and a publisher for it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tidegate_config::policy::Policy;
use tidegate_config::{Config, Key, Name, Publication, RolloutId, Service, Share, Split};
use tidegate_proxy::{Metrics, Proxy, Resolved, StartError, State};

use super::backend::Backend;
use super::client::{Answer, Client};
use super::samples::Samples;

/// A configuration with one service of one version at one address; `more` is added to it.
pub(crate) fn one(backend: &Backend, more: &str) -> String {
    spread(&[backend.address], more)
}

/// The same with several addresses.
pub(crate) fn spread(addresses: &[SocketAddr], more: &str) -> String {
    let addresses: Vec<String> = addresses.iter().map(|address| format!("'{address}'")).collect();
    let addresses = addresses.join(", ");
    format!(
        "listeners: [{{address: '127.0.0.1:0'}}]\nroutes: [{{service: shop}}]\n\
         services: {{shop: {{versions: {{v1: {{endpoints: [{addresses}]}}}}}}}}\n{more}\n"
    )
}

/// A configuration with one service that tries `v2` against `v1`; `more` is added to the service.
pub(crate) fn canary(stable: SocketAddr, canary: SocketAddr, more: &str) -> String {
    format!(
        "listeners: [{{address: '127.0.0.1:0'}}]\nroutes: [{{service: shop}}]\n\
         services:\n  shop:\n    stable: v1\n    canary: v2\n    versions:\n      v1: {{endpoints: ['{stable}']}}\n      \
         v2: {{endpoints: ['{canary}']}}\n    rollout: {{strategy: canary, conversion: {{path: {{exact: /buy}}}}}}\n    \
         {more}\n"
    )
}

/// A configuration whose `v2` has a fixed share beside `v1`; `more` is added to the service.
pub(crate) fn fixed(stable: SocketAddr, other: SocketAddr, share: &str, more: &str) -> String {
    format!(
        "listeners: [{{address: '127.0.0.1:0'}}]\nroutes: [{{service: shop}}]\n\
         services:\n  shop:\n    stable: v1\n    versions:\n      v1: {{endpoints: ['{stable}']}}\n      \
         v2: {{endpoints: ['{other}'], share: {share}}}\n    {more}\n"
    )
}

/// A running proxy. Stops when dropped.
pub(crate) struct TestProxy {
    proxy: Arc<Proxy>,
    metrics: Metrics,
    published: Mutex<Published>,
}

/// When every rollout began, in seconds since the Unix epoch: long ago.
pub(crate) const ROLLOUT_BEGAN: u32 = 1_000_000;
/// Signs the cookies.
pub(crate) const COOKIE_KEY: Key = Key([2; 16]);

/// What the proxy was told last, and the shares that a rollout has moved.
struct Published {
    publication: Publication,
    shares: BTreeMap<Name, Share>,
    epoch: u64,
}

impl Published {
    fn of(config: &str) -> Self {
        let config = Arc::new(parse(config));
        let publication = Publication { generation: 0, cookie_key: COOKIE_KEY, config, splits: BTreeMap::new() };
        let mut published = Self { publication, shares: BTreeMap::new(), epoch: 1 };
        published.renew();
        published
    }

    /// Makes the next generation of the same configuration.
    fn renew(&mut self) {
        let Self { publication, shares, epoch } = self;
        publication.generation += 1;
        let split = |(name, service): (&Name, &Service)| {
            let versions: Vec<Name> = service.versions.keys().cloned().collect();
            let stable = service.stable_name().unwrap().clone();
            let share = |version: &Name| shares.get(version).copied().unwrap_or(service.versions[version].share);
            let room = service.rollout.as_ref().map_or(Share::ZERO, Policy::most_at_test);
            let arms = Split::lay_out(&versions, &stable, service.tried(), room, share);
            let mut tried = service.tried().cloned();
            let (canary, rivals, rollout) = (tried.next(), tried.collect(), RolloutId::of(name, service));
            let split = Split::fixed(*epoch, Key([1; 16]), arms, stable);
            (name.clone(), Split { canary, rivals, rollout, rollout_began: ROLLOUT_BEGAN, ..split })
        };
        publication.splits = publication.config.services.iter().map(split).collect();
    }
}

fn parse(config: &str) -> Config {
    Config::parse(config).unwrap_or_else(|problems| panic!("{problems}\nin\n{config}"))
}

impl TestProxy {
    /// A proxy with one worker.
    pub(crate) fn start(config: &str) -> Self {
        Self::with_workers(config, 1)
    }

    /// A proxy with several workers.
    pub(crate) fn with_workers(config: &str, workers: usize) -> Self {
        let published = Published::of(config);
        let proxy = Arc::new(Proxy::start(&published.publication, &Resolved::new(), workers).unwrap());
        let metrics = Metrics::new(Arc::clone(&proxy), 1.0);
        Self { proxy, metrics, published: Mutex::new(published) }
    }

    /// The address of the only listener.
    pub(crate) fn address(&self) -> SocketAddr {
        let addresses = self.addresses();
        assert_eq!(addresses.len(), 1);
        addresses[0]
    }

    /// The addresses of all listeners.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.proxy.addresses()
    }

    /// A new client connection.
    #[track_caller]
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.address())
    }

    /// The response to one GET on a connection of its own.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.client().get(path)
    }

    /// Gives `version` a share in a new epoch, and puts that in force. Returns the epoch.
    pub(crate) fn set_share(&self, version: &str, ppm: u32) -> u64 {
        let mut published = self.published.lock().unwrap();
        published.shares.insert(version.parse().unwrap(), Share::from_ppm(ppm).unwrap());
        published.epoch += 1;
        published.renew();
        self.proxy.apply(&published.publication, &Resolved::new()).unwrap();
        published.epoch
    }

    /// Puts another configuration in force, with the same shares and epoch.
    pub(crate) fn configure(&self, config: &str) -> Result<(), StartError> {
        let mut published = self.published.lock().unwrap();
        published.publication.config = Arc::new(parse(config));
        published.renew();
        self.proxy.apply(&published.publication, &Resolved::new())
    }

    /// Takes the endpoints of a version of service `shop` away, as a controller does that knows of none: no file can say so.
    pub(crate) fn vacate(&self, version: &str) {
        let mut published = self.published.lock().unwrap();
        let config = Arc::make_mut(&mut published.publication.config);
        let service = config.services.get_mut(&"shop".parse::<Name>().unwrap()).unwrap();
        service.versions.get_mut(&version.parse::<Name>().unwrap()).unwrap().endpoints.clear();
        published.renew();
        self.proxy.apply(&published.publication, &Resolved::new()).unwrap();
    }

    /// Puts an older generation in force again, which must not work.
    pub(crate) fn replay_generation(&self, generation: u64) {
        let published = self.published.lock().unwrap();
        let old = Publication { generation, splits: BTreeMap::new(), ..published.publication.clone() };
        self.proxy.apply(&old, &Resolved::new()).unwrap();
    }

    /// Which version each of these visitors meets: the text of its answer to `path`. A visitor is named by `x-user`.
    pub(crate) fn versions_of(&self, visitors: impl IntoIterator<Item = u32>, path: &str) -> Vec<String> {
        let mut client = self.client();
        let visitors: Vec<u32> = visitors.into_iter().collect();
        let mut versions = Vec::new();
        for visitors in visitors.chunks(64) {
            let one = |id| format!("GET {path} HTTP/1.1\r\nhost: shop.example\r\nx-user: visitor-{id}\r\n\r\n");
            client.send(visitors.iter().map(one).collect::<Vec<_>>().concat());
            versions.extend(visitors.iter().map(|_| client.answer().text().to_owned()));
        }
        versions
    }

    /// Has responses say that their connections end.
    pub(crate) fn leave(&self) {
        self.proxy.leave();
    }

    /// Takes no more clients and returns when all requests have ended or been cut: how many were cut.
    pub(crate) fn drain(&self) -> u32 {
        self.proxy.drain()
    }

    /// What the workers read.
    pub(crate) fn state(&self) -> &State {
        self.proxy.state()
    }

    /// Everything on `/metrics`.
    pub(crate) fn samples(&self) -> Samples {
        Samples::parse(&self.metrics.render().unwrap())
    }
}
