//! The limits that a user may set, each reached over the wire.

use crate::harness::{After, Backend, Client, Gate, TestProxy, one, reply, until};

/// A version that answers when the gate is open.
fn gated(gate: &Gate) -> Backend {
    let gate = gate.clone();
    Backend::start(move |exchange| {
        gate.pass();
        exchange.send(reply("200 OK", "", "ok"));
        After::Keep
    })
}

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

#[test]
fn requests_past_the_limit_are_turned_away_at_once() {
    let gate = Gate::default();
    let backend = gated(&gate);
    let proxy = TestProxy::start(&one(&backend, "limits: {requestsInFlight: 3}"));
    let mut admitted: Vec<Client> = (0..3).map(|_| proxy.client()).collect();
    for client in &mut admitted {
        client.send(GET);
    }
    until("the limit is reached", || gate.arrived() == 3);
    let mut refused = proxy.client();
    for _ in 0..3 {
        let answer = refused.get("/");
        assert_eq!((answer.status, answer.reason()), (503, "overloaded"));
        assert_eq!(answer.field("retry-after"), Some("1"));
    }
    gate.open();
    for client in &mut admitted {
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!(refused.get("/").status, 200, "the same client is welcome afterwards");
    assert_eq!(backend.requests(), 4);
    let samples = proxy.samples();
    assert_eq!(samples.count("tidegate_failures_total", &[]), 0, "our shedding is not the version's failure");
    assert_eq!(samples.count("tidegate_requests_total", &[]), 4);
}

#[test]
fn a_request_counts_until_its_body_is_gone() {
    let gate = Gate::default();
    let shut = gate.clone();
    let backend = Backend::start(move |exchange| {
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no");
        shut.pass();
        exchange.send("k");
        After::Keep
    });
    let proxy = TestProxy::start(&one(&backend, "limits: {requestsInFlight: 1}"));
    let mut first = proxy.client();
    first.send(GET);
    until("its body is under way", || gate.arrived() == 1);
    assert_eq!(proxy.get("/").status, 503);
    gate.open();
    assert_eq!(first.answer().text(), "ok");
    assert_eq!(proxy.get("/").status, 200);
}

#[test]
fn a_client_that_was_turned_away_may_be_idle_as_any_other() {
    let gate = Gate::default();
    let backend = gated(&gate);
    let more = "limits: {requestsInFlight: 1}\ntimeouts: {headerRead: 200ms, clientIdle: 10s}";
    let proxy = TestProxy::start(&one(&backend, more));
    let mut first = proxy.client();
    first.send(GET);
    until("the limit is reached", || gate.arrived() == 1);
    let mut refused = proxy.client();
    assert_eq!(refused.get("/").status, 503);
    // Two heads that begin later and do not end tell that its time would be up.
    for _ in 0..2 {
        assert_eq!(proxy.client().send("GET").answer().status, 408);
    }
    assert!(refused.is_quiet(), "it is not waiting for the rest of a head");
    gate.open();
    assert_eq!(first.answer().status, 200);
    assert_eq!(refused.get("/").status, 200);
}

#[test]
fn connections_past_the_limit_are_closed() {
    let backend = Backend::saying("ok");
    let proxy = TestProxy::start(&one(&backend, "limits: {connections: 2}"));
    let (mut first, mut second) = (proxy.client(), proxy.client());
    assert_eq!((first.get("/").status, second.get("/").status), (200, 200));
    let mut third = proxy.client();
    assert_eq!(third.send(GET).rest(), "");
    assert_eq!((first.get("/").status, second.get("/").status), (200, 200));
    drop(first);
    until("there is room again", || proxy.client().send(GET).try_answer().is_some_and(|answer| answer.status == 200));
}

#[test]
fn bodies_past_the_limit_are_answered_413() {
    let backend = Backend::saying("whole");
    let proxy = TestProxy::start(&one(&backend, "limits: {requestBodyBytes: 10}"));
    // Fields and body, and whether it is allowed.
    let rows = [
        ("content-length: 10", "0123456789", true),
        ("content-length: 11", "0123456789a", false),
        ("content-length: 1000000", "0123456789abcdef", false),
        ("transfer-encoding: chunked", "a\r\n0123456789\r\n0\r\n\r\n", true),
        ("transfer-encoding: chunked", "b\r\n0123456789a\r\n0\r\n\r\n", false),
        ("transfer-encoding: chunked", "6\r\n012345\r\n6\r\n012345\r\n0\r\n\r\n", false),
    ];
    for (field, body, allowed) in rows {
        let mut client = proxy.client();
        let answer = client.send(format!("POST / HTTP/1.1\r\nhost: a\r\n{field}\r\n\r\n{body}")).answer();
        if allowed {
            assert_eq!(answer.text(), "whole", "{field} {body}");
        } else {
            assert_eq!((answer.status, answer.reason()), (413, "body-too-large"), "{field} {body}");
            assert_eq!(client.rest(), "", "{field} {body}");
        }
    }
    let whole = backend.seen().iter().filter(|seen| seen.body.is_some()).count();
    assert_eq!((whole, rows.len()), (2, 6));
    assert_eq!(proxy.samples().count("tidegate_failures_total", &[]), 0);
}

#[test]
fn limits_change_with_the_configuration() {
    let backend = Backend::saying("whole");
    let proxy = TestProxy::start(&one(&backend, "limits: {requestBodyBytes: 1}"));
    let mut client = proxy.client();
    let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi";
    assert_eq!(client.send(post).answer().status, 413);
    proxy.configure(&one(&backend, "")).unwrap();
    assert_eq!(proxy.client().send(post).answer().status, 200);
}
