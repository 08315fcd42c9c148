//! Endpoints that answer with what is no response, or not all of one: the client gets an honest answer, and the
//! connection is not used again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{After, Backend, TestProxy, fields, one};

/// Answers the first request, a POST so that it is not tried again, with `response`, every other one properly.
fn bad_once(response: Vec<u8>, after: After) -> (Backend, TestProxy) {
    let count = Arc::new(AtomicUsize::new(0));
    let backend = Backend::start(move |exchange| {
        exchange.read_body();
        if count.fetch_add(1, Ordering::SeqCst) == 0 {
            exchange.send(&response);
            return after;
        }
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood");
        After::Keep
    });
    let proxy = TestProxy::start(&one(&backend, "timeouts: {request: 1s}"));
    (backend, proxy)
}

const POST: &str = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi";

#[test]
fn what_is_no_response_is_answered_502() {
    let long = "x".repeat(64 * 1024);
    let many = fields(101, "y");
    let rows: Vec<(Vec<u8>, &str)> = vec![
        (b"garbage\r\n\r\n".to_vec(), "bad-response"),
        (b"\0\x01\x02\x03\x04\x05\x06\x07\r\n\r\n".to_vec(), "bad-response"),
        (b"HTTP/2.0 200 OK\r\n\r\n".to_vec(), "bad-response"),
        (b"HTTP/1.1 20 OK\r\n\r\n".to_vec(), "bad-response"),
        (b"HTTP/1.1 2000 OK\r\n\r\n".to_vec(), "bad-response"),
        (b"HTTP/1.1 abc OK\r\n\r\n".to_vec(), "bad-response"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".to_vec(), "bad-response"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\nab".to_vec(), "bad-response"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nab".to_vec(), "bad-response"),
        (b"HTTP/1.1 200 OK\r\nx\0y: 1\r\n\r\n".to_vec(), "bad-response"),
        (b"HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 0\r\n\r\n".to_vec(), "bad-response"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n".to_vec(), "bad-response"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n".to_vec(), "bad-response"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nabc".to_vec(), "bad-response"),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".to_vec(), "bad-response"),
        (format!("HTTP/1.1 200 OK\r\nx: {long}\r\n\r\n").into_bytes(), "bad-response"),
        (format!("HTTP/1.1 200 OK\r\n{many}\r\n").into_bytes(), "bad-response"),
        (b"HTTP/1.1 200 OK\r\ncontent-le".to_vec(), "endpoint-reset"),
        (b"".to_vec(), "endpoint-reset"),
    ];
    assert_eq!(rows.len(), 19);
    for (response, reason) in rows {
        let shown = String::from_utf8_lossy(&response[..response.len().min(100)]).into_owned();
        let (backend, proxy) = bad_once(response, After::Close);
        let mut client = proxy.client();
        let answer = client.send(POST).answer();
        assert_eq!((answer.status, answer.reason()), (502, reason), "{shown:?}");
        assert_eq!(client.get("/").text(), "good", "the client's connection stays: {shown:?}");
        assert_eq!((backend.requests(), backend.connections()), (2, 2), "{shown:?}");
        let failures = proxy.samples().count("tidegate_failures_total", &[("version", "v1"), ("cause", "reset")]);
        assert_eq!(failures, 1, "it counts against its version: {shown:?}");
    }
}

#[test]
fn a_body_that_breaks_off_never_ends_properly() {
    let rows = [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345",
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n123",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n0\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345XX0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    ];
    let mut runs = 0;
    for after in [After::Close, After::Reset] {
        for response in rows {
            let (backend, proxy) = bad_once(response.into(), after);
            let mut client = proxy.client();
            client.send(POST);
            // A break that overtakes the head is said by a status, or by a connection that ends without one.
            let answer = client.try_answer();
            let honest = answer.as_ref().is_none_or(|answer| answer.status == 502 || !answer.complete);
            assert!(honest, "{response:?}: {answer:?}");
            assert_eq!(proxy.get("/").text(), "good");
            assert_eq!(backend.connections(), 2, "{response:?}");
            runs += 1;
        }
    }
    assert_eq!(runs, 16);
}

#[test]
fn bytes_that_nobody_asked_for_end_the_connection() {
    let rows = [
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfineHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine surplus",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\nevil",
        "HTTP/1.1 204 No Content\r\n\r\nevil",
        "HTTP/1.1 304 Not Modified\r\n\r\nevil",
        "HTTP/1.1 204 No Content\r\ncontent-length: 4\r\n\r\nevil",
    ];
    for response in rows {
        let (backend, proxy) = bad_once(response.into(), After::Keep);
        let mut client = proxy.client();
        client.send(POST);
        let answer = client.answer();
        assert_eq!(answer.head[9..12], response[9..12], "{response:?}");
        assert!(!answer.text().contains("evil"), "{response:?}");
        for _ in 0..3 {
            let next = client.get("/");
            assert_eq!((next.status, next.text()), (200, "good"), "after {response:?}");
        }
        assert_eq!((backend.requests(), backend.connections()), (4, 2), "{response:?}");
    }
    assert_eq!(rows.len(), 6);
}

#[test]
fn a_body_after_the_head_of_a_response_to_head_ends_the_connection() {
    let count = AtomicUsize::new(0);
    let backend = Backend::start(move |exchange| {
        let body = if count.fetch_add(1, Ordering::SeqCst) == 0 { "evil" } else { "" };
        exchange.send(format!("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n{body}"));
        After::Keep
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = proxy.client();
    for _ in 0..3 {
        client.send("HEAD / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(client.answer_to("HEAD").status, 200);
    }
    assert!(client.is_quiet());
    assert_eq!(backend.connections(), 2);
}

#[test]
fn a_length_beside_chunks_counts_for_nothing() {
    for framing in
        ["content-length: 3\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 3"]
    {
        let response = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n5\r\nwhole\r\n0\r\n\r\n");
        let (_backend, proxy) = bad_once(response.into_bytes(), After::Keep);
        let mut client = proxy.client();
        let answer = client.send(POST).answer();
        let returned = (answer.field("content-length"), answer.field("transfer-encoding"));
        match answer.status {
            200 => assert_eq!((answer.text(), returned), ("whole", (None, Some("chunked"))), "{framing}"),
            status => assert_eq!((status, answer.reason()), (502, "bad-response"), "{framing}"),
        }
        assert_eq!(client.get("/").text(), "good", "{framing}");
    }
}

#[test]
fn endless_interim_responses_end() {
    let hint = format!("HTTP/1.1 103 Early Hints\r\nlink: {}\r\n\r\n", "x".repeat(30_000));
    let backend = Backend::start(move |exchange| {
        while exchange.send(&hint) {}
        After::Close
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    let answer = proxy.get("/");
    assert_eq!((answer.status, answer.reason()), (502, "bad-response"));
    assert_eq!(backend.requests(), 1, "it is not asked again");
}

#[test]
fn a_response_that_comes_byte_by_byte_is_one() {
    let backend = Backend::start(|exchange| {
        let response = "HTTP/1.1 200 OK\r\nx-own: 1\r\ncontent-length: 4\r\n\r\ngood";
        response.bytes().for_each(|byte| assert!(exchange.send([byte])));
        After::Keep
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    assert_eq!(proxy.get("/").text(), "good");
}
