//! Every timeout by its name: what ends, how, and when. Each has a grain of 50 ms.

use std::time::{Duration, Instant};

use crate::harness::{After, Backend, Client, TestProxy, backlogged, now, one, reply, spread, until};

/// Fails unless about `millis` have passed since `start`.
#[track_caller]
fn took(start: Instant, millis: u64) {
    let (elapsed, expected) = (start.elapsed(), Duration::from_millis(millis));
    let grain = Duration::from_millis(150);
    assert!(elapsed + grain > expected && elapsed < expected + grain, "{elapsed:?} instead of {expected:?}");
}

fn hanging() -> Backend {
    Backend::start(|exchange| {
        exchange.read_body();
        exchange.hang()
    })
}

#[test]
fn a_head_that_does_not_end_is_answered_408() {
    let backend = Backend::saying("ok");
    let proxy = TestProxy::start(&one(&backend, "timeouts: {headerRead: 300ms}"));
    for beginning in ["G", "GET / HTTP/1.1\r\nhost", "GET / HTTP/1.1\r\nhost: a\r\n"] {
        let mut client = proxy.client();
        let start = now();
        let answer = client.send(beginning).answer();
        assert_eq!((answer.status, answer.reason()), (408, "head-timeout"), "{beginning:?}");
        took(start, 300);
        assert_eq!(client.rest(), "");
    }
    assert_eq!(backend.connections(), 0);
}

#[test]
fn a_head_that_drips_is_cut_at_the_same_time() {
    let backend = Backend::saying("ok");
    let proxy = TestProxy::start(&one(&backend, "timeouts: {headerRead: 300ms}"));
    let mut client = proxy.client();
    let start = now();
    client.send("GET / HTTP/1.1\r\nx-a: ");
    until("it is cut", || {
        client.send("y");
        !client.is_quiet()
    });
    took(start, 300);
}

#[test]
fn the_next_head_of_a_connection_has_its_own_time() {
    let backend = Backend::saying("ok");
    let proxy = TestProxy::start(&one(&backend, "timeouts: {headerRead: 200ms, clientIdle: 10s}"));
    let mut client = proxy.client();
    client.get("/");
    let mut clock = proxy.client();
    assert_eq!(clock.send("GET").answer().status, 408);
    assert!(client.is_quiet(), "between requests only clientIdle counts");
    let start = now();
    assert_eq!(client.send("GET /").answer().status, 408);
    took(start, 200);
}

#[test]
fn a_connection_without_requests_is_closed() {
    let backend = Backend::saying("ok");
    let proxy = TestProxy::start(&one(&backend, "timeouts: {clientIdle: 300ms, headerRead: 200ms}"));
    let start = now();
    assert_eq!(proxy.client().rest(), "", "one that never said anything");
    took(start, 200);
    let mut idle = proxy.client();
    idle.get("/");
    let start = now();
    assert_eq!(idle.rest(), "", "one that has had its answer");
    took(start, 300);
}

#[test]
fn an_endpoint_that_takes_no_connection_is_answered_504() {
    let (_sockets, address) = backlogged();
    let proxy = TestProxy::start(&spread(&[address], "timeouts: {connect: 200ms}"));
    let start = now();
    let answer = proxy.get("/");
    assert_eq!((answer.status, answer.reason()), (504, "connect-timeout"));
    took(start, 200);
    assert_eq!(proxy.samples().count("tidegate_failures_total", &[("cause", "connect")]), 1);
}

#[test]
fn an_endpoint_that_does_not_answer_is_answered_504() {
    let backend = hanging();
    let config = one(&backend, "timeouts: {request: 300ms}");
    let routes = "routes: [{service: shop}, {path: {prefix: /slow}, service: shop, requestTimeout: 600ms}]";
    let proxy = TestProxy::start(&config.replace("routes: [{service: shop}]", routes));
    for (path, millis) in [("/", 300), ("/slow", 600)] {
        let start = now();
        let mut client = proxy.client();
        let answer = client.get(path);
        assert_eq!((answer.status, answer.reason()), (504, "request-timeout"), "{path}");
        took(start, millis);
        assert!(client.is_quiet(), "the client may go on");
    }
    until("its connections are closed", || backend.open_connections() == 0);
    assert_eq!(backend.requests(), 2, "what has timed out is not sent again");
    assert_eq!(proxy.samples().count("tidegate_failures_total", &[("cause", "timeout")]), 2);
}

#[test]
fn a_second_attempt_has_no_time_of_its_own() {
    let backend = Backend::start(|exchange| {
        if exchange.connection == 0 {
            let end = now() + Duration::from_millis(300);
            until("it is late", || now() > end);
            return After::Close;
        }
        exchange.hang()
    });
    let proxy = TestProxy::start(&one(&backend, "timeouts: {request: 500ms}"));
    let start = now();
    let answer = proxy.get("/");
    assert_eq!((answer.status, backend.requests()), (504, 2));
    took(start, 500);
}

#[test]
fn an_upload_may_take_longer_than_the_request_timeout() {
    let backend = Backend::saying("whole");
    let proxy = TestProxy::start(&one(&backend, "timeouts: {request: 200ms, bodyIdle: 2s}"));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 600\r\n\r\n");
    let start = now();
    let mut sent = 0;
    until("all is sent", || {
        if start.elapsed() > Duration::from_millis(sent) {
            client.send("x");
            sent += 1;
        }
        sent == 600
    });
    assert!(start.elapsed() > Duration::from_millis(500));
    assert_eq!(client.answer().text(), "whole");
}

#[test]
fn the_request_timeout_starts_when_the_upload_ends() {
    let backend = hanging();
    let proxy = TestProxy::start(&one(&backend, "timeouts: {request: 300ms, bodyIdle: 2s}"));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nh");
    let start = now();
    until("a while passes", || start.elapsed() > Duration::from_millis(400));
    client.send("i");
    let start = now();
    let answer = client.answer();
    assert_eq!((answer.status, answer.reason()), (504, "request-timeout"));
    took(start, 300);
}

#[test]
fn an_upload_that_stands_still_is_answered_408() {
    let backend = Backend::saying("whole");
    let proxy = TestProxy::start(&one(&backend, "timeouts: {bodyIdle: 300ms}"));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf");
    let start = now();
    let answer = client.answer();
    assert_eq!((answer.status, answer.reason()), (408, "body-timeout"));
    took(start, 300);
    assert_eq!(client.rest(), "");
    until("the endpoint's connection is closed", || backend.open_connections() == 0);
    assert_eq!(backend.only().body, None);
    assert_eq!(proxy.samples().count("tidegate_failures_total", &[]), 0, "it is not the version's fault");
}

#[test]
fn a_response_that_stands_still_is_cut() {
    let backend = Backend::start(|exchange| {
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
        exchange.hang()
    });
    let proxy = TestProxy::start(&one(&backend, "timeouts: {bodyIdle: 300ms, request: 100ms}"));
    let start = now();
    let answer = proxy.get("/");
    assert_eq!((answer.status, answer.text(), answer.complete), (200, "half", false));
    took(start, 300);
    until("the endpoint's connection is closed", || backend.open_connections() == 0);
}

#[test]
fn a_client_that_stops_reading_is_cut() {
    let backend = Backend::start(|exchange| {
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n");
        while exchange.send([b'x'; 16 * 1024]) {}
        After::Close
    });
    let proxy = TestProxy::start(&one(&backend, "timeouts: {bodyIdle: 300ms}"));
    let mut client = Client::with_small_buffers(proxy.address());
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    until("the request arrives", || backend.requests() == 1);
    until("the endpoint is let go", || backend.open_connections() == 0);
    assert!(!client.answer().complete);
}

#[test]
fn a_slow_response_is_not_cut_while_it_moves() {
    let backend = Backend::start(|exchange| {
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n");
        let start = now();
        for part in 0..500 {
            until("it is time for the next byte", || start.elapsed() > Duration::from_millis(part));
            exchange.send("x");
        }
        After::Keep
    });
    let proxy = TestProxy::start(&one(&backend, "timeouts: {bodyIdle: 200ms, request: 100ms, clientIdle: 200ms}"));
    let answer = proxy.get("/");
    assert!(answer.complete && answer.body.len() == 500);
}

#[test]
fn a_client_may_wait_for_a_response_longer_than_it_may_be_idle() {
    let backend = Backend::start(|exchange| {
        let start = now();
        until("it is late", || start.elapsed() > Duration::from_millis(400));
        exchange.send(reply("200 OK", "", "late"));
        After::Keep
    });
    let more = "timeouts: {clientIdle: 100ms, headerRead: 100ms, bodyIdle: 100ms, request: 2s}";
    let proxy = TestProxy::start(&one(&backend, more));
    assert_eq!(proxy.get("/").text(), "late");
}
