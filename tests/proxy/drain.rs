//! The end of a proxy: what is under way ends, what comes is refused, and nobody waits longer than necessary.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::harness::{After, Backend, Client, Gate, TestProxy, now, one, until};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";

/// A version that sends half a response, and the other half when the gate is open.
fn halved(gate: &Gate) -> Backend {
    let gate = gate.clone();
    Backend::start(move |exchange| {
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwh");
        gate.pass();
        exchange.send("ole");
        After::Keep
    })
}

#[test]
fn what_is_under_way_ends_and_new_clients_are_refused() {
    let gate = Gate::default();
    let backend = halved(&gate);
    let proxy = TestProxy::with_workers(&one(&backend, ""), 2);
    let address = proxy.address();
    let mut clients: Vec<Client> = (0..8).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send(GET);
    }
    until("all are under way", || gate.arrived() == 8);
    let drained = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            proxy.drain();
            drained.store(true, Ordering::SeqCst);
        });
        until("the port is closed", || Client::is_refused(address));
        assert!(!drained.load(Ordering::SeqCst), "it waits for its requests");
        gate.open();
        for client in &mut clients {
            assert_eq!(client.answer().text(), "whole");
            assert_eq!(client.rest(), "", "and the connection ends");
        }
        until("the drain is over", || drained.load(Ordering::SeqCst));
    });
}

#[test]
fn a_response_that_begins_during_the_drain_says_that_the_connection_ends() {
    let gate = Gate::default();
    let backend = Backend::behind(&gate);
    let proxy = TestProxy::start(&one(&backend, ""));
    let address = proxy.address();
    let (mut client, mut silent) = (proxy.client(), proxy.client());
    client.send(GET);
    until("it is under way", || gate.arrived() == 1);
    thread::scope(|scope| {
        let draining = scope.spawn(|| proxy.drain());
        until("the port is closed", || Client::is_refused(address));
        assert_eq!(silent.rest(), "", "whoever has nothing under way is told to go, so the worker knows");
        gate.open();
        let answer = client.answer();
        assert_eq!((answer.text(), answer.field("connection")), ("ok", Some("close")));
        draining.join().unwrap();
    });
}

#[test]
fn while_a_proxy_leaves_each_response_says_so_and_idle_connections_stay() {
    let backend = Backend::saying("ok");
    let proxy = TestProxy::start(&one(&backend, ""));
    let (mut used, mut idle) = (proxy.client(), proxy.client());
    for client in [&mut used, &mut idle] {
        assert_eq!(client.get("/").field("connection"), None);
    }
    proxy.leave();
    until("new clients are told", || proxy.client().get("/").field("connection") == Some("close"));
    for client in [&mut used, &mut idle] {
        let answer = client.get("/");
        assert_eq!((answer.status, answer.field("connection")), (200, Some("close")));
        assert_eq!(client.rest(), "", "and the connection ends");
    }
}

#[test]
fn a_client_whose_response_had_begun_before_the_drain_has_its_next_request_answered() {
    let gate = Gate::default();
    let backend = halved(&gate);
    let proxy = TestProxy::start(&one(&backend, ""));
    let address = proxy.address();
    let (mut client, mut silent) = (proxy.client(), proxy.client());
    client.send(GET);
    let mut begun = Vec::new();
    while !begun.ends_with(b"\r\n\r\nwh") {
        begun.extend(client.bytes(1));
    }
    thread::scope(|scope| {
        let draining = scope.spawn(|| proxy.drain());
        until("the port is closed", || Client::is_refused(address));
        assert_eq!(silent.rest(), "", "whoever has nothing under way is told to go, so the worker knows");
        gate.open();
        assert_eq!(client.bytes(3), b"ole");
        // It was not told that this was the last one.
        let answer = client.get("/");
        assert_eq!((answer.text(), answer.field("connection")), ("whole", Some("close")));
        draining.join().unwrap();
    });
}

#[test]
fn idle_connections_end_at_once() {
    let backend = Backend::saying("ok");
    let proxy = TestProxy::with_workers(&one(&backend, ""), 2);
    let mut clients: Vec<Client> = (0..50).map(|_| proxy.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    let start = now();
    proxy.drain();
    assert!(start.elapsed().as_millis() < 1_000, "{:?}", start.elapsed());
    assert!(clients.iter_mut().all(|client| client.rest().is_empty()));
    assert!(Client::is_refused(clients_address(&proxy)));
}

/// The address that clients of a drained proxy know.
fn clients_address(proxy: &TestProxy) -> SocketAddr {
    proxy.addresses()[0]
}

#[test]
fn a_proxy_without_clients_ends_promptly() {
    let backend = Backend::saying("ok");
    let proxy = TestProxy::with_workers(&one(&backend, ""), 2);
    let start = now();
    proxy.drain();
    assert!(start.elapsed().as_millis() < 500, "{:?}", start.elapsed());
    proxy.drain();
}

#[test]
fn clients_that_the_kernel_has_let_in_are_served() {
    for round in 0..5 {
        let backend = Backend::saying("ok");
        let proxy = TestProxy::with_workers(&one(&backend, ""), 2);
        let address = proxy.address();
        let mut clients: Vec<Client> = (0..100).map(|_| Client::connect(address)).collect();
        thread::scope(|scope| {
            let draining = scope.spawn(|| proxy.drain());
            // At once: a connection that nothing was sent on is given a second, and a busy machine takes longer for all.
            for client in &mut clients {
                client.send(GET);
            }
            until("the port is closed", || Client::is_refused(address));
            let answer = |client: &mut Client| client.try_answer().map_or(0, |answer| answer.status);
            let statuses: Vec<u16> = clients.iter_mut().map(answer).collect();
            assert_eq!(statuses, [200; 100], "round {round}");
            clients.clear();
            draining.join().unwrap();
        });
    }
}

#[test]
fn no_request_that_was_sent_before_the_port_closed_is_lost() {
    let backend = Backend::saying("ok");
    let proxy = TestProxy::with_workers(&one(&backend, ""), 2);
    let address = proxy.address();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(move || {
                    let mut served = 0;
                    // A connection for each request: one that was opened is answered.
                    while let Some(mut client) = Client::try_connect(address) {
                        assert_eq!(client.send(GET).try_answer().map(|answer| answer.status), Some(200), "{served}");
                        served += 1;
                    }
                    served
                })
            })
            .collect();
        until("there is load", || backend.requests() > 200);
        proxy.drain();
        assert!(clients.into_iter().all(|client| client.join().unwrap() > 0));
    });
}

#[test]
fn what_does_not_end_is_cut_at_the_deadline() {
    let gate = Gate::default();
    let backend = halved(&gate);
    let proxy = TestProxy::start(&one(&backend, "timeouts: {drain: 300ms}"));
    let mut client = proxy.client();
    client.send(GET);
    until("it is under way", || gate.arrived() == 1);
    let start = now();
    assert_eq!(proxy.drain(), 1);
    assert!((250..600).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    let answer = client.answer();
    assert_eq!((answer.text(), answer.complete), ("wh", false));
    gate.open();
}

#[test]
fn a_client_that_says_nothing_does_not_hold_up_the_end() {
    let backend = Backend::saying("ok");
    let proxy = TestProxy::start(&one(&backend, ""));
    let mut silent = proxy.client();
    let mut half = proxy.client();
    half.send("GET / HTTP/1.1\r\nhost");
    // A later client that was served shows that the earlier ones were let in.
    assert_eq!(proxy.client().get("/").status, 200);
    let start = now();
    thread::scope(|scope| {
        let draining = scope.spawn(|| proxy.drain());
        assert_eq!(silent.rest(), "");
        half.send(": a\r\n\r\n");
        let answer = half.try_answer();
        assert!(answer.is_none_or(|answer| answer.status == 200));
        draining.join().unwrap();
    });
    assert!(start.elapsed().as_millis() < 2_000, "{:?}", start.elapsed());
}
