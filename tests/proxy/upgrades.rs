//! Connections that change to another protocol, such as WebSocket: what passes, how long, and how they end.

use std::sync::Arc;
use std::time::Duration;

use crate::harness::{After, Backend, Client, Made, TestProxy, TlsClient, now, one, until};

const ASK: &str = "GET /chat HTTP/1.1\r\nhost: shop.example\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";
const YES: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A version that changes the protocol, and then returns every byte with a bit turned.
fn echo() -> Backend {
    Backend::start(|exchange| {
        exchange.send(format!("{YES}hello"));
        while let Some(bytes) = exchange.read_some() {
            exchange.send(bytes.iter().map(|byte| byte ^ 1).collect::<Vec<_>>());
        }
        After::Close
    })
}

/// Changes the protocol, and takes the version's greeting.
#[track_caller]
fn upgrade(client: &mut Client) {
    let answer = client.send(ASK).answer();
    assert_eq!((answer.status, answer.field("upgrade")), (101, Some("websocket")), "{}", answer.head);
    assert_eq!(answer.field("connection"), Some("upgrade"));
    assert_eq!(answer.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(answer.field("content-length").or(answer.field("transfer-encoding")), None);
    assert_eq!(client.bytes(5), b"hello");
}

fn turned(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ 1).collect()
}

#[test]
fn bytes_pass_both_ways_as_they_are() {
    let backend = echo();
    let tls = format!("'127.0.0.1:0', tls: {{certificates: [{}]}}}}", Made::of(&["shop.example"]).yaml());
    let config = one(&backend, "");
    let (plain, secure) = (TestProxy::start(&config), TestProxy::start(&config.replace("'127.0.0.1:0'}", &tls)));
    let session = TlsClient::offering(&["http/1.1"]).connect(secure.address(), "shop.example").unwrap();
    for (mut client, proxy) in [(plain.client(), &plain), (Client::over(session), &secure)] {
        upgrade(&mut client);
        let all: Vec<u8> = (0..=255).collect();
        for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0", &all, &all.repeat(1_000)] {
            client.send(bytes);
            assert!(client.bytes(bytes.len()) == turned(bytes), "{} bytes", bytes.len());
        }
        assert_eq!(proxy.samples().count("tidegate_requests_total", &[]), 1);
        client.finish();
        assert_eq!(client.rest(), "", "the end passes, too");
        until("the endpoint's connection is closed", || backend.open_connections() == 0);
    }
    let seen = backend.seen();
    assert_eq!(seen[0].field("connection").as_deref(), Some("upgrade"));
    assert_eq!((seen[0].field("upgrade").as_deref(), seen.len()), (Some("websocket"), 2));
    assert_eq!(seen[0].field("sec-websocket-key").as_deref(), Some("dGhlIHNhbXBsZSBub25jZQ=="));
}

#[test]
fn bytes_behind_the_request_are_the_first_of_the_new_protocol() {
    let backend = echo();
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = proxy.client();
    client.send(format!("{ASK}early"));
    assert_eq!(client.answer().status, 101);
    assert_eq!(client.bytes(10), [b"hello".to_vec(), turned(b"early")].concat());
}

#[test]
fn an_endpoint_that_does_not_want_to_answers_as_ever() {
    let backend = Backend::saying("no");
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = proxy.client();
    for _ in 0..2 {
        assert_eq!(client.send(ASK).answer().text(), "no");
        assert_eq!(client.get("/").text(), "no");
    }
    assert_eq!(backend.connections(), 1, "all over one connection");
}

#[test]
fn an_idle_connection_that_the_endpoint_has_closed_is_let_go() {
    let backend = Backend::start(|exchange| {
        if exchange.request().line().contains("/chat") {
            exchange.send(format!("{YES}hello"));
        } else {
            exchange.send(crate::harness::reply("200 OK", "", "ok"));
        }
        After::Close
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    for _ in 0..20 {
        let mut client = proxy.client();
        assert_eq!(client.get("/").text(), "ok");
        upgrade(&mut client);
        assert_eq!(client.rest(), "");
    }
}

#[test]
fn what_is_no_upgrade_is_no_answer() {
    for (asked, answer, status) in [
        (ASK.to_owned(), "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\r\n", 502),
        ("GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\n\r\n".to_owned(), YES, 502),
        (ASK.replace("\r\n\r\n", "\r\ncontent-length: 1\r\n\r\na"), YES, 501),
        (ASK.replace("\r\n\r\n", "\r\nupgrade: other\r\n\r\n"), YES, 400),
    ] {
        let backend = Backend::start(move |exchange| {
            exchange.send(answer);
            After::Keep
        });
        let proxy = TestProxy::start(&one(&backend, ""));
        let mut client = proxy.client();
        assert_eq!(client.send(&asked).answer().status, status, "{asked}");
    }
}

#[test]
fn a_quiet_one_ends_in_its_time_and_a_lively_one_does_not() {
    let backend = echo();
    let proxy = TestProxy::start(&one(&backend, "timeouts: {upgradeIdle: 400ms, clientIdle: 100ms, bodyIdle: 100ms}"));
    let (mut quiet, mut lively) = (proxy.client(), proxy.client());
    upgrade(&mut lively);
    upgrade(&mut quiet);
    let start = now();
    until("twice its time is over", || {
        lively.send("x");
        assert_eq!(lively.bytes(1), turned(b"x"));
        start.elapsed() > Duration::from_millis(900)
    });
    assert!(!quiet.is_quiet(), "it is closed");
    assert_eq!(quiet.rest(), "");
}

#[test]
fn a_drain_cuts_it_at_its_deadline() {
    let backend = echo();
    let proxy = Arc::new(TestProxy::start(&one(&backend, "timeouts: {drain: 500ms}")));
    let mut client = proxy.client();
    upgrade(&mut client);
    let start = now();
    let draining = std::thread::spawn({
        let proxy = Arc::clone(&proxy);
        move || proxy.drain()
    });
    until("the port is closed", || Client::is_refused(proxy.address()));
    client.send("still");
    assert_eq!(client.bytes(5), turned(b"still"));
    assert_eq!(client.rest(), "");
    let took = start.elapsed().as_millis();
    assert!((450..1_000).contains(&took), "{took} ms");
    assert_eq!(draining.join().unwrap(), 1, "one request was cut");
}
