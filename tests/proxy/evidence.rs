//! What is counted for whom, as a scrape sees it.

use tidegate_proxy::cookie::{self, Identity};

use crate::harness::{After, Backend, COOKIE_KEY, ROLLOUT_BEGAN, Samples, TestProxy, canary, fixed, reply, until};

const ALL: u32 = 1_000_000;

/// A version that says its name, fails on `/fail` and resets on `/reset`.
fn version(name: &'static str) -> Backend {
    Backend::start(move |exchange| {
        let line = exchange.request().line();
        if line.contains("/reset") {
            return After::Close;
        }
        exchange.send(reply(if line.contains("/fail") { "500 Oops" } else { "200 OK" }, "", name));
        After::Keep
    })
}

struct Rollout {
    _backends: [Backend; 2],
    proxy: TestProxy,
}

fn rollout(visitor: &str) -> Rollout {
    let backends = [version("v1"), version("v2")];
    let proxy = TestProxy::start(&canary(backends[0].address, backends[1].address, visitor));
    Rollout { _backends: backends, proxy }
}

const BY_HEADER: &str = "visitor: {header: x-user}";

impl Rollout {
    /// Waits until a counter has the expected value in a scrape, which is returned.
    #[track_caller]
    fn counted(&self, name: &str, labels: &[(&str, &str)], expected: u64) -> Samples {
        let mut samples = self.proxy.samples();
        until(&format!("{name} {labels:?} is {expected}"), || {
            samples = self.proxy.samples();
            samples.count(name, labels) == expected
        });
        samples
    }
}

#[test]
fn each_visitor_counts_once_and_each_request_every_time() {
    let rollout = rollout(BY_HEADER);
    rollout.proxy.set_share("v2", ALL / 2);
    let met: Vec<String> = (0..3).flat_map(|_| rollout.proxy.versions_of(0..20, "/")).collect();
    let on_v2 = met[..20].iter().filter(|version| *version == "v2").count() as u64;
    assert!((1..20).contains(&on_v2));
    let samples = rollout.counted("tidegate_visitors_total", &[("epoch", "2")], 20);
    for (version, visitors) in [("v1", 20 - on_v2), ("v2", on_v2)] {
        let labels = [("service", "shop"), ("version", version), ("epoch", "2")];
        let count = |name| samples.count(name, &labels);
        assert_eq!(count("tidegate_visitors_total"), visitors, "{version}");
        assert_eq!(count("tidegate_visitors_exposed_total"), visitors, "{version}");
        assert_eq!(count("tidegate_first_response_seconds_count"), visitors, "{version}");
        assert_eq!(count("tidegate_requests_total"), visitors * 3, "{version}");
        assert_eq!(count("tidegate_response_seconds_count"), visitors * 3, "{version}");
        assert_eq!(samples.count("tidegate_response_seconds_bucket", &[labels[1], ("le", "+Inf")]), visitors * 3);
        assert_eq!(count("tidegate_failures_total"), 0, "{version}");
    }
    assert_eq!(samples.count("tidegate_requests_total", &[("epoch", "1")]), 0);
    assert_eq!(samples.count("tidegate_evidence_dropped_total", &[]), 0);
}

#[test]
fn visitors_known_by_cookie_count_once_as_well() {
    let rollout = rollout("");
    rollout.proxy.set_share("v2", ALL / 2);
    for _ in 0..10 {
        let cookies = rollout.proxy.get("/").cookies();
        let mut client = rollout.proxy.client();
        (0..3).for_each(|_| assert_eq!(client.get_with("/", &format!("cookie: {cookies}\r\n")).status, 200));
        // A client that keeps only who it is.
        let identity = cookies.split("; ").next().unwrap();
        assert_eq!(client.get_with("/", &format!("cookie: {identity}\r\n")).status, 200);
    }
    // Events are counted in their order, so with the last visitor everything is.
    rollout.proxy.get("/");
    let samples = rollout.counted("tidegate_first_response_seconds_count", &[], 11);
    assert_eq!(samples.count("tidegate_visitors_total", &[]), 11);
    assert_eq!(samples.count("tidegate_requests_total", &[]), 51);
}

#[test]
fn failures_count_by_cause_and_for_each_visitor_once() {
    let rollout = rollout(BY_HEADER);
    rollout.proxy.set_share("v2", ALL);
    rollout.proxy.versions_of(0..5, "/");
    for path in ["/fail", "/fail", "/reset"] {
        rollout.proxy.versions_of(0..3, path);
    }
    let samples = rollout.counted("tidegate_visitors_failed_total", &[("version", "v2"), ("epoch", "2")], 3);
    let failures = |cause| samples.count("tidegate_failures_total", &[("version", "v2"), ("cause", cause)]);
    assert_eq!((failures("status"), failures("reset"), failures("connect"), failures("timeout")), (6, 3, 0, 0));
    assert_eq!(samples.count("tidegate_requests_total", &[("version", "v2")]), 14);
    assert_eq!(samples.count("tidegate_visitors_total", &[]), 5);
}

#[test]
fn a_conversion_is_credited_to_the_epoch_of_first_sight() {
    let rollout = rollout(BY_HEADER);
    rollout.proxy.set_share("v2", ALL);
    rollout.proxy.versions_of(0..10, "/");
    rollout.proxy.versions_of(0..4, "/buy");
    rollout.proxy.versions_of(0..4, "/buy");
    rollout.proxy.versions_of(0..4, "/buy/more");
    rollout.counted("tidegate_visitors_converted_total", &[("version", "v2"), ("epoch", "2"), ("at", "2")], 4);
    rollout.proxy.set_share("v2", ALL - 1);
    rollout.proxy.versions_of(0..7, "/buy");
    rollout.proxy.versions_of(20..22, "/buy");
    let samples = rollout.counted("tidegate_visitors_converted_total", &[("epoch", "2"), ("at", "3")], 3);
    rollout.counted("tidegate_visitors_converted_total", &[("epoch", "3"), ("at", "3")], 2);
    assert_eq!(samples.count("tidegate_visitors_converted_total", &[("epoch", "2"), ("at", "2")]), 4);
    assert_eq!(samples.count("tidegate_visitors_total", &[("epoch", "2")]), 10);
}

#[test]
fn only_the_configured_response_is_a_conversion() {
    let rollout = rollout(BY_HEADER);
    rollout.proxy.set_share("v2", ALL);
    for path in ["/buys", "/", "/buy/", "/fail/buy", "/other?/buy"] {
        rollout.proxy.versions_of(0..2, path);
    }
    rollout.proxy.versions_of(5..6, "/buy?basket=1");
    let samples = rollout.counted("tidegate_visitors_converted_total", &[], 1);
    assert_eq!(samples.count("tidegate_visitors_total", &[]), 3);
}

#[test]
fn whoever_does_not_buy_in_time_is_counted_when_the_window_closes() {
    let backends = [version("v1"), version("v2")];
    let config = canary(backends[0].address, backends[1].address, BY_HEADER);
    let proxy = TestProxy::start(&config.replace("exact: /buy}", "exact: /buy}, window: 1s"));
    let rollout = Rollout { _backends: backends, proxy };
    rollout.proxy.set_share("v2", ALL);
    rollout.proxy.versions_of(0..10, "/");
    rollout.proxy.versions_of(0..4, "/buy");
    let closed = |outcome| [("version", "v2"), ("epoch", "2"), ("outcome", outcome)];
    let samples = rollout.counted("tidegate_visitors_closed_total", &closed("unconverted"), 6);
    assert_eq!(samples.count("tidegate_visitors_closed_total", &closed("converted")), 4);
    rollout.proxy.versions_of(4..10, "/buy");
    rollout.proxy.versions_of(10..11, "/");
    let samples = rollout.counted("tidegate_visitors_total", &[("version", "v2")], 11);
    assert_eq!(samples.count("tidegate_visitors_converted_total", &[]), 4, "later ones are too late");
}

#[test]
fn whoever_knew_the_service_before_the_rollout_converts_for_nobody() {
    let rollout = rollout("");
    rollout.proxy.set_share("v2", ALL);
    let visit = |minted: Option<u32>, id| {
        let mut client = rollout.proxy.client();
        let cookies = minted.map_or_else(
            || client.get("/").cookies(),
            |minted| {
                let value = Identity { id, minted }.seal(&COOKIE_KEY);
                format!("{}={}", cookie::VISITOR, std::str::from_utf8(value.as_bytes()).unwrap())
            },
        );
        for path in ["/", "/buy", "/fail"] {
            client.get_with(path, &format!("cookie: {cookies}\r\n"));
        }
    };
    (0..3).for_each(|id| visit(Some(ROLLOUT_BEGAN - 1), id));
    (3..5).for_each(|id| visit(Some(ROLLOUT_BEGAN), id));
    (5..9).for_each(|id| visit(None, id));
    let labels = [("version", "v2"), ("epoch", "2")];
    let samples = rollout.counted("tidegate_visitors_failed_total", &labels, 9);
    let count = |name| samples.count(name, &labels);
    assert_eq!(count("tidegate_visitors_total"), 9, "all of them are seen");
    assert_eq!(count("tidegate_visitors_exposed_total"), 9, "and met the version");
    assert_eq!(count("tidegate_first_response_seconds_count"), 9, "in some time");
    assert_eq!(count("tidegate_visitors_new_total"), 6, "but three are old acquaintances");
    assert_eq!(count("tidegate_visitors_converted_total"), 6, "who would have bought anyway");
}

#[test]
fn a_moved_visitor_is_exposed_to_both_and_converts_for_neither() {
    let rollout = rollout(BY_HEADER);
    rollout.proxy.versions_of(0..10, "/");
    rollout.counted("tidegate_visitors_total", &[("version", "v1"), ("epoch", "1")], 10);
    rollout.proxy.set_share("v2", ALL);
    assert!(rollout.proxy.versions_of(0..10, "/buy").iter().all(|version| version == "v2"));
    rollout.proxy.versions_of(10..11, "/buy");
    let samples = rollout.counted("tidegate_visitors_exposed_total", &[("version", "v2"), ("epoch", "2")], 11);
    assert_eq!(samples.count("tidegate_visitors_exposed_total", &[("version", "v1"), ("epoch", "1")]), 10);
    assert_eq!(samples.count("tidegate_visitors_total", &[("version", "v2")]), 1, "only the one first seen there");
    assert_eq!(samples.count("tidegate_visitors_converted_total", &[]), 1, "and only that one converts");
    assert_eq!(samples.count("tidegate_first_response_seconds_count", &[("version", "v2")]), 1);
}

#[test]
fn a_latency_falls_into_the_bucket_of_its_time() {
    let backend = Backend::start(|exchange| {
        let start = crate::harness::now();
        until("it is late", || start.elapsed().as_millis() >= 60);
        exchange.send(reply("200 OK", "", "v1"));
        After::Keep
    });
    let proxy = TestProxy::start(&canary(backend.address, backend.address, BY_HEADER));
    proxy.versions_of(0..1, "/");
    until("it is counted", || proxy.samples().count("tidegate_first_response_seconds_count", &[]) == 1);
    let samples = proxy.samples();
    for name in ["tidegate_first_response_seconds", "tidegate_response_seconds"] {
        let sum = samples.sum(&format!("{name}_sum"), &[]);
        assert!((0.06..0.5).contains(&sum), "{name} {sum}");
        let buckets = samples.buckets(name);
        assert_eq!(buckets.len(), 70, "{name}");
        for (edge, count) in buckets {
            assert_eq!(count, u64::from(edge >= sum), "{name} at {edge} with {sum}");
        }
    }
}

#[test]
fn without_a_rollout_requests_are_counted_and_visitors_are_not() {
    let backends = [version("v1"), version("v2")];
    let config = fixed(backends[0].address, backends[1].address, "50%", BY_HEADER);
    let proxy = TestProxy::start(&config);
    proxy.versions_of(0..20, "/");
    let samples = proxy.samples();
    assert_eq!(samples.count("tidegate_requests_total", &[("epoch", "1")]), 20);
    assert_eq!(samples.count("tidegate_visitors_total", &[]), 0);
}

#[test]
fn a_scrape_names_the_state_of_things() {
    let rollout = rollout(BY_HEADER);
    rollout.proxy.set_share("v2", 125_000);
    let samples = rollout.proxy.samples();
    assert_eq!(samples.count("tidegate_generation", &[]), 2);
    let share = |version| samples.sum("tidegate_share_ratio", &[("service", "shop"), ("version", version)]);
    assert!((share("v1") - 0.875).abs() < 1e-9 && (share("v2") - 0.125).abs() < 1e-9);
    assert_eq!(samples.count("tidegate_visitors_counted_ratio", &[]), 1, "nobody is left out");
    assert!((samples.sum("process_start_time_seconds", &[]) - 1.0).abs() < 1e-9);
    assert_eq!(samples.count("tidegate_endpoints", &[("state", "admitted")]), 2);
}
