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

/// In the words of a file, not of the parser.
#[test]
fn problems_are_told_in_plain_words() {
    for (from, to, told) in [
        ("'127.0.0.1:8080'", "8080", "listeners[0].address: the number 8080; allowed: IP:PORT, for example "),
        (
            "127.0.0.1:8080",
            "localhost:80",
            "listeners[0].address: \"localhost:80\" is not an IP address and port; allowed: IP:PORT",
        ),
        ("['127.0.0.1:9001']", "'127.0.0.1:9001'", "v1.endpoints: the text \"127.0.0.1:9001\"; allowed: a list"),
        (
            "{strategy: canary}",
            "canary",
            "rollout: the text \"canary\"; allowed: a group of fields with a strategy, for ",
        ),
        ("strategy: canary", "strategy: Canary", "unknown value `Canary`; allowed: one of `canary`, "),
        ("9002']", "9002'], share: 10", "v2.share: the number 10; allowed: a percentage from 0% to 100%"),
        ("listeners:", "workers: 0\nlisteners:", "workers: the number 0; allowed: a whole number, 1 or more"),
        (
            "listeners:",
            "limits: {connections: -1}\nlisteners:",
            "connections: the number -1; allowed: a whole number from 0 to 4",
        ),
        (
            "listeners:",
            "timeouts: {drain: 15}\nlisteners:",
            "timeouts.drain: the number 15; allowed: a duration such as",
        ),
        ("listeners:", "timeouts: 5s\nlisteners:", "timeouts: the text \"5s\"; allowed: a group of fields"),
        ("listeners:", "accessLog: true\nlisteners:", "accessLog: the value true; allowed: "),
        (
            "service: shop}",
            "service: shop, path: /buy}",
            "path: the text \"/buy\"; allowed: {exact: /PATH} or {prefix: /PATH}",
        ),
        (
            "service: shop}",
            "service: shop, path: {exact: /a, prefix: /b}}",
            "path: exact and prefix together; allowed: one of",
        ),
        ("service: shop}", "service: shop, path: {}}", "path: neither exact nor prefix; allowed: one of the two"),
        (
            "service: shop}",
            "service: shop, path: {regex: a}}",
            "path.regex: unknown field `regex`; allowed: `exact` or `prefix`",
        ),
        ("[{service: shop}]", "", "routes: nothing is given; allowed: a list"),
        (
            "services:",
            "routes: []\nservices:",
            "column 1: duplicate mapping key: routes; allowed: one YAML document, each",
        ),
        ("services:", "---\nservices:", "multiple YAML documents detected; allowed: one YAML document"),
    ] {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD, "{from} is not in the file");
        let problems = Config::parse(&text).unwrap_err().to_string();
        assert!(problems.contains(told), "{told} should be in\n{problems}");
    }
    assert!(Config::parse("").unwrap_err().to_string().starts_with("(document): empty; "));
}

/// Nor by anything that is missing beside it.
#[test]
fn no_problem_is_hidden_by_a_field_that_is_missing() {
    for (text, places) in [
        ("{}", &["listeners", "routes", "services"][..]),
        ("workers: 2", &["listeners", "routes", "services"]),
        ("listeners: 5", &["listeners", "routes", "services"]),
        (
            "{wrokers: 2, limits: {connections: 0}}",
            &["wrokers", "listeners", "routes", "services", "limits.connections"],
        ),
        ("{listeners: [{address: '127.0.0.1:0'}], routes: [{service: shop}]}", &["services"]),
        (
            "{routes: [{}, {path: 1}], services: {shop: {}}}",
            &["routes[0].service", "routes[1].path", "routes[1].service", "services.shop.versions", "listeners"],
        ),
        (
            "{services: {a: {rollout: {soak: x}}, b: {versions: {v: {share: x}}}}}",
            &[
                "services.a.rollout.soak",
                "services.a.rollout.strategy",
                "services.a.versions",
                "services.b.versions.v.share",
                "services.b.versions.v.endpoints",
                "listeners",
                "routes",
            ],
        ),
    ] {
        check(text, places);
    }
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
        ("strategy: shadow", "services.shop.rollout.strategy"),
        ("strategy: recreate, steps: [100%]", "services.shop.rollout.steps"),
        ("strategy: recreate, standby: 1m", "services.shop.rollout.standby"),
        ("strategy: blueGreen, startWithin: 1m", "services.shop.rollout.startWithin"),
    ] {
        check(&policy(text), &[place]);
    }
    check(&GOOD.replace("    rollout:", "    park: 601s\n    rollout:"), &["services.shop.park"]);
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
fn several_canaries_are_checked_together() {
    let conversion = ", conversion: {path: {exact: /buy}}";
    let of = |canaries: &str, policy: &str| {
        let more = "    versions:\n      v3: {endpoints: ['127.0.0.1:9004']}\n      v4: {endpoints: ['127.0.0.1:9005']}\n      \
                    v5: {endpoints: ['127.0.0.1:9006']}\n      v6: {endpoints: ['127.0.0.1:9007']}\n";
        let text = GOOD.replace("canary: v2", canaries).replace("    versions:\n", more);
        text.replace("strategy: canary", &format!("strategy: {policy}"))
    };
    let steps = "canary, steps: [10%, 30%, 100%]";
    for (canaries, policy, places) in [
        ("canaries: [v2, v3]", &format!("{steps}{conversion}"), &[][..]),
        ("canaries: [v2]", &"canary".to_owned(), &[]),
        ("canaries: [v2, v9]", &format!("{steps}{conversion}"), &["services.shop.canaries[1]"]),
        ("canaries: [v2, v1]", &format!("{steps}{conversion}"), &["services.shop.canaries[1]"]),
        ("canaries: [v2, v2]", &format!("{steps}{conversion}"), &["services.shop.canaries[1]"]),
        ("canary: v2\n    canaries: [v2]", &format!("{steps}{conversion}"), &["services.shop.canaries[0]"]),
        ("canaries: [v2, v3]", &steps.to_owned(), &["services.shop.rollout.conversion"]),
        ("canaries: [v2, v3]", &format!("canary{conversion}"), &["services.shop.rollout.steps"]),
        ("canaries: [v2, v3]", &format!("canary, steps: [100%]{conversion}"), &["services.shop.rollout.steps"]),
        ("canaries: [v2, v3, v4, v5, v6]", &format!("{steps}{conversion}"), &["services.shop.canaries"]),
        ("canaries: [v2, v3]", &"blueGreen".to_owned(), &["services.shop.rollout.strategy"]),
    ] {
        let text = of(canaries, policy);
        match places {
            [] => assert!(Config::parse(&text).is_ok(), "{text}"),
            places => check(&text, places),
        }
    }
}

#[test]
fn no_two_sockets_share_an_address() {
    let used = "is the address of listeners[0], too";
    for (addresses, wrong) in [
        (["127.0.0.1:80", "127.0.0.1:80"], used),
        (["127.0.0.1:0", "127.0.0.1:0"], used),
        (["[::]:0", "[::]:0"], used),
        (["0.0.0.0:80", "127.0.0.1:80"], "127.0.0.1:80 is included in 0.0.0.0:80, the address of listeners[0]"),
        (["127.0.0.1:80", "0.0.0.0:80"], "0.0.0.0:80 includes 127.0.0.1:80, the address of listeners[0]"),
        (["[::1]:80", "[::]:80"], "[::]:80 includes [::1]:80"),
        (["0.0.0.0:80", "[::]:80"], "[::]:80 includes 0.0.0.0:80"),
        (["127.0.0.1:80", "[::ffff:127.0.0.1]:80"], "[::ffff:127.0.0.1]:80 includes 127.0.0.1:80"),
        (["127.0.0.1:80", "0.0.0.0:9900"], "0.0.0.0:9900 includes 127.0.0.1:9900, the address of admin"),
        (["127.0.0.1:80", "127.0.0.1:9900"], "127.0.0.1:9900 is the address of admin, too"),
        (["127.0.0.1:80", "127.0.0.1:81"], ""),
        (["127.0.0.1:80", "127.0.0.2:80"], ""),
        (["127.0.0.1:80", "[::1]:80"], ""),
        (["0.0.0.0:80", "[::1]:80"], ""),
        (["0.0.0.0:0", "127.0.0.1:0"], ""),
    ] {
        let listeners = addresses.map(|address| format!("{{address: '{address}'}}")).join(", ");
        let text = GOOD.replace("{address: '127.0.0.1:8080'}", &listeners);
        let found = Config::parse(&text).err().map(|problems| problems.to_string()).unwrap_or_default();
        let is_told = found.starts_with("listeners[1].address: ") && found.contains(wrong);
        assert!(if wrong.is_empty() { found.is_empty() } else { is_told }, "{addresses:?}: {found}");
    }
    check(
        &GOOD.replace(
            "listeners: [{address: '127.0.0.1:8080'}]",
            "listeners: [{address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}",
        ),
        &[],
    );
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
    let of = |canaries: &str, revision: &str| {
        let versions = format!("versions:\n      v3: {{endpoints: ['127.0.0.1:9003'], revision: {revision}}}");
        let text = GOOD.replace("canary: v2", canaries).replacen("versions:", &versions, 1);
        let policy = "strategy: canary, steps: [10%, 100%], conversion: {path: {exact: /buy}}";
        id(&text.replace("strategy: canary", policy))
    };
    let both = of("canaries: [v2, v3]", "a");
    assert_eq!(of("canaries: [v3, v2]", "a"), both, "in any order");
    assert_ne!(of("canaries: [v2, v3]", "b"), both);
    assert_ne!(of("canaries: [v2]", "a"), both);
    assert_eq!(of("canaries: [v2]", "a"), of("canary: v2", "a"), "a list of one is one");
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
