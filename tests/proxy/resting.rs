//! A connection on which nothing happens for a second gives its buffers back, and nobody notices.

use std::time::Duration;

use crate::harness::{After, Backend, Client, TestProxy, now, one, reply, until};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// Connections that have had an answer and then rested.
fn rested(proxy: &TestProxy, count: usize) -> Vec<Client> {
    let mut clients: Vec<Client> = (0..count).map(|_| proxy.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    let start = now();
    until("they rest", || start.elapsed() > Duration::from_millis(1_500));
    clients
}

#[test]
fn a_rested_connection_takes_requests_whole_split_and_pipelined() {
    let backend = Backend::saying("ok");
    let proxy = TestProxy::start(&one(&backend, ""));
    for (number, client) in rested(&proxy, GET.len()).iter_mut().enumerate() {
        // Wherever the head is cut, the first part wakes the connection and the second completes it.
        let (first, second) = GET.split_at(number);
        client.send(first);
        client.send(second);
        client.send(GET.repeat(2));
        (0..3).for_each(|_| assert_eq!(client.answer().text(), "ok", "cut at {number}"));
    }
}

#[test]
fn a_rested_connection_is_closed_in_its_time_and_by_a_drain() {
    let backend = Backend::saying("ok");
    let proxy = TestProxy::start(&one(&backend, "timeouts: {clientIdle: 2s}"));
    let start = now();
    let mut first = proxy.client();
    first.get("/");
    assert_eq!(first.rest(), "");
    let idle = start.elapsed().as_millis();
    assert!((1_950..2_400).contains(&idle), "{idle} ms");
    let mut clients = rested(&proxy, 1);
    let start = now();
    proxy.drain();
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(clients[0].rest(), "");
}

#[test]
fn a_client_that_reads_slowly_gets_everything() {
    // More than both kernels hold, so that the proxy is left with the end of it for longer than a connection takes to rest.
    const BODY: usize = 12 << 20;
    let backend = Backend::start(|exchange| {
        exchange.send(reply("200 OK", "", &"x".repeat(BODY)));
        After::Keep
    });
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut client = proxy.client();
    client.send(GET);
    let start = now();
    until("it would rest if it were forgotten", || start.elapsed() > Duration::from_millis(1_500));
    assert_eq!(client.answer().body.len(), BODY);
    assert_eq!(client.get("/").body.len(), BODY, "and the connection goes on");
}
