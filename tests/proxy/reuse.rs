//! Connections to endpoints are used again, and one that the endpoint has closed meanwhile harms nobody.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use crate::harness::{After, Backend, Exchange, TestProxy, answers, now, one, reply, until};

#[test]
fn requests_share_connections() {
    let backend = Backend::saying("ok");
    let proxy = TestProxy::start(&one(&backend, ""));
    for _ in 0..10 {
        let mut client = proxy.client();
        (0..10).for_each(|_| assert_eq!(client.get("/").status, 200));
    }
    assert_eq!((backend.requests(), backend.connections()), (100, 1));
}

#[test]
fn an_idle_connection_is_closed_in_its_time() {
    let backend = Backend::saying("ok");
    let proxy = TestProxy::start(&one(&backend, "timeouts: {endpointIdle: 100ms}"));
    proxy.get("/");
    assert_eq!(backend.open_connections(), 1);
    until("the connection is closed", || backend.open_connections() == 0);
    assert_eq!(proxy.get("/").status, 200);
    assert_eq!(backend.connections(), 2);
}

#[test]
fn a_connection_that_the_endpoint_called_its_last_is_not_kept() {
    let backend = Backend::start(|exchange| {
        // It lies: the connection stays open.
        exchange.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
        After::Keep
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = proxy.client();
    (0..3).for_each(|_| assert_eq!(client.get("/").text(), "ok"));
    assert_eq!((backend.requests(), backend.connections()), (3, 3));
    until("they are closed", || backend.open_connections() == 0);
}

#[test]
fn a_connection_that_the_endpoint_closes_while_idle_is_let_go() {
    let backend = Backend::idling(Duration::from_millis(50), answers("ok"));
    let proxy = TestProxy::start(&one(&backend, ""));
    proxy.get("/");
    until("both have closed it", || backend.open_connections() == 0);
    assert_eq!(proxy.get("/").status, 200);
}

#[test]
fn gets_survive_an_endpoint_that_closes_after_every_request_without_saying_so() {
    let backend = Backend::start(|exchange| {
        answers("ok")(exchange);
        After::Close
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    let failed: usize = thread::scope(|scope| {
        let client = || {
            let mut client = proxy.client();
            (0..1_000).filter(|_| client.get("/").status != 200).count()
        };
        let clients = [scope.spawn(client), scope.spawn(client)];
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    assert_eq!(failed, 0);
    assert!(backend.requests() >= 2_000);
}

const CLIENTS: usize = 8;
const ROUNDS: usize = 250;

/// Lets clients send a request each, all at once, and again when the connections they used have been idle for about as
/// long as the endpoint allows. Returns how many requests had which status.
fn at_the_edge_of_idleness(proxy: &TestProxy, request: impl Fn(usize) -> String + Sync) -> BTreeMap<u16, usize> {
    let barrier = Barrier::new(CLIENTS);
    let client = |number: usize| {
        let mut client = proxy.client();
        let mut statuses = BTreeMap::<u16, usize>::new();
        for round in 0..ROUNDS {
            if barrier.wait().is_leader() {
                // From a little less to a little more than the endpoint's 5 ms: the time under test, not a wait.
                let pause = Duration::from_micros(4_000 + u64::try_from(round % 16).unwrap() * 125);
                let end = now() + pause;
                until("the pause is over", || now() >= end);
            }
            barrier.wait();
            client.send(request(round * CLIENTS + number));
            let status = client.answer().status;
            *statuses.entry(status).or_default() += 1;
        }
        statuses
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..CLIENTS).map(|number| scope.spawn(move || client(number))).collect();
        running.into_iter().flat_map(|client| client.join().unwrap()).fold(
            BTreeMap::new(),
            |mut sum, (status, count)| {
                *sum.entry(status).or_default() += count;
                sum
            },
        )
    })
}

#[test]
fn gets_survive_an_endpoint_that_closes_after_five_milliseconds() {
    let backend = Backend::idling(Duration::from_millis(5), answers("ok"));
    let proxy = TestProxy::start(&one(&backend, ""));
    let statuses = at_the_edge_of_idleness(&proxy, |_| "GET / HTTP/1.1\r\nhost: a\r\n\r\n".into());
    assert_eq!(statuses, BTreeMap::from([(200, CLIENTS * ROUNDS)]));
    assert!((20..CLIENTS * ROUNDS).contains(&backend.connections()), "{} connections", backend.connections());
}

#[test]
fn a_post_is_never_sent_twice() {
    let backend = Backend::idling(Duration::from_millis(5), answers("ok"));
    let proxy = TestProxy::start(&one(&backend, ""));
    let post = |id: usize| {
        let body = format!("id={id}");
        format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    let statuses = at_the_edge_of_idleness(&proxy, post);
    assert!(statuses.keys().all(|status| matches!(status, 200 | 502)), "{statuses:?}");
    let mut times: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for body in backend.seen().into_iter().filter_map(|seen| seen.body) {
        *times.entry(body).or_default() += 1;
    }
    assert!(times.values().all(|times| *times == 1), "{times:?}");
    assert!(times.len() >= statuses[&200], "{} arrived, {statuses:?}", times.len());
}

/// Answers the first request of a connection, and ends the connection instead of answering the second.
fn dies_at_the_second(exchange: &mut Exchange<'_>) -> After {
    exchange.read_body();
    if exchange.served > 1 {
        return After::Close;
    }
    exchange.send(reply("200 OK", "", "ok"));
    After::Keep
}

#[test]
fn only_what_is_safe_to_repeat_is_repeated() {
    // A request, its status when the connection ends before the response, and how often it is sent.
    let rows = [
        ("GET /x HTTP/1.1\r\nhost: a\r\n\r\n", 200, 2),
        ("PUT /x HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n", 200, 2),
        ("DELETE /x HTTP/1.1\r\nhost: a\r\n\r\n", 200, 2),
        ("OPTIONS /x HTTP/1.1\r\nhost: a\r\n\r\n", 200, 2),
        ("POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n", 502, 1),
        ("PATCH /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi", 502, 1),
        ("PUT /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi", 502, 1),
        ("GET /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi", 502, 1),
        ("OWN /x HTTP/1.1\r\nhost: a\r\n\r\n", 502, 1),
    ];
    for (request, status, times) in rows {
        let backend = Backend::start(dies_at_the_second);
        let proxy = TestProxy::start(&one(&backend, ""));
        let mut client = proxy.client();
        assert_eq!(client.get("/").status, 200);
        let answer = client.send(request).answer();
        assert_eq!((answer.status, backend.requests() - 1), (status, times), "{request:?}");
        assert_eq!(answer.reason(), if status == 200 { "" } else { "endpoint-reset" }, "{request:?}");
        let sent = backend.seen();
        assert!(sent[1..].windows(2).all(|pair| pair[0].head.len() == pair[1].head.len()), "{sent:?}");
        assert_eq!(client.get("/").status, 200, "the client's connection stays: {request:?}");
    }
    assert_eq!(rows.len(), 9);
}

#[test]
fn a_request_is_sent_twice_at_most() {
    let backend = Backend::start(|_| After::Close);
    let proxy = TestProxy::start(&one(&backend, ""));
    let answer = proxy.get("/");
    assert_eq!((answer.status, answer.reason()), (502, "endpoint-reset"));
    assert_eq!(backend.requests(), 2);
}
