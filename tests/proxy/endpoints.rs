//! Which endpoint of a version gets a request: those that work, and of these the less busy.

use std::thread;

use crate::harness::{After, Backend, Gate, TestProxy, answers, reply, spread, unserved, until};

const EJECT_AFTER: usize = 5;

#[test]
fn no_request_fails_because_one_of_two_endpoints_refuses_connections() {
    let (_socket, dead) = unserved();
    let backend = Backend::saying("ok");
    let proxy = TestProxy::start(&spread(&[dead, backend.address], ""));
    let mut client = proxy.client();
    for request in ["GET / HTTP/1.1\r\nhost: a\r\n\r\n", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi"] {
        for _ in 0..50 {
            assert_eq!(client.send(request).answer().status, 200, "{request:?}");
        }
    }
    let samples = proxy.samples();
    let endpoints = |state| samples.count("tidegate_endpoints", &[("version", "v1"), ("state", state)]);
    assert_eq!((endpoints("admitted"), endpoints("unreachable")), (1, 1));
    assert_eq!(samples.count("tidegate_failures_total", &[]), 0, "no visitor saw a failure");
}

#[test]
fn an_endpoint_that_breaks_connections_is_left_alone_and_no_get_fails() {
    let broken = Backend::start(|_| After::Close);
    let backend = Backend::saying("ok");
    let proxy = TestProxy::start(&spread(&[broken.address, backend.address], ""));
    let mut client = proxy.client();
    assert!((0..200).all(|_| client.get("/").status == 200));
    assert_eq!((broken.requests(), backend.requests()), (EJECT_AFTER, 200));
}

#[test]
fn an_endpoint_that_answers_5xx_is_left_alone() {
    let broken = Backend::start(|exchange| {
        exchange.send(reply("503 Busy", "", "busy"));
        After::Keep
    });
    let backend = Backend::saying("ok");
    let proxy = TestProxy::start(&spread(&[broken.address, backend.address], ""));
    let mut client = proxy.client();
    let failed = (0..200).filter(|_| client.get("/").status == 503).count();
    assert_eq!((failed, broken.requests()), (EJECT_AFTER, EJECT_AFTER));
}

#[test]
fn client_errors_and_single_failures_eject_nobody() {
    let count = std::sync::atomic::AtomicUsize::new(0);
    let moody = Backend::start(move |exchange| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        exchange.send(if number.is_multiple_of(4) {
            reply("404 Not Found", "", "")
        } else {
            reply("500 Oops", "", "")
        });
        After::Keep
    });
    let backend = Backend::saying("ok");
    let proxy = TestProxy::start(&spread(&[moody.address, backend.address], ""));
    let mut client = proxy.client();
    (0..100).for_each(|_| drop(client.get("/")));
    assert!(moody.requests() > 25, "{} requests", moody.requests());
    assert_eq!(proxy.samples().count("tidegate_endpoints", &[("state", "ejected")]), 0);
}

#[test]
fn a_version_is_never_without_an_endpoint() {
    let broken: Vec<Backend> = (0..2).map(|_| Backend::start(|_| After::Close)).collect();
    let proxy = TestProxy::start(&spread(&[broken[0].address, broken[1].address], ""));
    let mut client = proxy.client();
    for _ in 0..20 {
        let answer = client.get("/");
        assert_eq!((answer.status, answer.reason()), (502, "endpoint-reset"));
    }
    assert_eq!(broken.iter().map(Backend::requests).sum::<usize>(), 40, "every request is tried twice");
    assert_eq!(proxy.samples().count("tidegate_endpoints", &[("state", "ejected")]), 1);
}

#[test]
fn an_only_endpoint_is_never_ejected() {
    let gate = Gate::default();
    let working = gate.clone();
    let backend = Backend::start(move |exchange| {
        let works = working.is_open();
        if works { answers("ok")(exchange) } else { After::Close }
    });
    let proxy = TestProxy::start(&spread(&[backend.address], ""));
    let mut client = proxy.client();
    assert!((0..20).all(|_| client.get("/").status == 502));
    gate.open();
    assert_eq!(client.get("/").status, 200, "it is back with the first request that works");
}

#[test]
fn the_less_busy_of_two_endpoints_gets_the_next_request() {
    let gate = Gate::default();
    let gated = || {
        let gate = gate.clone();
        Backend::start(move |exchange| {
            gate.pass();
            answers("ok")(exchange)
        })
    };
    let (left, right) = (gated(), gated());
    let proxy = TestProxy::start(&spread(&[left.address, right.address], ""));
    thread::scope(|scope| {
        let clients: Vec<_> = (1..=20)
            .map(|number| {
                let client = scope.spawn(|| proxy.get("/").status);
                until("the request arrives", || left.requests() + right.requests() == number);
                let difference = left.requests().abs_diff(right.requests());
                assert!(difference <= 1, "{} and {}", left.requests(), right.requests());
                client
            })
            .collect();
        gate.open();
        assert!(clients.into_iter().all(|client| client.join().unwrap() == 200));
    });
}

#[test]
fn many_endpoints_share_the_load() {
    let backends: Vec<Backend> = (0..5).map(|_| Backend::saying("ok")).collect();
    let addresses: Vec<_> = backends.iter().map(|backend| backend.address).collect();
    let proxy = TestProxy::start(&spread(&addresses, ""));
    let mut client = proxy.client();
    (0..1_000).for_each(|_| assert_eq!(client.get("/").status, 200));
    for backend in &backends {
        // Six standard deviations of 1,000 fair draws around 200.
        assert!((124..276).contains(&backend.requests()), "{}", backend.requests());
        assert_eq!(backend.connections(), 1);
    }
}
