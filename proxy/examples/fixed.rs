//! temporary
use std::collections::BTreeMap;
use std::sync::Arc;
use tidegate_config::*;
#[global_allocator]
static A: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn main() {
    let text = std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap();
    let config = Config::parse(&text).map_err(|e| e.to_string()).unwrap();
    let workers = config.workers.map_or(2, |w| w.get());
    let splits: BTreeMap<_, _> = config
        .services
        .iter()
        .map(|(n, s)| {
            let names: Vec<_> = s.versions.keys().cloned().collect();
            let stable = s.stable_name().unwrap().clone();
            let arms = Split::lay_out(&names, &stable, s.canary.as_ref(), |v| s.versions[v].share);
            (
                n.clone(),
                Split {
                    epoch: 1,
                    salt: Key([1; 16]),
                    arms,
                    stable,
                    canary: s.canary.clone(),
                    rollout: RolloutId::of(n, s),
                },
            )
        })
        .collect();
    let p = Publication { generation: 1, cookie_key: Key([2; 16]), config: Arc::new(config), splits };
    let proxy = Arc::new(tidegate_proxy::Proxy::start(&p, &BTreeMap::new(), workers).unwrap());
    println!("{:?}", proxy.addresses());
    let metrics = Arc::new(tidegate_proxy::Metrics::new(Arc::clone(&proxy), 1.0));
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    rt.block_on(async {
        let l = tokio::net::TcpListener::bind(p.config.admin.address).await.unwrap();
        let ready = Arc::new(std::sync::atomic::AtomicBool::new(true));
        tokio::select! { () = tidegate_proxy::admin::serve(l, metrics, ready) => {}, _ = tokio::signal::ctrl_c() => {} }
    });
    proxy.drain();
}
