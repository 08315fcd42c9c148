//! Requests that are refused before a route is found have a counter by reason. `malformed` adds a hundred of them.

use crate::harness::{Backend, Gate, Http2, TestProxy, one, request, until};

const COUNTER: &str = "tidegate_refused_requests_total";

/// Over both workers, and over both protocols.
#[test]
fn every_reason_is_counted_apart_and_an_ordinary_request_not_at_all() {
    let backend = Backend::saying("ok");
    let config = one(&backend, "timeouts: {headerRead: 100ms}").replace("{service: shop}", "{service: shop, host: a}");
    let proxy = TestProxy::with_workers(&config, 2);
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(9_000));
    let rows = [
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400, "malformed-request"),
        ("nonsense\r\n\r\n", 400, "malformed-request"),
        ("GET / HTTP/1.1\r\nhost: b\r\n\r\n", 404, "no-route"),
        ("CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n", 501, "not-supported"),
        (&long, 414, "target-too-long"),
        ("GET / HTTP/1.1\r\nhost:", 408, "head-timeout"),
    ];
    let counted = |reason| proxy.samples().count(COUNTER, &[("reason", reason)]);
    for (sent, status, reason) in rows {
        let before = counted(reason);
        for _ in 0..10 {
            assert_eq!(proxy.client().send(sent).answer().status, status, "{reason}");
            assert_eq!(proxy.client().send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").answer().status, 200);
        }
        until(reason, || counted(reason) == before + 10);
    }
    let client = Http2::connect(proxy.address());
    assert_eq!(client.send(request("GET", "/", "")).status(), 404);
    assert_eq!(counted("no-route"), 11);
    assert_eq!(proxy.samples().count(COUNTER, &[]), 61);
    assert_eq!(proxy.samples().count("tidegate_requests_total", &[]), 60, "the ordinary ones");
}

/// A request for which there is no room is refused; one that its version does not answer is not.
#[test]
fn overload_is_counted_and_a_failure_of_a_version_is_not() {
    let gate = Gate::default();
    let backend = Backend::behind(&gate);
    let proxy = TestProxy::start(&one(&backend, "limits: {requestsInFlight: 1}"));
    let mut held = proxy.client();
    held.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    until("the limit is reached", || gate.arrived() == 1);
    assert_eq!((proxy.get("/").status, proxy.get("/").status), (503, 503));
    gate.open();
    assert_eq!(held.answer().status, 200);
    drop(backend);
    assert_eq!(proxy.get("/").status, 502);
    assert_eq!(proxy.samples().count(COUNTER, &[("reason", "overloaded")]), 2);
    assert_eq!(proxy.samples().count(COUNTER, &[]), 2);
}
