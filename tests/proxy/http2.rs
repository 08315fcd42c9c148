//! HTTP/2 with prior knowledge on the same port: multiplexing, and what becomes of its messages in HTTP/1.1.

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, header};
use http_body_util::Full;

use crate::harness::{After, Backend, Gate, Http2, TestProxy, one, reply, request, until};

fn echo() -> Backend {
    Backend::start(|exchange| {
        let Some(body) = exchange.read_body() else { return After::Close };
        exchange.send(format!("HTTP/1.1 200 OK\r\nx-own: 1\r\ncontent-length: {}\r\n\r\n", body.len()));
        exchange.send(&body);
        After::Keep
    })
}

#[test]
fn requests_of_one_connection_are_under_way_together() {
    let gate = Gate::default();
    let opening = gate.clone();
    let backend = Backend::start(move |exchange| {
        if gate.arrived() == 49 {
            gate.open();
        }
        gate.pass();
        let line = exchange.request().line();
        exchange.send(reply("200 OK", "", &line));
        After::Keep
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    let client = Http2::connect(proxy.address());
    let requests = (0..50).map(|i| request("GET", &format!("/{i}"), "")).collect();
    for (i, response) in client.send_all(requests).into_iter().enumerate() {
        assert_eq!(response.unwrap().body().bytes, format!("GET /{i} HTTP/1.1"));
    }
    assert_eq!((backend.requests(), opening.arrived()), (50, 50));
}

#[test]
fn more_requests_than_streams_are_all_answered() {
    let backend = Backend::saying("ok");
    let proxy = TestProxy::start(&one(&backend, ""));
    let client = Http2::connect(proxy.address());
    let responses = client.send_all((0..500).map(|_| request("GET", "/", "")).collect());
    assert!(responses.iter().all(|response| response.as_ref().is_ok_and(|response| response.status() == 200)));
    assert_eq!(backend.requests(), 500);
    assert!(backend.connections() <= 100, "{} connections", backend.connections());
}

#[test]
fn bodies_pass_whole_both_ways() {
    let backend = echo();
    let proxy = TestProxy::start(&one(&backend, ""));
    let client = Http2::connect(proxy.address());
    let sizes = [0usize, 1, 16_384, 16_385, 65_535, 65_536, 1_000_003];
    let body = |size: usize| Bytes::from((0..size).map(|i| u8::try_from(i % 251).unwrap()).collect::<Vec<_>>());
    let responses = client.send_all(sizes.iter().map(|size| request("POST", "/", body(*size))).collect());
    for (size, response) in sizes.iter().zip(responses) {
        let response = response.unwrap();
        assert!(response.body().bytes == body(*size), "{size}");
        assert_eq!(response.headers()["content-length"], size.to_string().as_str());
    }
    assert_eq!(backend.requests(), sizes.len());
}

#[test]
fn a_request_reaches_the_endpoint_as_http_1_1() {
    let backend = Backend::saying("ok");
    let proxy = TestProxy::start(&one(&backend, ""));
    let client = Http2::connect(proxy.address());
    let mut sent = request("GET", "/a?b", "");
    let fields = sent.headers_mut();
    for crumb in ["a=b", "c=d; e=f", "g=h"] {
        fields.append(header::COOKIE, HeaderValue::from_static(crumb));
    }
    fields.insert(header::TE, HeaderValue::from_static("trailers"));
    fields.insert(header::HOST, HeaderValue::from_static("other.example"));
    fields.insert("x-forwarded-for", HeaderValue::from_static("6.6.6.6"));
    assert_eq!(client.send(sent).status(), StatusCode::OK);
    let seen = backend.only();
    assert_eq!(seen.line(), "GET /a?b HTTP/1.1");
    assert_eq!(seen.fields("host"), ["shop.example"]);
    assert_eq!(seen.fields("cookie"), ["a=b; c=d; e=f; g=h"]);
    assert_eq!(seen.fields("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!((seen.field("te"), seen.field("content-length"), seen.field("transfer-encoding")), (None, None, None));
    assert!(!seen.text().contains("\r\n:"), "{}", seen.text());
}

#[test]
fn responses_lose_what_concerns_one_connection() {
    let backend = Backend::start(|exchange| {
        let head = "HTTP/1.1 200 OK\r\nconnection: x-one\r\nx-one: 1\r\nx-two: 2\r\nkeep-alive: timeout=5\r\n";
        exchange.send(format!("{head}transfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n"));
        exchange.send("4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n");
        After::Keep
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    let response = Http2::connect(proxy.address()).send(request("GET", "/", ""));
    let fields = response.headers();
    assert_eq!((response.status(), fields.get("x-two")), (StatusCode::OK, Some(&HeaderValue::from_static("2"))));
    for name in ["connection", "x-one", "keep-alive", "transfer-encoding", "trailer"] {
        assert!(!fields.contains_key(name), "{name} in {fields:?}");
    }
    assert_eq!(response.body().bytes, "body");
    assert_eq!(response.body().trailers.as_ref().map(|trailers| trailers["x-sum"].as_bytes()), Some(&b"7"[..]));
}

#[test]
fn refusals_name_their_reason_and_spare_the_other_streams() {
    let backend = echo();
    let routes = "routes: [{host: shop.example, service: shop}]";
    let more = "limits: {requestBodyBytes: 5}";
    let proxy = TestProxy::start(&one(&backend, more).replace("routes: [{service: shop}]", routes));
    let client = Http2::connect(proxy.address());
    let elsewhere = Request::get("http://other.example/").body(Full::default()).unwrap();
    let connect = Request::builder().method(Method::CONNECT).uri("shop.example:443").body(Full::default()).unwrap();
    let long = request("GET", &format!("/{}", "x".repeat(9 * 1024)), "");
    let responses = client.send_all(vec![
        request("POST", "/", "12345"),
        elsewhere,
        connect,
        long,
        request("POST", "/", "123456"),
        request("POST", "/", "abcde"),
    ]);
    let outcome = |index: usize| {
        let response = responses[index].as_ref().unwrap();
        let reason = response.headers().get("x-tidegate-reason").map(|reason| reason.to_str().unwrap());
        (response.status().as_u16(), reason.unwrap_or_default())
    };
    let all: Vec<_> = (0..responses.len()).map(outcome).collect();
    let expected = [
        (200, ""),
        (404, "no-route"),
        (501, "not-supported"),
        (414, "target-too-long"),
        (413, "body-too-large"),
        (200, ""),
    ];
    assert_eq!(all, expected);
}

#[test]
fn a_response_that_breaks_off_resets_its_stream_alone() {
    let backend = Backend::start(|exchange| {
        if exchange.request().line().contains("/broken") {
            exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
            return After::Close;
        }
        exchange.send(reply("200 OK", "", "whole"));
        After::Keep
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    let client = Http2::connect(proxy.address());
    for _ in 0..20 {
        let paths = ["/", "/broken", "/"];
        let responses = client.send_all(paths.iter().map(|path| request("GET", path, "")).collect());
        let whole: Vec<bool> = responses.iter().map(Result::is_ok).collect();
        assert_eq!(whole, [true, false, true]);
    }
}

#[test]
fn a_drained_connection_ends_its_requests_and_takes_no_more() {
    let gate = Gate::default();
    let backend = Backend::behind(&gate);
    let proxy = TestProxy::start(&one(&backend, ""));
    let client = Http2::connect(proxy.address());
    std::thread::scope(|scope| {
        let responses = scope.spawn(|| client.send_all(vec![request("GET", "/", ""), request("GET", "/", "")]));
        until("both are under way", || gate.arrived() == 2);
        let draining = scope.spawn(|| proxy.drain());
        until("the port is closed", || std::net::TcpStream::connect(proxy.addresses()[0]).is_err());
        gate.open();
        for response in responses.join().unwrap() {
            assert_eq!(response.unwrap().body().bytes, "ok");
        }
        draining.join().unwrap();
    });
    assert!(client.send_all(vec![request("GET", "/", "")])[0].is_err());
}
