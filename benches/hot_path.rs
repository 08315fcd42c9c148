//! Micro benches of what runs for every request, and of a decision: `cargo bench --bench hot_path`.
//!
//! Wall time on a shared machine is only good for comparing two states of the code in one sitting.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::Request;
use tidegate_config::{Config, Key};
use tidegate_controller::engine::{Observation, Phase, Timestamp, decide};
use tidegate_proxy::assign::{self, Draw};
use tidegate_proxy::cookie::{Identity, Ours};
use tidegate_proxy::headers;
use tidegate_proxy::route::RouteTable;

#[expect(dead_code, reason = "the engine's tests use the rest")]
#[path = "../controller/tests/engine/simulator.rs"]
mod simulator;

/// A hundred routes by host and path, and one for everything else.
fn routes() -> RouteTable {
    let route = |i| format!("{{host: h{i}.example, path: {{prefix: /a/b{i}}}, service: shop}}");
    let routes = (0..99).map(route).collect::<Vec<_>>().join(", ");
    let text = format!(
        "{{listeners: [{{address: '127.0.0.1:0'}}], routes: [{routes}, {{service: shop}}], \
         services: {{shop: {{versions: {{v: {{endpoints: ['127.0.0.1:1']}}}}}}}}}}"
    );
    let config = Config::parse(&text).expect("a configuration");
    RouteTable::new(&config, |_| Some(0))
}

fn routing(criterion: &mut Criterion) {
    let (table, address) = (routes(), "127.0.0.1:0".parse().expect("an address"));
    criterion.bench_function("route: the last of 100, by host and path", |bench| {
        bench.iter(|| table.at(black_box(address)).find(black_box("h98.example"), black_box("/a/b98/c/d"), None));
    });
    criterion.bench_function("route: none of 99, so the default", |bench| {
        bench.iter(|| table.at(black_box(address)).find(black_box("other.example"), black_box("/a/b98/c/d"), None));
    });
}

fn assignment(criterion: &mut Criterion) {
    let (salt, key) = (Key([1; 16]), Key([2; 16]));
    criterion.bench_function("assign: draw and pick", |bench| {
        bench.iter(|| assign::pick([0, 100_000, 1_000_000], Draw::of(&salt, black_box(&42u64.to_le_bytes())).place()));
    });
    let value = Identity { id: 42, minted: 7 }.seal(&key);
    let cookie = [b"theme=dark; tidegate=", value.as_bytes(), b"; lang=en"].concat();
    criterion.bench_function("assign: find and verify the visitor's cookie", |bench| {
        bench.iter(|| {
            let mut ours = Ours::default();
            ours.read(black_box(&cookie), "tidegate-00000000");
            ours.visitor.and_then(|value| Identity::open(&key, value))
        });
    });
}

fn rewriting(criterion: &mut Criterion) {
    let request = Request::builder()
        .uri("/a/b?c")
        .header("host", "shop.example")
        .header("user-agent", "Mozilla/5.0 (X11; Linux x86_64)")
        .header("accept", "text/html,application/xhtml+xml")
        .header("accept-encoding", "gzip, br")
        .header("connection", "keep-alive")
        .header("cookie", "theme=dark")
        .body(())
        .expect("a request");
    criterion.bench_function("headers: accept", |bench| {
        let fresh = || request.clone();
        bench.iter_batched(
            fresh,
            |mut request| {
                let accepted = headers::accept(&mut request);
                (accepted, request)
            },
            BatchSize::SmallInput,
        );
    });
}

fn deciding(criterion: &mut Criterion) {
    let mut simulation = simulator::Simulation::new(simulator::HEALTHY, simulator::canary(&["10%", "50%", "100%"]), 1);
    simulation.run_until(600, |status| status.step == Some(1) || status.phase != Phase::Progressing);
    let status = simulation.status.clone();
    simulation.tick();
    let observation = Observation {
        scrapes: simulation.scrape(),
        in_force: Some(u64::MAX),
        epochs: simulation.epochs.clone(),
        endpoints: simulation.endpoints,
        ..Observation::default()
    };
    let now = Timestamp::from_millis(simulation.now_ms);
    criterion.bench_function("decide: one look at a rollout at its second step", |bench| {
        bench.iter(|| decide(black_box(&status), black_box(&observation), now));
    });
}

criterion_group!(benches, routing, assignment, rewriting, deciding);
criterion_main!(benches);
