//! The proxy's own guard: a canary that plainly fails is out of service at once, without a controller.

use crate::harness::{After, Backend, Samples, TestProxy, canary, reply, unserved, until};

fn broken() -> Backend {
    Backend::start(|exchange| {
        exchange.send(reply("500 Oops", "", "v2"));
        After::Keep
    })
}

/// A proxy that gives half of its visitors to a canary.
fn halves(stable: &Backend, tried: &Backend, policy: &str) -> TestProxy {
    let config = canary(stable.address, tried.address, "visitor: {header: x-user}");
    let proxy = TestProxy::start(&config.replace("strategy: canary", &format!("strategy: canary{policy}")));
    proxy.set_share("v2", 500_000);
    proxy
}

fn tripped(samples: &Samples) -> bool {
    samples.count("tidegate_tripped", &[("service", "shop"), ("version", "v2")]) == 1
}

/// Visitors who met a failure since the shares were set.
fn failed(proxy: &TestProxy) -> u64 {
    proxy.samples().count("tidegate_visitors_failed_total", &[("epoch", "2")])
}

#[test]
fn visitors_of_a_broken_canary_see_stable_until_the_shares_change() {
    let (stable, tried) = (Backend::saying("v1"), broken());
    let proxy = halves(&stable, &tried, "");
    assert!(!tripped(&proxy.samples()));
    let before = proxy.versions_of(0..200, "/");
    let hurt = before.iter().filter(|version| *version == "v2").count();
    until("the canary is out of service", || tripped(&proxy.samples()));
    until("all who were hurt are counted", || failed(&proxy) == hurt as u64);
    let samples = proxy.samples();
    assert_eq!(proxy.versions_of(0..400, "/"), vec!["v1"; 400], "whoever it was assigned to");
    let mut tester = proxy.client();
    tester.send("GET / HTTP/1.1\r\nhost: a\r\nx-user: visitor-0\r\nx-tidegate-version: v2\r\n\r\n");
    assert_eq!(tester.answer().text(), "v2", "a tester still reaches it");
    let evidence = |samples: &Samples| {
        ["tidegate_visitors_total", "tidegate_visitors_failed_total", "tidegate_visitors_exposed_total"]
            .map(|name| samples.count(name, &[("epoch", "2"), ("version", "v2")]))
    };
    assert_eq!(evidence(&proxy.samples()), evidence(&samples), "what is seen of stable instead is no evidence");
    proxy.set_share("v2", 400_000);
    assert!(!tripped(&proxy.samples()), "whoever moves the shares has decided");
    assert!(proxy.versions_of(0..20, "/").iter().any(|version| version == "v2"));
}

#[test]
fn visitors_of_a_canary_that_has_nobody_see_stable_and_that_is_no_evidence() {
    let (stable, tried) = (Backend::saying("v1"), Backend::saying("v2"));
    let proxy = halves(&stable, &tried, "");
    let before = proxy.versions_of(0..100, "/");
    assert!(before.iter().any(|version| version == "v2"));
    let evidence = || {
        let names = ["tidegate_visitors_total", "tidegate_visitors_exposed_total", "tidegate_visitors_failed_total"];
        let of = |name, version| proxy.samples().count(name, &[("version", version)]);
        names.map(|name| [of(name, "v1"), of(name, "v2")])
    };
    until("all are counted", || evidence()[0].iter().sum::<u64>() == 100);
    let counted = evidence();
    proxy.vacate("v2");
    assert_eq!(proxy.versions_of(0..300, "/"), vec!["v1"; 300], "whoever it was assigned to");
    proxy.configure(&canary(stable.address, tried.address, "visitor: {header: x-user}")).unwrap();
    assert_eq!(proxy.versions_of(0..100, "/"), before, "they come back with it");
    let [visitors, exposed, failed] = evidence();
    assert_eq!(failed, [0, 0]);
    assert_eq!((visitors[1], exposed[1]), (counted[0][1], counted[1][1]), "nobody was counted for it meanwhile");
    assert!(!tripped(&proxy.samples()), "and it is not out of service");
}

#[test]
fn a_canary_is_not_taken_out_for_what_stable_does_too() {
    let (stable, tried) = (broken(), broken());
    let proxy = halves(&stable, &tried, "");
    proxy.versions_of(0..1_000, "/");
    until("all failures are counted", || failed(&proxy) == 1_000);
    assert!(!tripped(&proxy.samples()));
}

#[test]
fn a_policy_that_does_not_judge_failures_has_no_guard() {
    let (stable, tried) = (Backend::saying("v1"), broken());
    let proxy = halves(&stable, &tried, ", errors: {enabled: false}");
    let hurt = proxy.versions_of(0..200, "/").iter().filter(|version| *version == "v2").count();
    until("all failures are counted", || failed(&proxy) == hurt as u64);
    assert!(!tripped(&proxy.samples()));
    assert!(proxy.versions_of(0..200, "/").iter().any(|version| version == "v2"));
}

#[test]
fn an_endpoint_to_which_nobody_can_connect_is_told_even_if_it_is_the_last() {
    let (_socket, dead) = unserved();
    let stable = Backend::saying("v1");
    let proxy = TestProxy::start(&canary(stable.address, dead, "visitor: {header: x-user}"));
    proxy.set_share("v2", 1_000_000);
    let state = |state| proxy.samples().count("tidegate_endpoints", &[("version", "v2"), ("state", state)]);
    assert_eq!((state("admitted"), state("unreachable")), (1, 0));
    proxy.versions_of(0..5, "/");
    assert_eq!((state("admitted"), state("ejected"), state("unreachable")), (0, 0, 1));
}
