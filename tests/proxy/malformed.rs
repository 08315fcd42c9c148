//! Requests that are not what RFC 9110 and 9112 allow: each gets its status, and nothing of them reaches an endpoint.

use std::collections::BTreeMap;

use crate::harness::{Backend, TestProxy, fields, one, until};

/// A request and what becomes of it. An empty reason: the answer comes from the parser, which names none.
struct Row {
    request: String,
    status: u16,
    reason: &'static str,
}

fn row(request: impl Into<String>, status: u16, reason: &'static str) -> Row {
    Row { request: request.into(), status, reason }
}

/// Sends each request on a connection of its own, followed by one that must not be answered from what is left of it.
fn check(rows: &[Row]) {
    let backend = Backend::saying("reached");
    let proxy = TestProxy::start(&one(&backend, ""));
    for Row { request, status, reason } in rows {
        let shown: String = request.chars().take(200).collect();
        let mut client = proxy.client();
        client.send(request);
        let answer = client.try_answer().unwrap_or_else(|| panic!("no answer to {shown:?}"));
        assert_eq!((answer.status, answer.reason()), (*status, *reason), "{shown:?}");
        assert!(answer.complete, "{shown:?}");
        let rest = client.finish().rest();
        assert!(!rest.contains("reached"), "{shown:?} was followed by {rest}");
    }
    assert_eq!((backend.requests(), backend.strays()), (0, String::new()), "something reached the endpoint");
    assert_eq!(proxy.get("/").text(), "reached", "the proxy still works");
    let failures = proxy.samples().count("tidegate_failures_total", &[]);
    assert_eq!(failures, 0, "a bad request is no failure of a version");
    let mut reasons = BTreeMap::new();
    for Row { status, reason, .. } in rows {
        let reason = match (*reason, *status) {
            ("", 431) => "head-too-large",
            ("", _) => MALFORMED,
            (reason, _) => reason,
        };
        *reasons.entry(reason).or_insert(0) += 1;
    }
    for (reason, count) in reasons {
        let counted = || proxy.samples().count("tidegate_refused_requests_total", &[("reason", reason)]);
        until(&format!("{count} requests are counted as {reason}"), || counted() == count);
    }
    assert_eq!(proxy.samples().count("tidegate_refused_requests_total", &[]), rows.len() as u64);
}

const MALFORMED: &str = "malformed-request";

#[test]
fn framing_that_two_readers_could_read_differently_is_refused() {
    let post = |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n{body}");
    let chunk = "0\r\n\r\n";
    let rows = [
        row(post("content-length: 5\r\ncontent-length: 6\r\n", "hello!"), 400, ""),
        row(post("content-length: 5, 6\r\n", "hello!"), 400, ""),
        row(post("content-length: 5, 5\r\n", "hello"), 400, ""),
        row(post("content-length: +5\r\n", "hello"), 400, ""),
        row(post("content-length: -5\r\n", "hello"), 400, ""),
        row(post("content-length: 0x5\r\n", "hello"), 400, ""),
        row(post("content-length: 5 5\r\n", "hello"), 400, ""),
        row(post("content-length: \r\n", "hello"), 400, ""),
        row(post("content-length: 18446744073709551616\r\n", "hello"), 400, ""),
        row(post("transfer-encoding: chunked, chunked\r\n", chunk), 400, MALFORMED),
        row(post("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", chunk), 400, MALFORMED),
        row(post("transfer-encoding: gzip, chunked\r\n", chunk), 400, MALFORMED),
        row(post("transfer-encoding: foo\r\ntransfer-encoding: chunked\r\n", chunk), 400, MALFORMED),
        row(post("transfer-encoding: ,chunked\r\n", chunk), 400, MALFORMED),
        row(post("transfer-encoding: chunked;q=1\r\n", chunk), 400, ""),
        row(post("transfer-encoding: \"chunked\"\r\n", chunk), 400, ""),
        row(post("transfer-encoding: \u{b}chunked\r\n", chunk), 400, ""),
        row(post("transfer-encoding: xchunked\r\n", chunk), 400, ""),
        row(post("transfer-encoding: identity\r\n", chunk), 400, ""),
        row(post("transfer-encoding: chunked, identity\r\n", chunk), 400, ""),
        row(post("transfer-encoding: gzip\r\n", chunk), 400, ""),
        row(post("transfer-encoding : chunked\r\n", chunk), 400, ""),
        row(format!("POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{chunk}"), 400, ""),
    ];
    assert_eq!(rows.len(), 23);
    check(&rows);
}

#[test]
fn hosts_that_are_missing_doubled_or_invalid_are_refused() {
    let get = |fields: &str| format!("GET / HTTP/1.1\r\n{fields}\r\n");
    let mut rows = vec![
        row(get(""), 400, MALFORMED),
        row(get("host: a\r\nhost: a\r\n"), 400, MALFORMED),
        row(get("host: a\r\nHost: b\r\n"), 400, MALFORMED),
        row("GET http://a/ HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400, MALFORMED),
    ];
    let invalid = [
        "",
        " ",
        "a b",
        "a/b",
        "a@b",
        "user@a",
        "a?b",
        "a#b",
        "a\\b",
        ":80",
        "a:80:80",
        "a:x",
        "a:-1",
        "a:99999",
        "[::1",
        "::1",
        "[::1]x",
        "a,b\u{e9}",
        "<a>",
        "a\"b",
        "http://a",
    ];
    rows.extend(invalid.iter().map(|host| row(get(&format!("host: {host}\r\n")), 400, MALFORMED)));
    assert_eq!(rows.len(), 25);
    check(&rows);
}

#[test]
fn targets_that_no_service_could_mean_are_refused() {
    let with_host = |line: &str| format!("{line}\r\nhost: a\r\n\r\n");
    let rows = [
        row(with_host("GET * HTTP/1.1"), 400, MALFORMED),
        row(with_host("GET a.example:80 HTTP/1.1"), 400, MALFORMED),
        row(with_host("GET admin HTTP/1.1"), 400, MALFORMED),
        row(with_host("GET ?x HTTP/1.1"), 400, ""),
        row(with_host("GET gopher://a/x HTTP/1.1"), 400, MALFORMED),
        row(with_host("GET ftp://a/x HTTP/1.1"), 400, MALFORMED),
        row(with_host("GET http://user:pass@a/x HTTP/1.1"), 400, MALFORMED),
        row(with_host("GET http://a:x/ HTTP/1.1"), 400, MALFORMED),
        row(with_host("GET http:///x HTTP/1.1"), 400, ""),
        row(with_host("GET  / HTTP/1.1"), 400, ""),
        row(with_host("GET /a b HTTP/1.1"), 400, ""),
        row(with_host("GET /\u{7f} HTTP/1.1"), 400, ""),
        row(with_host("GET / HTTP/1.1 x"), 400, ""),
        row(with_host("GET / HTTP/1.2"), 400, ""),
        row(with_host("GET / HTTP/2.0"), 400, ""),
        row(with_host("GET / HTTP/0.9"), 400, ""),
        row(with_host("GET / http/1.1"), 400, ""),
        row(with_host("GET /"), 400, ""),
        row(with_host("G(T / HTTP/1.1"), 400, ""),
        row(with_host("CONNECT a.example:443 HTTP/1.1"), 501, "not-supported"),
        row(with_host("OPTIONS * HTTP/1.1"), 404, "no-route"),
    ];
    assert_eq!(rows.len(), 21);
    check(&rows);
}

#[test]
fn control_bytes_folds_and_names_that_are_none_are_refused() {
    let get = |field: &str| format!("GET / HTTP/1.1\r\nhost: a\r\n{field}\r\n\r\n");
    let rows = [
        row(get("x-a: b\rc"), 400, ""),
        row(get("x-a: b\0c"), 400, ""),
        row(get("x-a: b\u{7f}c"), 400, ""),
        row(get("x-a: b\u{1}c"), 400, ""),
        row(get("x-a: b\r\n folded"), 400, ""),
        row(get("x-a: b\r\n\tfolded"), 400, ""),
        row(get("x-a : b"), 400, ""),
        row(get("x-a\t: b"), 400, ""),
        row(get(" x-a: b"), 400, ""),
        row(get("x a: b"), 400, ""),
        row(get("x-a"), 400, ""),
        row(get(": b"), 400, ""),
        row(get("x(a): b"), 400, ""),
        row(get("x\u{e9}: b"), 400, ""),
        row("GET / HTTP/1.1\r\n x: y\r\nhost: a\r\n\r\n", 400, ""),
        row("GET /\0 HTTP/1.1\r\nhost: a\r\n\r\n", 400, ""),
        row("GET /\rx HTTP/1.1\r\nhost: a\r\n\r\n", 400, ""),
        row("GET / HTTP/1.1\rhost: a\r\n\r\n", 400, ""),
        row("\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}", 400, ""),
        row("\0\0\0\0\r\n\r\n", 400, ""),
    ];
    assert_eq!(rows.len(), 20);
    check(&rows);
}

#[test]
fn heads_beyond_their_limits_are_refused() {
    let get = |target: &str, fields: &str| format!("GET {target} HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
    let long = |length: usize| "x".repeat(length);
    let rows = [
        row(get("/", &format!("x-a: {}\r\n", long(33 * 1024))), 431, ""),
        row(get("/", &format!("{}: y\r\n", long(33 * 1024))), 431, ""),
        row(get("/", &fields(40, &long(1_000))), 431, ""),
        row(get("/", &fields(100, "y")), 431, ""),
        row(get("/", &fields(5_000, "y")), 431, ""),
        row(get(&format!("/{}", long(8 * 1024)), ""), 414, "target-too-long"),
        row(get(&format!("/?{}", long(20 * 1024)), ""), 414, "target-too-long"),
        row(get(&format!("http://a/{}", long(9 * 1024)), ""), 414, "target-too-long"),
        row(get(&format!("/{}", long(100 * 1024)), ""), 431, ""),
        row(format!("{} / HTTP/1.1\r\nhost: a\r\n\r\n", long(40_000)), 431, ""),
    ];
    assert_eq!(rows.len(), 10);
    check(&rows);
}

#[test]
fn the_limits_themselves_are_allowed() {
    let backend = Backend::saying("reached");
    let proxy = TestProxy::start(&one(&backend, ""));
    let many = fields(99, "y");
    let rows = [
        format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(8 * 1024 - 1)),
        format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n"),
        format!("GET / HTTP/1.1\r\nhost: a\r\nx-a: {}\r\n\r\n", "y".repeat(30 * 1024)),
    ];
    for request in &rows {
        let mut client = proxy.client();
        assert_eq!(client.send(request).answer().text(), "reached");
    }
    assert_eq!((backend.requests(), rows.len()), (3, 3));
}

/// What is accepted although it is not in the form that an endpoint should see reaches it in that form.
#[test]
fn what_is_unusual_but_allowed_reaches_the_endpoint_in_the_usual_form() {
    let backend = Backend::saying("reached");
    let proxy = TestProxy::start(&one(&backend, ""));
    let rows = [
        ("GET http://b.example/x?y HTTP/1.1\r\nhost: a\r\n\r\n", "GET /x?y HTTP/1.1", "b.example"),
        ("GET HTTP://b.example:81 HTTP/1.1\r\nhost: a\r\n\r\n", "GET / HTTP/1.1", "b.example:81"),
        ("GET https://b.example?q HTTP/1.1\r\nhost: a\r\n\r\n", "GET /?q HTTP/1.1", "b.example"),
        ("GET /a#fragment HTTP/1.1\r\nhost: a\r\n\r\n", "GET /a HTTP/1.1", "a"),
        ("GET /a HTTP/1.1\nhost: a\n\n", "GET /a HTTP/1.1", "a"),
        ("\r\n\r\nGET /a HTTP/1.1\r\nhost: a\r\n\r\n", "GET /a HTTP/1.1", "a"),
        ("GET /a HTTP/1.1\r\nHOST:a\r\n\r\n", "GET /a HTTP/1.1", "a"),
        ("GET /a HTTP/1.1\r\nhost: [::1]:80\r\n\r\n", "GET /a HTTP/1.1", "[::1]:80"),
        ("GET //a//b HTTP/1.1\r\nhost: a\r\n\r\n", "GET //a//b HTTP/1.1", "a"),
    ];
    for (index, (request, line, host)) in rows.into_iter().enumerate() {
        let mut client = proxy.client();
        assert_eq!(client.send(request).answer().status, 200, "{request:?}");
        let seen = &backend.seen()[index];
        assert_eq!((seen.line().as_str(), seen.field("host").as_deref()), (line, Some(host)), "{request:?}");
        let bare = seen.text().replace("\r\n", "");
        assert!(!bare.contains(['\r', '\n', '\0', '#']), "{request:?} became {:?}", seen.text());
    }
    assert_eq!((backend.requests(), backend.strays()), (rows.len(), String::new()));
}

/// A length beside chunks is answered by the chunks alone, and the connection ends: nobody can hide a request behind it.
#[test]
fn a_length_beside_chunks_smuggles_nothing() {
    let backend = Backend::saying("reached");
    let proxy = TestProxy::start(&one(&backend, ""));
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    let rows = [
        format!("content-length: {}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}", 5 + smuggled.len()),
        format!("transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n{smuggled}"),
    ];
    for (index, rest) in rows.iter().enumerate() {
        let mut client = proxy.client();
        client.send(format!("POST /{index} HTTP/1.1\r\nhost: a\r\n{rest}"));
        let answers = client.rest();
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{rest:?}: {answers}");
        assert_eq!(proxy.get("/after").status, 200);
    }
    for seen in backend.seen() {
        assert!(!seen.line().contains("smuggled"), "{seen:?}");
        let framed = (seen.field("content-length").is_some(), seen.field("transfer-encoding").is_some());
        assert!(framed != (true, true), "{:?}", seen.text());
    }
    assert_eq!(backend.strays(), "");
}
