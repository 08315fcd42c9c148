//! Signals: the first one lets requests end, the second one cuts them, a hang-up does nothing.

use rustix::process::Signal;
use tokio::task::JoinSet;

use super::backend::{HELD, Pair};
use super::clock::{now, until};
use super::site::Site;
use super::visitor::{Connection, get};

const PATIENT: &str = "{service: shop, requestTimeout: 30s}";

#[tokio::test]
async fn a_signal_lets_requests_end() {
    for signal in [Signal::TERM, Signal::INT] {
        let pair = Pair::start().await;
        let site = Site::new(&pair.routed(PATIENT, "0%", "stable: v1"));
        let mut instance = site.start().await;
        let mut idle = Connection::open(instance.address).await.unwrap();
        assert_eq!(idle.get("/", &[]).await.unwrap().status, 200);
        let address = instance.address;
        let under_way = get(address, HELD, &[]);
        let meanwhile = async {
            until("the request at its version", async || (pair.v1.arrived(HELD) == 1).then_some(())).await;
            assert_eq!(get(instance.admin, "/readyz", &[]).await.unwrap().status, 200);
            instance.process.signal(signal);
            until("the end of the listener", async || Connection::open(address).await.err()).await;
            assert_eq!(get(instance.admin, "/readyz", &[]).await.unwrap().status, 503);
            until("the end of idle connections", async || idle.is_closed().then_some(())).await;
            assert!(instance.process.is_running());
            pair.v1.release();
        };
        let (answer, ()) = tokio::join!(under_way, meanwhile);
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, "v1"));
        assert_eq!(instance.process.ended().await.code(), Some(0));
        assert!(instance.said().contains("draining"), "{}", instance.said());
        assert!(!site.state().join("control.sock").exists(), "the socket goes with the instance");
    }
}

/// Clients that go on asking over their connections are told to end by an answer, not by a connection that breaks.
#[tokio::test]
async fn a_drain_fails_nobody_who_is_busy() {
    let pair = Pair::start().await;
    let site = Site::new(&pair.file("stable: v1"));
    let mut instance = site.start().await;
    let address = instance.address;
    let mut visits = JoinSet::new();
    for _ in 0..16 {
        let mut connection = Connection::open(address).await.unwrap();
        visits.spawn(async move {
            let mut served = 0;
            loop {
                let answer = connection.get("/", &[]).await.unwrap();
                assert_eq!(answer.status, 200);
                served += 1;
                if answer.field("connection") == "close" {
                    return served;
                }
            }
        });
    }
    until("traffic", async || (pair.v1.arrived("/") > 500).then_some(())).await;
    instance.process.signal(Signal::TERM);
    let served: Vec<u32> = visits.join_all().await;
    assert!(served.iter().all(|served| *served > 0), "{served:?}");
    assert_eq!(instance.process.ended().await.code(), Some(0));
}

/// Who chooses between instances sees that this one goes, and clients that still come are served and asked to go.
#[tokio::test]
async fn an_instance_that_leaves_serves_until_the_next_signal() {
    let pair = Pair::start().await;
    let site = Site::new(&pair.file("stable: v1"));
    let mut instance = site.start_with_leave(3_600).await;
    let mut kept = Connection::open(instance.address).await.unwrap();
    assert_eq!(kept.get("/", &[]).await.unwrap().field("connection"), "");
    instance.process.signal(Signal::TERM);
    until("the leave", async || instance.said().contains("leaving within 3600 s").then_some(())).await;
    assert_eq!(get(instance.admin, "/readyz", &[]).await.unwrap().status, 503);
    // Each worker hears of it by itself.
    let asked_to_go = async || {
        let answer = kept.get("/", &[]).await.unwrap();
        assert_eq!(answer.status, 200);
        (answer.field("connection") == "close").then_some(())
    };
    until("an answer that ends its connection", asked_to_go).await;
    assert_eq!(get(instance.address, "/", &[]).await.unwrap().status, 200, "a new client");
    instance.process.signal(Signal::TERM);
    assert_eq!(instance.process.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_cuts_requests_and_says_how_many() {
    for (signal, held, told) in [
        (Signal::TERM, 1, "tidegate: a second signal cut 1 request that had not ended\n"),
        (Signal::INT, 3, "tidegate: a second signal cut 3 requests that had not ended\n"),
    ] {
        let pair = Pair::start().await;
        let site = Site::new(&pair.routed(PATIENT, "0%", "stable: v1"));
        let mut instance = site.start().await;
        let address = instance.address;
        let mut under_way = JoinSet::new();
        for _ in 0..held {
            under_way.spawn(async move { get(address, HELD, &[]).await.map(|answer| answer.status) });
        }
        until("the requests at their version", async || (pair.v1.arrived(HELD) == held).then_some(())).await;
        instance.process.signal(signal);
        until("the drain", async || instance.said().contains("draining").then_some(())).await;
        let signalled = now();
        instance.process.signal(signal);
        assert_eq!(instance.process.ended().await.code(), Some(1));
        // A held request has 30 s, and so has the drain.
        assert!(signalled.elapsed().as_secs() < 5, "{:?}", signalled.elapsed());
        assert!(instance.process.err().ends_with(told), "{}", instance.process.err());
        assert!(!site.state().join("control.sock").exists(), "the rest ends as ever");
        let answers = under_way.join_all().await;
        assert!(answers.iter().all(Result::is_err), "the requests were cut: {answers:?}");
    }
}

/// That is what the timeout says, so nothing has failed; but it is told.
#[tokio::test]
async fn requests_that_outlast_the_drain_are_told() {
    let pair = Pair::start().await;
    let file = pair.routed(PATIENT, "0%", "stable: v1").replace("timeouts: {", "timeouts: {drain: 100ms, ");
    let site = Site::new(&file);
    let mut instance = site.start().await;
    let address = instance.address;
    let under_way = get(address, HELD, &[]);
    let meanwhile = async {
        until("the request at its version", async || (pair.v1.arrived(HELD) == 1).then_some(())).await;
        instance.process.signal(Signal::TERM);
        assert_eq!(instance.process.ended().await.code(), Some(0));
        assert!(
            instance.said().ends_with("tidegate: timeouts.drain is over: 1 request was cut\n"),
            "{}",
            instance.said()
        );
    };
    let (answer, ()) = tokio::join!(under_way, meanwhile);
    assert!(answer.is_err(), "{answer:?}");
}

/// Other servers read their file again then. Here it is followed anyway, so nothing is to be done; least of all to end.
#[tokio::test]
async fn a_hang_up_ends_nothing() {
    let pair = Pair::start().await;
    let site = Site::new(&pair.file("stable: v1"));
    let mut instance = site.start().await;
    let mut kept = Connection::open(instance.address).await.unwrap();
    assert_eq!(kept.get("/", &[]).await.unwrap().status, 200);
    instance.process.signal(Signal::HUP);
    until("an answer to the hang-up", async || instance.said().contains("SIGHUP").then_some(())).await;
    assert_eq!(kept.get("/", &[]).await.unwrap().status, 200, "on the connection from before");
    assert!(instance.process.is_running());
    instance.process.signal(Signal::TERM);
    assert_eq!(instance.process.ended().await.code(), Some(0));
}
