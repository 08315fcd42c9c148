//! Which version a visitor meets: the same one again, few at a small share, more as it grows, and a tester's choice.

use std::collections::{BTreeMap, BTreeSet};

use crate::harness::{Backend, Client, TestProxy, binomial_bounds, canary, fixed};

struct Versions {
    _backends: [Backend; 2],
    proxy: TestProxy,
}

/// A proxy with a rollout from v1 to v2, which answer with their names; `visitor` says who is one.
fn rollout(visitor: &str) -> Versions {
    let backends = [Backend::saying("v1"), Backend::saying("v2")];
    let proxy = TestProxy::start(&canary(backends[0].address, backends[1].address, visitor));
    Versions { _backends: backends, proxy }
}

/// The same with a fixed share and no rollout.
fn fixed_share(share: &str) -> Versions {
    let backends = [Backend::saying("v1"), Backend::saying("v2")];
    let proxy = TestProxy::start(&fixed(backends[0].address, backends[1].address, share, ""));
    Versions { _backends: backends, proxy }
}

#[test]
fn the_measured_split_is_the_share() {
    let versions = rollout("visitor: {header: x-user}");
    let rows = [(1_000, 6_000), (10_000, 4_000), (100_000, 2_000), (500_000, 2_000)];
    for (index, (ppm, visitors)) in rows.into_iter().enumerate() {
        versions.proxy.set_share("v2", ppm);
        // Other visitors for every share, so that the rows do not repeat each other's luck.
        let first = 100_000 * u32::try_from(index).unwrap();
        let met = versions.proxy.versions_of(first..first + visitors, "/");
        let canary = u32::try_from(met.iter().filter(|version| *version == "v2").count()).unwrap();
        let (low, high) = binomial_bounds(visitors, f64::from(ppm) / 1e6);
        assert!((low..=high).contains(&canary), "{canary} of {visitors} at {ppm} ppm: not in {low}..={high}");
    }
}

#[test]
fn a_growing_share_only_adds_visitors() {
    let versions = rollout("visitor: {header: x-user}");
    let mut before = BTreeSet::new();
    for ppm in [0, 10_000, 50_000, 100_000, 300_000, 500_000, 990_000, 1_000_000] {
        versions.proxy.set_share("v2", ppm);
        let met = versions.proxy.versions_of(0..500, "/");
        let now: BTreeSet<usize> = (0..500).filter(|visitor| met[*visitor] == "v2").collect();
        assert!(before.is_subset(&now), "at {ppm} ppm {:?} went back", before.difference(&now));
        before = now;
    }
    assert_eq!(before.len(), 500);
    versions.proxy.set_share("v2", 0);
    assert!(versions.proxy.versions_of(0..500, "/").iter().all(|version| version == "v1"), "and none stays behind");
}

#[test]
fn a_header_names_the_same_visitor_on_every_connection_and_wins_over_a_cookie() {
    let versions = rollout("visitor: {header: x-user}");
    versions.proxy.set_share("v2", 500_000);
    let first = versions.proxy.versions_of(0..50, "/");
    assert_eq!(versions.proxy.versions_of(0..50, "/other"), first);
    let mut cookies = versions.proxy.get("/").cookies();
    cookies.insert_str(0, "cookie: ");
    for (visitor, version) in first.iter().enumerate() {
        let fields = format!("{cookies}\r\nX-User: visitor-{visitor}\r\n");
        assert_eq!(versions.proxy.client().get_with("/", &fields).text(), version);
    }
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 2);
}

#[test]
fn a_cookie_keeps_a_visitor_on_its_version() {
    let versions = rollout("");
    versions.proxy.set_share("v2", 500_000);
    let visitors: Vec<(String, String)> = (0..100)
        .map(|_| {
            let answer = versions.proxy.get("/");
            (answer.cookies(), answer.text().to_owned())
        })
        .collect();
    let canary = u32::try_from(visitors.iter().filter(|(_, version)| version == "v2").count()).unwrap();
    let (low, high) = binomial_bounds(100, 0.5);
    assert!((low..=high).contains(&canary), "{canary} of 100 new visitors");
    for ppm in [500_000, 600_000] {
        versions.proxy.set_share("v2", ppm);
        for (cookies, version) in &visitors {
            let answer = versions.proxy.client().get_with("/", &format!("cookie: a=b; {cookies}; c=d\r\n"));
            let expected = if version == "v2" { "v2" } else { answer.text() };
            assert_eq!(answer.text(), expected, "nobody leaves v2 at {ppm}");
            assert!(ppm != 500_000 || answer.text() == version);
        }
    }
}

#[test]
fn an_address_keeps_a_visitor_on_its_version_without_a_cookie() {
    let versions = rollout("visitor: {by: address}");
    versions.proxy.set_share("v2", 500_000);
    let mut met = BTreeMap::new();
    for round in 0..3 {
        for host in 1..=40 {
            let answer = Client::from_address([127, 0, 3, host], versions.proxy.address()).get("/");
            assert_eq!(answer.fields("set-cookie"), [""; 0]);
            let version = answer.text().to_owned();
            let first = met.entry(host).or_insert_with(|| version.clone());
            assert_eq!(*first, version, "127.0.3.{host} in round {round}");
        }
    }
    assert_eq!(met.values().collect::<BTreeSet<_>>().len(), 2);
}

#[test]
fn requests_without_a_visitor_are_divided_one_by_one() {
    let versions = rollout("visitor: {by: request}");
    versions.proxy.set_share("v2", 500_000);
    let mut client = versions.proxy.client();
    let mut canary = 0;
    for _ in 0..400 {
        let answer = client.get("/");
        assert_eq!(answer.fields("set-cookie"), [""; 0]);
        canary += u32::from(answer.text() == "v2");
    }
    let (low, high) = binomial_bounds(400, 0.5);
    assert!((low..=high).contains(&canary), "{canary} of 400");
}

/// Who asks for which version how, and which one answers.
const CHOICES: [(&str, &str); 9] = [
    ("x-tidegate-version: v2", "v2"),
    ("x-tidegate-version: canary", "v2"),
    ("x-tidegate-version: v1", "v1"),
    ("x-tidegate-version: stable", "v1"),
    ("cookie: a=b; tidegate-version=v2", "v2"),
    ("cookie: tidegate-version=canary; a=b", "v2"),
    ("x-tidegate-version: v1\r\ncookie: tidegate-version=v2", "v1"),
    ("x-tidegate-version: v3", ""),
    ("x-tidegate-version: ", ""),
];

#[test]
fn a_tester_chooses_at_any_share_and_is_no_evidence() {
    let versions = rollout("visitor: {header: x-user}");
    for (ppm, usual) in [(0, "v1"), (1_000_000, "v2")] {
        versions.proxy.set_share("v2", ppm);
        for (fields, chosen) in CHOICES {
            let answer = versions.proxy.client().get_with("/", &format!("{fields}\r\n"));
            let expected = if chosen.is_empty() { usual } else { chosen };
            assert_eq!(answer.text(), expected, "{fields:?} at {ppm}");
            let has_cookie = !answer.fields("set-cookie").is_empty();
            assert_eq!(has_cookie, chosen.is_empty(), "a tester is no visitor: {fields:?}");
        }
    }
    let samples = versions.proxy.samples();
    let outside = |version| samples.count("tidegate_requests_total", &[("version", version), ("epoch", "none")]);
    assert_eq!((outside("v1"), outside("v2")), (6, 8));
    assert_eq!(samples.count("tidegate_requests_total", &[]), 18);
}

#[test]
fn a_tester_chooses_where_nothing_is_rolled_out() {
    for share in ["0%", "100%"] {
        let versions = fixed_share(share);
        for version in ["v1", "v2"] {
            let answer = versions.proxy.client().get_with("/", &format!("x-tidegate-version: {version}\r\n"));
            assert_eq!(answer.text(), version, "at {share}");
        }
    }
}

#[test]
fn a_choice_can_be_forbidden() {
    let versions = rollout("visitor: {override: false}");
    for fields in ["x-tidegate-version: v2", "cookie: tidegate-version=v2"] {
        assert_eq!(versions.proxy.client().get_with("/", &format!("{fields}\r\n")).text(), "v1", "{fields}");
    }
}

#[test]
fn a_fixed_share_is_a_share() {
    for (share, low, high) in [("0%", 0, 0), ("100%", 200, 200), ("50%", 50, 150)] {
        let versions = fixed_share(share);
        let canary = (0..200).filter(|_| versions.proxy.get("/").text() == "v2").count();
        assert!((low..=high).contains(&canary), "{canary} of 200 at {share}");
    }
}
