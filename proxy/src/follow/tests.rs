//! A real proxy follows a real name server; every wait is for a condition.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};

use hickory_resolver::proto::op::ResponseCode;
use tidegate_config::{Config, Key, Split};

use super::*;
use crate::dns::server::{Reply, Server};

const ENDPOINT: [&str; 3] = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];

fn publication(generation: u64, listener: SocketAddr, endpoint: &str) -> Arc<Publication> {
    let config = Config::parse(&format!(
        "{{listeners: [{{address: '{listener}'}}], routes: [{{service: s}}], \
         services: {{s: {{versions: {{v: {{endpoints: ['{endpoint}']}}}}}}}}}}"
    ))
    .unwrap();
    let version: tidegate_config::Name = "v".parse().unwrap();
    let arms = vec![tidegate_config::Arm::new(version.clone(), tidegate_config::Share::ALL)];
    let split = Split::fixed(1, Key([0; 16]), arms, version);
    let splits = BTreeMap::from([("s".parse().unwrap(), split)]);
    Arc::new(Publication { generation, cookie_key: Key([0; 16]), config: Arc::new(config), splits })
}

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn reply(host: usize, ttl: u32) -> Reply {
    Reply::Addresses(vec![ENDPOINT[host].parse().unwrap()], ttl)
}

/// A proxy that follows what the test publishes.
struct Case {
    proxy: Arc<Proxy>,
    publications: watch::Sender<Arc<Publication>>,
    status: watch::Receiver<Following>,
}

impl Case {
    async fn start(publication: Arc<Publication>, mut lookups: Lookups) -> Self {
        let resolved = lookups.first(&publication.config).await;
        let proxy = Arc::new(Proxy::start(&publication, &resolved, 1).unwrap());
        let (publications, receiver) = watch::channel(Arc::clone(&publication));
        let (sender, status) = watch::channel(Following::default());
        tokio::spawn(follow(publication, receiver, Arc::clone(&proxy), lookups, sender));
        Self { proxy, publications, status }
    }

    /// The endpoints of the only version, and the generation in force.
    fn now(&self) -> (u64, Vec<String>) {
        let snapshot = self.proxy.state().current().load();
        let endpoints = &snapshot.services[0].arms[0].endpoints;
        (snapshot.generation, endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect())
    }

    /// Waits for a condition, which can come true only with a change of status.
    async fn until(&mut self, what: &str, is_true: impl Fn(&Self) -> bool) {
        let wait = async {
            while !is_true(self) {
                self.status.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap_or_else(|_| panic!("never {what}"));
    }
}

#[tokio::test]
async fn endpoints_follow_their_name() {
    let server = Server::start();
    server.say("shop.test", reply(0, 1));
    let start = publication(1, any_port(), "shop.test:80");
    let mut case = Case::start(start, Lookups::with_server(server.address)).await;
    assert_eq!(case.now(), (1, vec!["127.0.0.1:80".into()]), "known before the proxy starts");
    server.say("shop.test", reply(1, 1));
    case.until("moved", |case| case.now().1 == ["127.0.0.2:80"]).await;
    server.say("shop.test", Reply::Code(ResponseCode::ServFail));
    case.until("stale", |case| case.status.borrow().names[0].error.is_some()).await;
    assert_eq!(case.now().1, ["127.0.0.2:80"], "the last good answer is kept");
    server.say("shop.test", reply(2, 300));
    case.until("moved again", |case| case.now().1 == ["127.0.0.3:80"]).await;
    assert_eq!(case.status.borrow().names[0].error, None);
}

#[tokio::test]
async fn a_new_name_comes_into_force_with_its_addresses() {
    let server = Server::start();
    server.say("old.test", reply(0, 300));
    server.say("new.test", reply(1, 300));
    let start = publication(1, any_port(), "old.test:80");
    let mut case = Case::start(start, Lookups::with_server(server.address)).await;
    case.publications.send_replace(publication(2, any_port(), "new.test:80"));
    case.until("applied", |case| case.now().0 == 2).await;
    assert_eq!(case.now().1, ["127.0.0.2:80"]);
    case.until("forgotten", |case| case.status.borrow().names.len() == 1).await;
    assert_eq!(case.status.borrow().names[0].host, "new.test");
}

#[tokio::test]
async fn a_name_without_answer_does_not_hold_a_publication_up_for_long() {
    let server = Server::start();
    server.say("old.test", reply(0, 300));
    server.say("silent.test", Reply::Silence);
    let start = publication(1, any_port(), "old.test:80");
    let mut case = Case::start(start, Lookups::with_server(server.address)).await;
    case.publications.send_replace(publication(2, any_port(), "silent.test:80"));
    case.until("applied", |case| case.now().0 == 2).await;
    assert_eq!(case.now().1, <[String; 0]>::default());
}

#[tokio::test]
async fn an_address_in_use_is_reported_and_tried_again() {
    let server = Server::start();
    server.say("shop.test", reply(0, 1));
    let start = publication(1, any_port(), "shop.test:80");
    let mut case = Case::start(start, Lookups::with_server(server.address)).await;
    let taken = TcpListener::bind(any_port()).unwrap();
    let refused = publication(2, taken.local_addr().unwrap(), "127.0.0.9:80");
    case.publications.send_replace(refused);
    case.until("refused", |case| case.status.borrow().problem.is_some()).await;
    server.say("shop.test", reply(1, 1));
    case.until("moved", |case| case.now() == (1, vec!["127.0.0.2:80".into()])).await;
    drop(taken);
    case.until("applied", |case| case.status.borrow().problem.is_none()).await;
    assert_eq!(case.now(), (2, vec!["127.0.0.9:80".into()]));
}

#[tokio::test]
async fn addresses_alone_ask_nobody() {
    let lookups = Lookups::from_system();
    let case = Case::start(publication(1, any_port(), "127.0.0.1:80"), lookups).await;
    let mut status = case.status.clone();
    case.publications.send_replace(publication(2, any_port(), "127.0.0.2:80"));
    while case.now().0 < 2 {
        tokio::task::yield_now().await;
    }
    assert!(!status.has_changed().unwrap() || status.borrow_and_update().names.is_empty());
    let mut lookups = Lookups::from_system();
    lookups.first(&publication(1, any_port(), "127.0.0.1:80").config).await;
    assert!(!lookups.has_asked(), "not even a resolver is built");
}
