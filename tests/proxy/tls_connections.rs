//! Connections under TLS: their timeouts, ends and bodies are those of plain ones.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::{
    After, Backend, Client, Gate, Http2, Made, TestProxy, TlsClient, now, one, reply, request, until,
};

/// A proxy with TLS before one backend; `more` is added to the configuration.
fn start(backend: &Backend, more: &str) -> TestProxy {
    let tls = format!("'127.0.0.1:0', tls: {{certificates: [{}]}}}}", Made::of(&["shop.example"]).yaml());
    TestProxy::start(&one(backend, more).replace("'127.0.0.1:0'}", &tls))
}

fn connect(proxy: &TestProxy) -> Client {
    Client::over(TlsClient::offering(&["http/1.1"]).connect(proxy.address(), "shop.example").unwrap())
}

#[test]
fn a_handshake_has_its_time() {
    let backend = Backend::saying("ok");
    let proxy = start(&backend, "timeouts: {headerRead: 300ms}");
    for beginning in [&b""[..], b"\x16", b"\x16\x03\x01\x01\x00\x01"] {
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        let start = now();
        stream.write_all(beginning).unwrap();
        assert_eq!(stream.read(&mut [0; 64]).unwrap_or(0), 0, "{beginning:?}");
        let took = start.elapsed().as_millis();
        assert!((250..700).contains(&took), "{took} ms");
    }
    assert_eq!(connect(&proxy).get("/").text(), "ok");
}

#[test]
fn what_is_not_tls_is_told_so_and_closed() {
    let backend = Backend::saying("ok");
    let proxy = start(&backend, "");
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    // An alert record (RFC 8446 §6): fatal, decode_error or unexpected_message.
    assert_eq!((answer.len(), answer[0], answer[5]), (7, 21, 2), "{answer:?}");
    let plain = TestProxy::start(&one(&backend, ""));
    let error = TlsClient::offering(&[]).connect(plain.address(), "shop.example").unwrap_err();
    assert!(error.to_string().contains("corrupt message"), "{error}");
    assert_eq!(backend.connections(), 0);
}

#[test]
fn a_head_that_does_not_end_is_answered_408() {
    let backend = Backend::saying("ok");
    let proxy = start(&backend, "timeouts: {headerRead: 300ms}");
    let mut client = connect(&proxy);
    let answer = client.send("GET / HTTP/1.1\r\nhost").answer();
    assert_eq!((answer.status, answer.reason()), (408, "head-timeout"));
    assert_eq!(client.rest(), "");
}

#[test]
fn large_bodies_pass_both_ways() {
    const BODY: usize = 3_000_000;
    let backend = Backend::start(|exchange| {
        let body = exchange.read_body().unwrap();
        exchange.send(reply("200 OK", "", &String::from_utf8(body).unwrap()));
        After::Keep
    });
    let proxy = start(&backend, "");
    let body: String = (0..BODY).map(|i| char::from(b'a' + u8::try_from(i % 26).unwrap())).collect();
    let mut client = connect(&proxy);
    for _ in 0..2 {
        client.send(format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {BODY}\r\n\r\n{body}"));
        assert!(client.answer().text() == body);
    }
    let http2 = Http2::connect_tls(&TlsClient::offering(&["h2"]), proxy.address(), "shop.example");
    assert!(http2.send(request("POST", "/", body.clone())).body().bytes == body.as_bytes());
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::start(|exchange| {
        let line = exchange.request().line();
        exchange.send(reply("200 OK", "", &line));
        After::Keep
    });
    let proxy = start(&backend, "");
    let mut client = connect(&proxy);
    client.send((0..20).map(|i| format!("GET /{i} HTTP/1.1\r\nhost: a\r\n\r\n")).collect::<Vec<_>>().concat());
    for i in 0..20 {
        assert_eq!(client.answer().text(), format!("GET /{i} HTTP/1.1"));
    }
}

#[test]
fn a_client_that_goes_away_frees_its_request() {
    let gone = Gate::default();
    let seen = gone.clone();
    let backend = Backend::start(move |exchange| {
        let after = exchange.hang();
        seen.open();
        after
    });
    let proxy = start(&backend, "");
    let mut client = connect(&proxy);
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    until("the request is there", || backend.requests() == 1);
    // The end of the session and that of the connection, as a browser leaves.
    client.finish();
    drop(client);
    gone.pass();
}

#[test]
fn a_rested_connection_goes_on_and_ends_with_a_drain() {
    let backend = Backend::saying("ok");
    let proxy = start(&backend, "");
    let mut client = connect(&proxy);
    assert_eq!(client.get("/").text(), "ok");
    let start = now();
    until("it rests", || start.elapsed() > Duration::from_millis(1_500));
    assert_eq!(client.get("/").text(), "ok");
    let start = now();
    proxy.drain();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(client.rest(), "");
}

/// RFC 8446 §6.1: what has ended says so, what was cut off does not.
#[test]
fn an_idle_connection_ends_as_tls_does_and_a_broken_response_does_not() {
    let backend = Backend::start(|exchange| {
        let is_short = exchange.request().line().contains("/short");
        exchange.send(if is_short {
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok"
        } else {
            "HTTP/1.0 200 OK\r\n\r\nok"
        });
        After::Close
    });
    for (idle, path, ends) in [("500ms", "/", true), ("1500ms", "/", true), ("500ms", "/short", false)] {
        let proxy = start(&backend, &format!("timeouts: {{clientIdle: {idle}}}"));
        let mut session = TlsClient::offering(&[]).connect(proxy.address(), "shop.example").unwrap();
        write!(session, "GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let read = session.read_to_end(&mut answer);
        // Of a response that breaks at once perhaps nothing has been sent.
        let has_come = answer.starts_with(b"HTTP/1.1 200 OK\r\n");
        assert!(has_come || !ends, "{}", String::from_utf8_lossy(&answer));
        assert_eq!(read.is_ok(), ends, "{path} {read:?}");
    }
}

#[test]
fn a_client_that_reads_slowly_gets_everything() {
    const BODY: usize = 12 << 20;
    let backend = Backend::start(|exchange| {
        exchange.send(reply("200 OK", "", &"x".repeat(BODY)));
        After::Keep
    });
    let proxy = start(&backend, "");
    let mut client = connect(&proxy);
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let start = now();
    until("it would rest if it were forgotten", || start.elapsed() > Duration::from_millis(1_500));
    assert_eq!(client.answer().body.len(), BODY);
    assert_eq!(client.get("/").body.len(), BODY, "and the connection goes on");
}
