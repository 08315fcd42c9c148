//! Requests that nobody can answer: they wait for somebody where their service asks for it.

use std::thread;

use socket2::Socket;

use crate::harness::{After, Backend, Client, Samples, TestProxy, canary, now, one, spread, unserved, until};

/// A service whose only version has nobody at its address, and whose requests wait for so long.
fn waiting(park: &str, more: &str) -> (Socket, TestProxy) {
    let (socket, nobody) = unserved();
    let config = spread(&[nobody], more).replace("{shop: {", &format!("{{shop: {{park: {park}, "));
    (socket, TestProxy::start(&config))
}

fn wait_for(proxy: &TestProxy, requests: u64) {
    until("they wait", || parked(&proxy.samples()) == requests);
}

fn parked(samples: &Samples) -> u64 {
    samples.count("tidegate_parked_requests_waiting", &[])
}

fn sent(proxy: &TestProxy, request: &str) -> Client {
    let mut client = proxy.client();
    client.send(request);
    client
}

const GET: &str = "GET /a HTTP/1.1\r\nhost: a\r\n\r\n";
const POST: &str = "POST /b HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nwhole";

#[test]
fn requests_wait_for_a_new_endpoint_and_none_is_lost() {
    let (_socket, proxy) = waiting("10s", "");
    let mut clients = [sent(&proxy, GET), sent(&proxy, POST)];
    wait_for(&proxy, 2);
    let samples = proxy.samples();
    assert_eq!(samples.count("tidegate_requests_total", &[]), 0, "nothing is counted of what has no answer yet");
    let backend = Backend::saying("back");
    proxy.configure(&one(&backend, "")).unwrap();
    for client in &mut clients {
        assert_eq!(client.answer().text(), "back");
    }
    let mut seen: Vec<_> = backend.seen().iter().map(|seen| (seen.line(), seen.body.clone())).collect();
    seen.sort();
    assert_eq!(seen[0], ("GET /a HTTP/1.1".to_owned(), Some(Vec::new())));
    assert_eq!(seen[1], ("POST /b HTTP/1.1".to_owned(), Some(b"whole".to_vec())));
    let samples = proxy.samples();
    let requests = ["tidegate_requests_total", "tidegate_failures_total", "tidegate_parked_requests_total"];
    assert_eq!(requests.map(|name| samples.count(name, &[])), [2, 0, 2]);
    assert_eq!(parked(&samples), 0);
}

#[test]
fn requests_wait_until_somebody_listens_at_a_known_address() {
    let (socket, proxy) = waiting("10s", "");
    let mut client = sent(&proxy, GET);
    wait_for(&proxy, 1);
    let _backend = Backend::coming(socket, "back");
    assert_eq!(client.answer().text(), "back");
}

#[test]
fn nobody_waits_longer_than_is_asked_for() {
    let (_socket, proxy) = waiting("300ms", "");
    let start = now();
    let answer = proxy.get("/");
    assert_eq!((answer.status, answer.reason()), (502, "connect-failed"));
    assert!((300..2_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    let samples = proxy.samples();
    let counts = ["tidegate_requests_total", "tidegate_failures_total", "tidegate_parked_requests_total"];
    assert_eq!(counts.map(|name| samples.count(name, &[])), [1, 1, 1], "one request, however often it was tried");
    for config in ["0s", "null"] {
        let (_socket, proxy) = waiting(config, "");
        assert_eq!(proxy.get("/").status, 502, "at once: {config}");
        assert_eq!(proxy.samples().count("tidegate_parked_requests_total", &[]), 0);
    }
}

#[test]
fn half_of_the_places_are_left_to_others() {
    let (_socket, proxy) = waiting("10s", "limits: {requestsInFlight: 4}");
    let clients = [sent(&proxy, GET), sent(&proxy, GET)];
    wait_for(&proxy, 2);
    assert_eq!(proxy.get("/").reason(), "connect-failed", "the third one");
    drop(clients);
    wait_for(&proxy, 0);
    let _client = sent(&proxy, GET);
    wait_for(&proxy, 1);
}

#[test]
fn what_was_sent_does_not_wait() {
    let broken = Backend::start(|_| After::Close);
    let config = one(&broken, "").replace("{shop: {", "{shop: {park: 10s, ");
    let proxy = TestProxy::start(&config);
    let mut client = sent(&proxy, POST);
    assert_eq!(client.answer().reason(), "endpoint-reset");
    assert_eq!(proxy.samples().count("tidegate_parked_requests_total", &[]), 0);
}

#[test]
fn a_visitor_who_waits_gets_the_version_of_the_moment() {
    let (_socket, nobody) = unserved();
    let config = canary(nobody, nobody, "visitor: {header: x-user}\n    park: 10s");
    let proxy = TestProxy::start(&config);
    proxy.set_share("v2", 1_000_000);
    let mut client = sent(&proxy, "GET / HTTP/1.1\r\nhost: a\r\nx-user: ann\r\n\r\n");
    wait_for(&proxy, 1);
    let stable = Backend::saying("v1");
    proxy.configure(&canary(stable.address, nobody, "visitor: {header: x-user}\n    park: 10s")).unwrap();
    assert_eq!(client.answer().text(), "v1", "stable answers for a canary that cannot be reached");
    let failures = |version| proxy.samples().count("tidegate_failures_total", &[("version", version)]);
    assert_eq!((failures("v2"), failures("v1")), (1, 0));
}

#[test]
fn many_who_wait_are_all_answered() {
    let (_socket, proxy) = waiting("10s", "");
    let backend = Backend::saying("back");
    thread::scope(|scope| {
        let clients: Vec<_> = (0..100).map(|_| scope.spawn(|| proxy.get("/").text().to_owned())).collect();
        wait_for(&proxy, 100);
        proxy.configure(&one(&backend, "")).unwrap();
        assert!(clients.into_iter().all(|client| client.join().unwrap() == "back"));
    });
    assert_eq!(backend.requests(), 100);
    assert_eq!(parked(&proxy.samples()), 0);
}
