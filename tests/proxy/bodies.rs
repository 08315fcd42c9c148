//! Bodies both ways: framing, size, trailers, and what is in flight when one side stops reading.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::harness::{After, Backend, Client, Gate, TestProxy, one, reply, until};

/// Bytes that do not repeat at any likely buffer size.
fn noise(length: usize) -> Vec<u8> {
    (0..length).map(|i| u8::try_from((i * 31 + i / 251) % 251).unwrap()).collect()
}

fn echo() -> Backend {
    Backend::start(|exchange| {
        let Some(body) = exchange.read_body() else { return After::Close };
        let sent = if exchange.request().line().contains("chunked") {
            exchange.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                && body.chunks(70_001).all(|chunk| {
                    exchange.send(format!("{:x};ext=1\r\n", chunk.len()))
                        && exchange.send(chunk)
                        && exchange.send("\r\n")
                })
                && exchange.send("0\r\n\r\n")
        } else {
            exchange.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len())) && exchange.send(&body)
        };
        if sent { After::Keep } else { After::Close }
    })
}

#[test]
fn bodies_pass_whole_in_both_framings() {
    let backend = echo();
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = proxy.client();
    let sizes = [0, 1, 17, 8_191, 8_192, 8_193, 65_536, 1_000_003];
    for size in sizes {
        let body = noise(size);
        for path in ["/length", "/chunked"] {
            client.send(format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n")).send(&body);
            let answer = client.answer();
            assert!(answer.complete && answer.body == body, "{size} with a length, back by {path}");
            client.send(format!("POST {path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"));
            for chunk in body.chunks(50_021) {
                client.send(format!("{:X};name=\"v\"\r\n", chunk.len())).send(chunk).send("\r\n");
            }
            client.send("0\r\n\r\n");
            let answer = client.answer();
            assert!(answer.complete && answer.body == body, "{size} in chunks, back by {path}");
        }
    }
    assert_eq!((backend.requests(), backend.connections()), (sizes.len() * 4, 1));
    let framing = |index: usize| {
        let seen = &backend.seen()[index];
        (seen.field("content-length"), seen.field("transfer-encoding"))
    };
    assert_eq!(framing(4), (Some("1".into()), None));
    assert_eq!(framing(5), (None, Some("chunked".into())));
}

#[test]
fn trailers_are_never_taken_for_fields() {
    let backend = Backend::start(|exchange| {
        exchange.read_body().unwrap();
        exchange.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-late\r\n\r\n");
        exchange.send("2\r\nhi\r\n0\r\nx-late: 1\r\ncontent-length: 7\r\n\r\n");
        After::Keep
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntrailer: host\r\n\r\n");
        client.send("2\r\nhi\r\n0\r\nhost: b\r\nx-forwarded-for: 6.6.6.6\r\n\r\n");
        let answer = client.answer();
        assert_eq!((answer.text(), answer.field("x-late")), ("hi", None));
    }
    for seen in backend.seen() {
        assert_eq!((seen.field("host"), seen.field("x-forwarded-for")), (Some("a".into()), Some("127.0.0.1".into())));
    }
    assert_eq!(backend.connections(), 1);
}

/// The most that may be between two ends when the receiver does not read: the kernel's buffers of the proxy's two
/// sockets (up to 6 MB to receive and 4 MB to send), and little more.
const IN_FLIGHT_MAX: usize = 12 << 20;
const LARGE: usize = 64 << 20;

#[test]
fn a_client_that_does_not_read_stops_the_endpoint() {
    let written = Arc::new(Mutex::new(None));
    let result = Arc::clone(&written);
    let backend = Backend::start(move |exchange| {
        exchange.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n"));
        let sent = exchange.send_until_stuck(&[b'x'; 16 * 1024], LARGE, Duration::from_millis(250));
        *result.lock().unwrap() = Some(sent);
        After::Close
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = Client::with_small_buffers(proxy.address());
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    until("the endpoint cannot send any more", || written.lock().unwrap().is_some());
    let written = written.lock().unwrap().unwrap();
    assert!(written < IN_FLIGHT_MAX, "{written} bytes were in flight");
    let answer = client.answer();
    assert!(answer.body.len() <= written && !answer.complete, "a broken body is never completed");
}

#[test]
fn an_endpoint_that_does_not_read_stops_the_client() {
    let gate = Gate::default();
    let shut = gate.clone();
    let backend = Backend::start(move |exchange| {
        shut.pass();
        exchange.send(reply("200 OK", "", "read nothing"));
        After::Close
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = Client::with_small_buffers(proxy.address());
    client.send(format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {LARGE}\r\n\r\n"));
    let written = client.send_until_stuck(&[b'x'; 16 * 1024], LARGE, Duration::from_millis(250));
    assert!(written < IN_FLIGHT_MAX, "{written} bytes were in flight");
    gate.open();
}

#[test]
fn a_large_body_passes_to_a_slow_reader() {
    let backend = Backend::start(|exchange| {
        let body = noise(8 << 20);
        exchange.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()));
        exchange.send(&body);
        After::Keep
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = Client::with_small_buffers(proxy.address());
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let answer = client.answer();
    assert!(answer.complete && answer.body == noise(8 << 20));
    assert_eq!(client.get("/").status, 200, "and the connection is kept");
}

#[test]
fn an_answer_before_the_end_of_an_upload_arrives_and_its_connection_is_not_reused() {
    let backend = Backend::start(|exchange| {
        if exchange.request().line().starts_with("POST") {
            exchange.send(reply("413 Content Too Large", "", "enough"));
            return exchange.hang();
        }
        exchange.send(reply("200 OK", "", "next"));
        After::Keep
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nbeginning");
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (413, "enough"));
    assert_eq!(proxy.get("/").text(), "next");
    assert_eq!(backend.connections(), 2, "a connection in the middle of a request takes no other");
}

#[test]
fn a_broken_upload_never_looks_whole() {
    // Head, what comes of the body before the client breaks off.
    let rows = [
        ("content-length: 10\r\n", "12345"),
        ("transfer-encoding: chunked\r\n", "5\r\n12345\r\n"),
        ("transfer-encoding: chunked\r\n", "5\r\n123"),
        ("transfer-encoding: chunked\r\n", "5\r\n12345\r\n0\r\n"),
        ("transfer-encoding: chunked\r\n", "5\r\n12345XX0\r\n\r\n"),
        ("transfer-encoding: chunked\r\n", "5\r\n12345\r\n-1\r\n\r\n"),
        ("transfer-encoding: chunked\r\n", "5\r\n12345\r\nxyz\r\n\r\n"),
        ("transfer-encoding: chunked\r\n", "5\r\n12345\r\n10000000000000000\r\n\r\n"),
    ];
    let backend = Backend::saying("whole");
    let proxy = TestProxy::start(&one(&backend, ""));
    for (field, body) in rows {
        let mut client = proxy.client();
        client.send(format!("POST / HTTP/1.1\r\nhost: a\r\n{field}\r\n{body}")).finish();
        let status = client.try_answer().map_or(400, |answer| answer.status);
        assert_eq!(status, 400, "{body:?}");
        client.rest();
    }
    until("all connections are closed", || backend.open_connections() == 0);
    let seen = backend.seen();
    assert!(seen.iter().all(|seen| seen.body.is_none()), "{seen:?}");
    assert!(seen.len() <= rows.len(), "none was sent twice");
}
