//! A canary that cannot be reached: stable answers its visitors, and the failure is the canary's.

use std::net::SocketAddr;

use crate::harness::{After, Backend, Samples, TestProxy, backlogged, canary, now, reply, unserved, until};

/// A proxy whose canary takes every visitor.
fn all_to_canary(stable: &Backend, address: SocketAddr, more: &str) -> TestProxy {
    let proxy = TestProxy::start(&format!("{}{more}\n", canary(stable.address, address, "visitor: {header: x-user}")));
    proxy.set_share("v2", 1_000_000);
    proxy
}

fn failures(samples: &Samples, version: &str, cause: &str) -> u64 {
    samples.count("tidegate_failures_total", &[("version", version), ("cause", cause)])
}

#[test]
fn stable_answers_for_a_canary_that_refuses_connections() {
    let (_socket, dead) = unserved();
    let stable = Backend::saying("v1");
    let proxy = all_to_canary(&stable, dead, "");
    let versions = proxy.versions_of(0..10, "/");
    assert!(versions.iter().all(|version| version == "v1"), "{versions:?}");
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\nx-user: visitor-0\r\ncontent-length: 5\r\n\r\nwhole");
    assert_eq!(client.answer().text(), "v1", "nothing was sent yet, so a POST may go on as well");
    assert_eq!(stable.seen()[10].body.as_deref(), Some(&b"whole"[..]));
    until("each visitor's first failure is counted", || {
        proxy.samples().count("tidegate_visitors_failed_total", &[("version", "v2"), ("epoch", "2")]) == 10
    });
    let samples = proxy.samples();
    assert_eq!((failures(&samples, "v2", "connect"), failures(&samples, "v1", "connect")), (11, 0));
    let requests = |version| samples.count("tidegate_requests_total", &[("version", version)]);
    assert_eq!((requests("v2"), requests("v1")), (11, 0), "they stay the canary's requests");
    assert_eq!(samples.count("tidegate_visitors_total", &[("version", "v2")]), 10);
}

#[test]
fn stable_answers_for_a_canary_that_takes_no_connection_in_time() {
    let (_sockets, dead) = backlogged();
    let stable = Backend::saying("v1");
    let proxy = all_to_canary(&stable, dead, "timeouts: {connect: 200ms}");
    let start = now();
    assert_eq!(proxy.versions_of(0..1, "/"), ["v1"]);
    assert!((150..500).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert_eq!(failures(&proxy.samples(), "v2", "connect"), 1);
}

#[test]
fn stable_answers_what_is_safe_to_repeat_for_a_canary_that_breaks_connections() {
    let broken = Backend::start(|_| After::Close);
    let stable = Backend::saying("v1");
    let proxy = all_to_canary(&stable, broken.address, "");
    assert_eq!(proxy.versions_of(0..5, "/"), ["v1"; 5]);
    let samples = proxy.samples();
    assert_eq!((failures(&samples, "v2", "reset"), failures(&samples, "v1", "reset")), (5, 0));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\nx-user: visitor-0\r\ncontent-length: 2\r\n\r\nhi");
    let answer = client.answer();
    assert_eq!((answer.status, answer.reason()), (502, "endpoint-reset"), "what may have been done is not done again");
    assert_eq!((stable.requests(), broken.requests()), (5, 11), "the canary's second chance comes first");
}

#[test]
fn what_a_canary_answers_is_not_taken_back() {
    let canary = Backend::start(|exchange| {
        exchange.send(reply("500 Oops", "", "v2"));
        After::Keep
    });
    let stable = Backend::saying("v1");
    let proxy = all_to_canary(&stable, canary.address, "");
    assert_eq!(proxy.versions_of(0..3, "/"), ["v2", "v2", "v2"]);
    assert_eq!((failures(&proxy.samples(), "v2", "status"), stable.requests()), (3, 0));
}

#[test]
fn a_dead_canary_and_a_dead_stable_are_an_honest_502() {
    let (_sockets, [dead, gone]) = {
        let (first, second) = (unserved(), unserved());
        ([first.0, second.0], [first.1, second.1])
    };
    let proxy = TestProxy::start(&canary(gone, dead, ""));
    proxy.set_share("v2", 1_000_000);
    let answer = proxy.get("/");
    assert_eq!((answer.status, answer.reason()), (502, "connect-failed"));
}

#[test]
fn stable_has_nobody_to_fall_back_to() {
    let (_socket, dead) = unserved();
    let tried = Backend::saying("v2");
    let proxy = TestProxy::start(&canary(dead, tried.address, ""));
    let answer = proxy.get("/");
    assert_eq!((answer.status, answer.reason(), tried.requests()), (502, "connect-failed", 0));
    assert_eq!(failures(&proxy.samples(), "v1", "connect"), 1);
}

#[test]
fn a_version_may_answer_by_itself() {
    let stable = Backend::saying("v1");
    let file = format!(
        "listeners: [{{address: '127.0.0.1:0'}}]\nroutes: [{{service: shop}}, {{service: gone, path: {{prefix: /gone}}}}]\n\
         services:\n  shop: {{versions: {{v1: {{endpoints: ['{}']}}}}}}\n  \
         gone: {{versions: {{none: {{endpoints: [], refuse: {{status: 500, reason: no-backend}}}}}}}}\n",
        stable.address
    );
    let proxy = TestProxy::start(&file);
    let answer = proxy.get("/gone/away");
    assert_eq!((answer.status, answer.field("x-tidegate-reason")), (500, Some("no-backend")));
    assert_eq!(proxy.get("/").text(), "v1");
    let samples = proxy.samples();
    assert_eq!(samples.count("tidegate_requests_total", &[("service", "gone")]), 1);
    assert_eq!(samples.count("tidegate_failures_total", &[("service", "gone")]), 0, "nothing has failed");
}
