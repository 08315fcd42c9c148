//! Changes of the configuration under load: nobody fails, nothing grows, and every request sees one generation.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::harness::{After, Backend, Gate, TestProxy, canary, one, reply, spread, until};

const ALL: u32 = 1_000_000;

/// Lets three clients send GETs while `change` runs; returns how many were answered. Fails where one is not.
fn under_load(proxy: &TestProxy, change: impl FnOnce(&AtomicU64)) -> u64 {
    let (answered, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let client = |number: u32| {
            let mut client = proxy.client();
            let mut visitor = number;
            while !stop.load(Ordering::Relaxed) {
                visitor += 3;
                let answer = client.get_with("/", &format!("x-user: visitor-{}\r\n", visitor % 50));
                assert!(answer.status == 200 && answer.complete, "{}", answer.head);
                answered.fetch_add(1, Ordering::Relaxed);
            }
        };
        let clients: Vec<_> = (0..3).map(|number| scope.spawn(move || client(number))).collect();
        change(&answered);
        stop.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().unwrap();
        }
    });
    answered.into_inner()
}

#[test]
fn two_thousand_share_changes_fail_nobody_and_leave_nothing() {
    let (stable, tried) = (Backend::saying("v1"), Backend::saying("v2"));
    let config = canary(stable.address, tried.address, "visitor: {header: x-user}");
    let proxy = TestProxy::with_workers(&config, 2);
    let mut largest = 0;
    let answered = under_load(&proxy, |answered| {
        for change in 0..2_000 {
            proxy.set_share("v2", (change % 100) * 10_000);
            if change % 200 == 199 {
                // Some requests belong to every part of the changes, whatever the speeds.
                let so_far = answered.load(Ordering::Relaxed);
                until("the clients go on", || answered.load(Ordering::Relaxed) >= so_far + 10);
                largest = largest.max(proxy.samples().len());
            }
        }
    });
    let samples = proxy.samples();
    assert_eq!(samples.count("tidegate_generation", &[]), 2_001);
    assert_eq!(samples.count("tidegate_requests_total", &[]), answered, "every request is in one epoch");
    assert_eq!(samples.count("tidegate_evidence_dropped_total", &[]), 0);
    let epochs: BTreeSet<&str> = samples.values_of("epoch").filter(|epoch| epoch.parse::<u64>().is_ok()).collect();
    assert!(epochs.len() <= 32, "{} epochs", epochs.len());
    // 32 epochs of two versions with less than 10 counters each, and two histograms of the last two epochs.
    assert!(largest < 32 * 2 * 10 + 2 * 2 * 2 * 75, "{largest} series");
    assert_eq!((stable.requests() + tried.requests()) as u64, answered, "none was sent twice");
    assert!(stable.connections() <= 6, "connections outlive snapshots: {}", stable.connections());
}

#[test]
fn endpoints_that_move_under_load_fail_nobody() {
    let backends: Vec<Backend> = (0..3).map(|_| Backend::saying("ok")).collect();
    let proxy = TestProxy::with_workers(&one(&backends[0], ""), 2);
    under_load(&proxy, |answered| {
        for change in 1..=200 {
            let (first, second) = (&backends[change % 3], &backends[(change + 1) % 3]);
            proxy.configure(&spread(&[first.address, second.address], "")).unwrap();
            if change % 20 == 0 {
                let so_far = answered.load(Ordering::Relaxed);
                until("the clients go on", || answered.load(Ordering::Relaxed) >= so_far + 3);
            }
        }
    });
    assert!(backends.iter().all(|backend| backend.requests() > 0));
}

#[test]
fn a_removed_endpoint_ends_its_requests_and_gets_no_other() {
    let gate = Gate::default();
    let shut = gate.clone();
    let old = Backend::start(move |exchange| {
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\no");
        shut.pass();
        exchange.send("ld");
        After::Keep
    });
    let new = Backend::saying("new");
    let proxy = TestProxy::start(&one(&old, "timeouts: {endpointIdle: 100ms}"));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    until("a response is under way", || gate.arrived() == 1);
    proxy.configure(&one(&new, "timeouts: {endpointIdle: 100ms}")).unwrap();
    assert!((0..20).all(|_| proxy.get("/").text() == "new"));
    gate.open();
    assert_eq!(client.answer().text(), "old");
    assert_eq!(client.get("/").text(), "new");
    assert_eq!(old.requests(), 1);
    until("its connections are closed", || old.open_connections() == 0);
}

#[test]
fn a_request_ends_with_the_generation_it_began_with() {
    let gate = Gate::default();
    let shut = gate.clone();
    let backend = Backend::start(move |exchange| {
        shut.pass();
        exchange.send(reply("200 OK", "", "v1"));
        After::Keep
    });
    let proxy = TestProxy::start(&canary(backend.address, backend.address, ""));
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    until("it is under way", || gate.arrived() == 1);
    proxy.set_share("v2", ALL);
    gate.open();
    assert_eq!(client.answer().status, 200);
    let samples = proxy.samples();
    assert_eq!(samples.count("tidegate_requests_total", &[("version", "v1"), ("epoch", "1")]), 1);
    assert_eq!(samples.count("tidegate_requests_total", &[]), 1);
}

#[test]
fn an_older_generation_changes_nothing() {
    let (stable, tried) = (Backend::saying("v1"), Backend::saying("v2"));
    let proxy = TestProxy::start(&canary(stable.address, tried.address, ""));
    proxy.set_share("v2", ALL);
    proxy.replay_generation(1);
    assert_eq!(proxy.get("/").text(), "v2");
    assert_eq!(proxy.samples().count("tidegate_generation", &[]), 2);
}
