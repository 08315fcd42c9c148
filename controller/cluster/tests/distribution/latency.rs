//! A hundred proxies acknowledge every change. How long that takes is printed: it says something on a quiet machine alone, and
//! on a busy one nothing of us.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::time::Instant;

use tidegate_config::Publication;
use tidegate_proxy::subscribe::{Controller, Newest, subscribe};
use tidegate_proxy::{Following, initial};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::site::{Site, TOKEN, any_port, in_force, large, moved, within};

const PROXIES: usize = 100;
const CHANGES: u64 = 50;

/// Puts everything in force at once: what that costs is the data plane's, and a hundred of them are not one machine's.
async fn obey(mut publications: watch::Receiver<Arc<Publication>>, status: watch::Sender<Following>) {
    while publications.changed().await.is_ok() {
        let generation = publications.borrow_and_update().generation;
        status.send_replace(Following { in_force: generation, newest: generation, ..Following::default() });
    }
}

#[expect(clippy::disallowed_methods, reason = "the clock is what is printed")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_proxies_are_told_of_every_change() {
    let mut site = Site::start(large(1, 1, any_port(), 100)).await;
    let mut tasks = JoinSet::new();
    for proxy in 0..PROXIES {
        let token = site.file(&format!("token-{proxy}"));
        fs::write(&token, format!("{TOKEN}-{proxy}")).unwrap();
        let url = format!("https://localhost:{}", site.address.port());
        let controller = Controller::new(url.parse().unwrap(), site.file("ca.pem"), token);
        let (newest, publications) = Newest::new(Arc::new(initial::publication(&[])), None);
        let (status, following) = watch::channel(Following::default());
        tasks.spawn(obey(publications, status));
        tasks.spawn(subscribe(controller, newest, following));
    }
    let mut times = Vec::new();
    for generation in 1..=CHANGES {
        let mut next = Arc::clone(&site.publications.borrow());
        if generation > 1 {
            next = moved(&next);
        }
        let began = now();
        site.publications.send_replace(next);
        let mut heard = BTreeSet::new();
        while heard.len() < PROXIES {
            let (proxy, acknowledgement) = within(site.heard.recv()).await.unwrap();
            if acknowledgement == in_force(generation) && heard.insert(proxy) && generation > 1 {
                times.push(began.elapsed());
            }
        }
    }
    times.sort_unstable();
    let quantile = |part: usize| times[(times.len() - 1) * part / 100];
    println!("{PROXIES} proxies: p50 {:?}, p99 {:?}, most {:?}", quantile(50), quantile(99), quantile(100));
    assert_eq!(times.len(), PROXIES * (usize::try_from(CHANGES).unwrap() - 1));
}
