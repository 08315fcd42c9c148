//! What reaches an endpoint, to the byte, and what of a response reaches a client: fields of one hop end there.

use crate::harness::{After, Backend, TestProxy, one, reply};

/// What a client sends beside `Host`, and what the endpoint gets of it.
struct Row {
    sent: &'static str,
    arrives: &'static str,
    why: &'static str,
}

const fn row(sent: &'static str, arrives: &'static str, why: &'static str) -> Row {
    Row { sent, arrives, why }
}

const REQUESTS: &[Row] = &[
    row("", "", "nothing is added beside the forwarding fields"),
    row("x-own: a\r\nX-Own:  b \r\n", "x-own: a\r\nx-own: b\r\n", "a field may be there twice"),
    row("accept: */*\r\nauthorization: Basic eA==\r\n", "accept: */*\r\nauthorization: Basic eA==\r\n", "end to end"),
    row("connection: keep-alive\r\n", "", "it concerns our connection"),
    row("connection: close\r\n", "", "it concerns our connection"),
    row("connection: x-one, X-Two\r\nx-one: 1\r\nx-two: 2\r\nx-three: 3\r\n", "x-three: 3\r\n", "named fields go"),
    row("connection: x-one\r\nconnection: x-two\r\nx-one: 1\r\nx-two: 2\r\n", "", "in every Connection field"),
    row("connection: close, host, content-length\r\ncontent-length: 0\r\n", "content-length: 0\r\n", "not the framing"),
    row("connection: x-forwarded-for, x-request-id\r\n", "", "and not what we add ourselves"),
    row("connection: , ,;\"\r\nx-a: 1\r\n", "x-a: 1\r\n", "what is no name names nothing"),
    row("keep-alive: timeout=5\r\nproxy-connection: keep-alive\r\n", "", "older forms"),
    row("te: trailers, deflate\r\ntrailer: x\r\n", "", "we pass no trailers to HTTP/1.1"),
    row("proxy-authorization: Basic eA==\r\n", "", "for a proxy, not for the service"),
    row("upgrade: websocket\r\n", "", "asked for only together with its connection option"),
    row("http2-settings: AAMAAABkAAQAAP__\r\n", "", "only meaningful with an upgrade"),
    row("forwarded: for=6.6.6.6\r\n", "", "nobody in front of us is trusted"),
    row("x-forwarded-for: 6.6.6.6\r\nx-forwarded-for: 7.7.7.7\r\n", "", "replaced by the client's address"),
    row("x-forwarded-host: evil\r\nx-forwarded-proto: https\r\n", "", "replaced by what is true"),
    row("x-forwarded-port: 443\r\nx-real-ip: 6.6.6.6\r\n", "", "a client may not say who it is or what it used"),
    row("x_forwarded_for: 6.6.6.6\r\nx_request_id: 1\r\nx-ok: 1\r\n", "x-ok: 1\r\n", "twins of fields that we set"),
    row("cookie: a=b\r\ncookie: c=d\r\n", "cookie: a=b; c=d\r\n", "one field is all that HTTP/1.1 allows"),
    row("x-empty:\r\nx-wide: \u{fc}\r\n", "x-empty: \r\nx-wide: \u{fc}\r\n", "empty and non-ASCII values"),
];

#[test]
fn requests_reach_the_endpoint_without_what_ends_here() {
    let backend = Backend::saying("ok");
    let proxy = TestProxy::start(&one(&backend, ""));
    for Row { sent, arrives, why } in REQUESTS {
        let mut client = proxy.client();
        client.send(format!("GET /x?y HTTP/1.1\r\nHost: Shop.Example:81\r\n{sent}\r\n"));
        assert_eq!(client.answer().status, 200, "{why}: {sent:?}");
        let seen = backend.seen().pop().unwrap();
        let id = seen.field("x-request-id").expect("an id");
        assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        let ours = [
            "GET /x?y HTTP/1.1".to_owned(),
            "host: Shop.Example:81".to_owned(),
            "x-forwarded-host: Shop.Example:81".to_owned(),
            "x-forwarded-for: 127.0.0.1".to_owned(),
            "x-forwarded-proto: http".to_owned(),
            format!("x-request-id: {id}"),
        ];
        let mut expected: Vec<String> = ours.into_iter().chain(arrives.lines().map(str::to_owned)).collect();
        let mut lines: Vec<String> = seen.text().trim_end_matches("\r\n").split("\r\n").map(str::to_owned).collect();
        assert_eq!(lines[0], expected[0], "the request line comes first");
        // The order of different fields means nothing; that of equal ones is kept by the sort.
        let name = |line: &String| line.split(':').next().unwrap_or_default().to_owned();
        expected.sort_by_key(name);
        lines.sort_by_key(name);
        assert_eq!(lines, expected, "{why}: {sent:?}");
    }
    assert_eq!((backend.requests(), REQUESTS.len()), (22, 22));
    assert_eq!(backend.strays(), "");
}

#[test]
fn a_request_id_that_a_client_brings_is_kept_and_others_differ() {
    let backend = Backend::saying("ok");
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = proxy.client();
    client.get_with("/", "x-request-id: mine\r\n");
    client.get("/");
    client.get("/");
    let ids: Vec<_> = backend.seen().iter().map(|seen| seen.field("x-request-id").unwrap()).collect();
    assert!(ids[0] == "mine" && ids[1] != ids[2], "{ids:?}");
}

#[test]
fn an_upgrade_to_http_2_is_refused_before_it_reaches_the_endpoint() {
    let backend = Backend::saying("ok");
    let proxy = TestProxy::start(&one(&backend, ""));
    for protocol in ["h2c", "websocket, H2C"] {
        let fields = format!("connection: x, Upgrade\r\nupgrade: {protocol}\r\n");
        let answer = proxy.client().get_with("/", &fields);
        assert_eq!((answer.status, answer.reason()), (501, "not-supported"), "{protocol}");
    }
    assert_eq!((backend.requests(), backend.connections()), (0, 0));
    // HTTP/1.0 knows no upgrade: the field is not for us (RFC 9110 §7.8).
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n");
    assert_eq!(client.answer().status, 200);
    assert_eq!(backend.only().field("upgrade"), None);
}

const RESPONSES: &[Row] = &[
    row("x-own: 1\r\nvary: a\r\n", "x-own: 1\r\nvary: a\r\n", "end to end"),
    row("connection: keep-alive\r\nkeep-alive: timeout=5\r\n", "", "the endpoint's connection is not the client's"),
    row("connection: x-one\r\nx-one: 1\r\nx-two: 2\r\n", "x-two: 2\r\n", "named fields go"),
    row("proxy-connection: close\r\nproxy-authenticate: Basic\r\n", "", "fields between proxies"),
    row("upgrade: h2c\r\nte: x\r\ntrailer: x\r\n", "", "an offer that we do not take"),
    row("x_own: 1\r\n", "x_own: 1\r\n", "nothing of ours is set in a response"),
    row("connection: close\r\n", "", "the client's connection stays"),
];

#[test]
fn responses_reach_the_client_without_what_ends_here() {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let backend = Backend::start(move |exchange| {
        let row = &RESPONSES[next.fetch_add(1, std::sync::atomic::Ordering::SeqCst)];
        exchange.send(reply("200 OK", row.sent, "body"));
        if row.sent.contains("connection: close") { After::Close } else { After::Keep }
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = proxy.client();
    for Row { sent: _, arrives, why } in RESPONSES {
        let answer = client.get("/");
        let mut lines: Vec<&str> = answer.head.trim_end_matches("\r\n").split("\r\n").skip(1).collect();
        let date = lines.iter().position(|line| line.starts_with("date: ")).expect("a date (RFC 9110 §6.6.1)");
        lines.remove(date);
        let mut expected: Vec<&str> = arrives.lines().chain(["content-length: 4"]).collect();
        lines.sort_unstable();
        expected.sort_unstable();
        assert_eq!((lines, answer.text()), (expected, "body"), "{why}");
    }
    assert_eq!((backend.requests(), RESPONSES.len()), (7, 7));
}
