//! Every mistake in a file is reported at once, by its path, with what is allowed.

use tidegate_config::policy::{Pace, Strategy};
use tidegate_config::{Config, RolloutId};

const GOOD: &str = "
listeners: [{address: '127.0.0.1:8080'}]
routes: [{service: shop}]
services:
  shop:
    stable: v1
    canary: v2
    versions:
      v1: {endpoints: ['127.0.0.1:9001']}
      v2: {endpoints: ['127.0.0.1:9002']}
    rollout: {strategy: canary}
";

/// Parses `text` and compares the places of its problems, in order.
fn check(text: &str, expected: &[&str]) {
    let places: Vec<String> = match Config::parse(text) {
        Ok(_) => Vec::new(),
        Err(problems) => {
            for problem in problems.iter() {
                assert!(!problem.wrong.is_empty() && !problem.allowed.is_empty(), "{problem}");
            }
            problems.iter().map(|problem| problem.path.clone()).collect()
        }
    };
    assert_eq!(places, expected, "in {text}");
}

#[test]
fn a_short_file_means_a_whole_rollout() {
    let config = Config::parse(GOOD).unwrap();
    let policy = config.services.values().next().unwrap().rollout.clone().unwrap();
    assert_eq!((policy.strategy, policy.pace(), policy.steps().len()), (Strategy::Canary, Pace::Evidence, 6));
    assert_eq!(policy.deadline.to_string(), "1h");
    assert!(GOOD.trim().lines().count() <= 15);
}

#[test]
fn every_problem_is_listed_by_its_path() {
    check(GOOD, &[]);
    check("", &[""]);
    check("listeners: [", &[""]);
    check("[1, 2]", &[""]);
    let several = GOOD.replace("canary: v2", "canary: v3").replace("service: shop", "service: shap");
    check(&several, &["routes[0].service", "services.shop.canary"]);
    let typed = GOOD
        .replace("127.0.0.1:8080", "nowhere")
        .replace("strategy: canary", "strategy: canary, soak: soon, colour: red");
    let found = ["listeners[0].address", "services.shop.rollout.soak", "services.shop.rollout.colour"];
    let mut places: Vec<_> = Config::parse(&typed).unwrap_err().iter().map(|p| p.path.clone()).collect();
    places.sort();
    assert!(found.iter().all(|place| places.contains(&(*place).to_owned())), "{places:?}");
    let missing =
        GOOD.replace("[{service: shop}]", "[{service: shop}, {host: a.example}, {path: {exact: no}, service: shop}]");
    check(&missing, &["routes[1].service", "routes[2].path.exact"]);
}

#[test]
fn policies_are_checked_against_themselves() {
    let policy = |text: &str| GOOD.replace("strategy: canary", text);
    for (text, place) in [
        ("strategy: canary, steps: [50%, 10%, 100%]", "services.shop.rollout.steps[1]"),
        ("strategy: canary, steps: [10%, 50%]", "services.shop.rollout.steps"),
        ("strategy: canary, steps: [0%, 100%]", "services.shop.rollout.steps[0]"),
        ("strategy: canary, standby: 5m", "services.shop.rollout.standby"),
        ("strategy: blueGreen, steps: [100%]", "services.shop.rollout.steps"),
        ("strategy: canary, soak: 5s", "services.shop.rollout.soak"),
        ("strategy: canary, steps: ['10% 1s', 100%]", "services.shop.rollout.steps[0]"),
        ("strategy: canary, deadline: 2m", "services.shop.rollout.deadline"),
        ("strategy: canary, falseAbort: 0%", "services.shop.rollout.falseAbort"),
        ("strategy: canary, latency: {quantiles: []}", "services.shop.rollout.latency.quantiles"),
        ("strategy: canary, conversion: {path: {exact: /buy}, margin: 5%}", "services.shop.rollout.conversion.margin"),
        ("strategy: canary, conversion: {path: {exact: /buy}, window: 15d}", "services.shop.rollout.conversion.window"),
        ("strategy: canary, maxHarm: 0%", "services.shop.rollout.maxHarm"),
        ("strategy: recreate", "services.shop.rollout.strategy"),
    ] {
        check(&policy(text), &[place]);
    }
}

#[test]
fn services_are_checked_against_themselves() {
    for (from, to, place) in [
        ("stable: v1", "stable: v2", "services.shop.canary"),
        ("    stable: v1\n", "", "services.shop.stable"),
        ("    rollout: {strategy: canary}\n", "", "services.shop.canary"),
        ("v1: {endpoints: ['127.0.0.1:9001']}", "v1: {endpoints: []}", "services.shop.versions.v1.endpoints"),
        ("9001']", "9001'], share: 5%", "services.shop.versions.v1.share"),
        ("      v2:", "      canary: {endpoints: ['127.0.0.1:9003']}\n      v2:", "services.shop.versions.canary"),
        ("127.0.0.1:8080", "127.0.0.1:9900", "listeners[0].address"),
        ("routes: [{service: shop}]", "routes: [{service: shop}, {service: shop}]", "routes[1]"),
        ("listeners:", "admin: {address: '0.0.0.0:9900'}\nlisteners:", "admin.address"),
        ("listeners:", "timeouts: {connect: 0s}\nlisteners:", "timeouts.connect"),
        ("listeners:", "limits: {connections: 0}\nlisteners:", "limits.connections"),
    ] {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "{from} is not in the file");
        check(&text, &[place]);
    }
}

#[test]
fn the_identity_of_a_rollout_is_what_it_releases() {
    let id = |text: &str| {
        let config = Config::parse(text).unwrap();
        let (name, service) = config.services.iter().next().unwrap();
        RolloutId::of(name, service).unwrap()
    };
    let same = [
        GOOD.replace("9002", "9009"),
        GOOD.replace("listeners:", "timeouts: {connect: 2s}\nlisteners:"),
        GOOD.replace("strategy: canary", "strategy: canary, deadline: 60m"),
    ];
    for text in same {
        assert_eq!(id(&text), id(GOOD), "{text}");
    }
    let other = [
        GOOD.replace("9002']", "9002'], revision: b"),
        GOOD.replace("strategy: canary", "strategy: canary, soak: 61s"),
        GOOD.replace("v2", "v3"),
    ];
    for text in other {
        assert_ne!(id(&text), id(GOOD), "{text}");
    }
}

proptest::proptest! {
    #[test]
    fn no_document_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = Config::parse(&text);
    }

    #[test]
    fn no_damaged_file_makes_the_reader_panic(at in 0..GOOD.len(), with in "[\\[\\]{}:,a-z0-9%' -]{0,4}") {
        let mut text = GOOD.to_owned();
        text.replace_range(at..=at, &with);
        let _ = Config::parse(&text);
    }
}
