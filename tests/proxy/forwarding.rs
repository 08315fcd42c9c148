//! What passes through as it is: methods, statuses, fields and responses without a body.

use crate::harness::{After, Backend, Gate, TestProxy, one, reply, until};

#[test]
fn methods_pass_with_their_target_and_body() {
    let backend = Backend::start(|exchange| {
        let body = exchange.read_body().unwrap();
        let line = exchange.request().line();
        let answer = reply("200 OK", "", &format!("{line} {}", body.len()));
        let answer = if line.starts_with("HEAD ") { &answer[..answer.find("\r\n\r\n").unwrap() + 4] } else { &answer };
        exchange.send(answer);
        After::Keep
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = proxy.client();
    let rows = [
        ("GET", ""),
        ("HEAD", ""),
        ("OPTIONS", ""),
        ("TRACE", ""),
        ("DELETE", ""),
        ("DELETE", "gone"),
        ("GET", "with a body"),
        ("POST", ""),
        ("POST", "hello"),
        ("PUT", "hello"),
        ("PATCH", "hello"),
        ("PURGE", ""),
        ("x-own", ""),
    ];
    for (method, body) in rows {
        let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        client.send(format!("{method} /a%20b/../c?q=%3F&r HTTP/1.1\r\nhost: shop.example\r\n{length}\r\n{body}"));
        let answer = client.answer_to(method);
        assert_eq!(answer.status, 200, "{method} {}", answer.head);
        if method != "HEAD" {
            let line = format!("{method} /a%20b/../c?q=%3F&r HTTP/1.1 {}", body.len());
            assert_eq!(answer.text(), line, "{method}");
        }
    }
    assert_eq!(backend.requests(), rows.len());
    assert_eq!(backend.connections(), 1, "all went over one connection");
}

#[test]
fn statuses_and_fields_of_a_response_pass() {
    let rows =
        ["200 OK", "201 Created", "302 Found", "404 Not Found", "418 I'm a teapot", "500 Oops", "503 Busy", "599 Own"];
    let next = std::sync::atomic::AtomicUsize::new(0);
    let backend = Backend::start(move |exchange| {
        let status = rows[next.fetch_add(1, std::sync::atomic::Ordering::SeqCst)];
        exchange.send(reply(status, "x-own: a\r\nx-own: b\r\nserver: mine\r\nset-cookie: c=d\r\n", status));
        After::Keep
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = proxy.client();
    for row in rows {
        let answer = client.get("/");
        assert_eq!((answer.status.to_string(), answer.text()), (row[..3].to_owned(), row));
        assert_eq!(answer.fields("x-own"), ["a", "b"], "{row}");
        assert_eq!((answer.field("server"), answer.field("set-cookie")), (Some("mine"), Some("c=d")), "{row}");
        assert_eq!(answer.reason(), "", "the answer is the service's own: {row}");
    }
    assert_eq!(backend.requests(), rows.len());
}

#[test]
fn responses_without_a_body_keep_the_connection_and_their_length() {
    // Request method, response, the length that the client must see.
    let rows = [
        ("HEAD", "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n", Some("1234")),
        ("HEAD", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", None),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", None),
        ("GET", "HTTP/1.1 304 Not Modified\r\netag: \"e\"\r\n\r\n", None),
        ("GET", "HTTP/1.1 304 Not Modified\r\ncontent-length: 1234\r\n\r\n", None),
        ("GET", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Some("0")),
    ];
    let next = std::sync::atomic::AtomicUsize::new(0);
    let backend = Backend::start(move |exchange| {
        exchange.send(rows[next.fetch_add(1, std::sync::atomic::Ordering::SeqCst)].1);
        After::Keep
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = proxy.client();
    for (method, response, length) in rows {
        client.send(format!("{method} / HTTP/1.1\r\nhost: shop.example\r\n\r\n"));
        let answer = client.answer_to(method);
        assert_eq!(answer.head[9..12], response[9..12], "{method} {response}");
        assert_eq!(answer.field("content-length"), length, "{method} {response}");
        assert_eq!(answer.body, b"", "{method} {response}");
    }
    assert_eq!((backend.requests(), backend.connections()), (rows.len(), 1));
    assert!(client.is_quiet(), "no byte of a body may follow");
}

#[test]
fn informational_responses_do_not_end_a_request() {
    let backend = Backend::start(|exchange| {
        exchange.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n");
        exchange.send("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
        exchange.send(reply("200 OK", "", "done"));
        After::Keep
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    let answer = proxy.get("/");
    assert_eq!((answer.status, answer.text()), (200, "done"));
    assert_eq!(answer.field("link"), None, "a hint is no part of the response");
}

#[test]
fn a_client_that_asks_is_told_to_continue_once_its_body_is_wanted() {
    let backend = Backend::saying("done");
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nhost: shop.example\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n");
    until("the head arrives", || backend.requests() == 1);
    client.send("body");
    let answer = client.answer();
    assert_eq!((answer.status, answer.before.as_slice()), (200, &[100][..]));
    assert_eq!(backend.only().body.as_deref(), Some(&b"body"[..]));
    assert_eq!(backend.only().field("expect"), None);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::start(|exchange| {
        let line = exchange.request().line();
        exchange.send(reply("200 OK", "", &line));
        After::Keep
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = proxy.client();
    let all: Vec<String> = (0..50).map(|i| format!("GET /{i} HTTP/1.1\r\nhost: shop.example\r\n\r\n")).collect();
    client.send(all.concat());
    for i in 0..50 {
        assert_eq!(client.answer().text(), format!("GET /{i} HTTP/1.1"));
    }
}

#[test]
fn nothing_after_a_request_that_closes_is_read() {
    let backend = Backend::saying("done");
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = proxy.client();
    client.send("GET /1 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
    assert_eq!(client.rest(), "");
    assert_eq!(backend.only().line(), "GET /1 HTTP/1.1");
}

#[test]
fn a_client_of_http_1_0_gets_its_version_and_an_end() {
    let backend = Backend::saying("done");
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\nhost: shop.example\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.text(), &answer.head[..8]), (200, "done", "HTTP/1.0"));
    assert_eq!(client.rest(), "");
    assert_eq!(backend.only().line(), "GET / HTTP/1.1");
}

#[test]
fn a_version_of_http_1_0_does_not_make_the_proxy_one() {
    let backend = Backend::start(|exchange| {
        exchange.send("HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\nuntil the end");
        After::Close
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = proxy.client();
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!((answer.status, answer.text(), answer.complete), (200, "until the end", true));
        assert_eq!(&answer.head[..8], "HTTP/1.1", "RFC 9110 §6.2: a proxy sends its own version");
        assert_eq!(answer.field("transfer-encoding"), Some("chunked"));
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
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: shop.example\r\n\r\n");
    until("the request arrives", || backend.requests() == 1);
    drop(client);
    gone.pass();
    until("its connection is closed", || backend.open_connections() == 0);
    until("it is counted", || proxy.samples().count("tidegate_requests_total", &[]) == 1);
    assert_eq!(proxy.samples().count("tidegate_failures_total", &[]), 0, "it is nobody's failure");
}
