//! What the file says of a service, its annotations say too, with the same errors.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidegate_config::annotations::{Annotated, PREFIX};
use tidegate_config::policy::{
    Conversion, Errors, Goal, Latency, MaxHarm, OnDeadline, Pace, Policy, Quantile, Step, Strategy as Way,
};
use tidegate_config::{
    Capacity, ClusterOptions, Identity, Label, LabelKey, OnFailure, PathMatch, Share, Span, Visitor,
};

/// Annotations of ours by their short names.
fn ours(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| (format!("{PREFIX}{name}"), (*value).to_owned())).collect()
}

/// What is said of bad annotations.
fn told(pairs: &[(&str, &str)]) -> Vec<String> {
    let problems = Annotated::read(&ours(pairs)).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn one_annotation_means_a_whole_rollout() {
    let annotated = Annotated::read(&ours(&[("strategy", "canary")])).unwrap().unwrap();
    assert_eq!(annotated.policy, Policy::of(Way::Canary));
    assert_eq!((annotated.visitor, annotated.options), (Visitor::default(), ClusterOptions::default()));
}

#[test]
fn what_is_not_ours_says_nothing() {
    let others = [("prometheus.io/scrape", "true"), ("tidegate.development/strategy", "x"), ("strategy", "canary")];
    let others = others.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    assert_eq!(Annotated::read(&others), Ok(None));
}

#[test]
fn every_form_is_read_as_in_the_file() {
    let annotated = Annotated::read(&ours(&[
        ("strategy", "canary"),
        ("steps", "10%, 25% 10m,50% approve , 100%"),
        ("soak", " 2m\n"),
        ("onDeadline", "abort"),
        ("errors.enabled", "false"),
        ("latency.marginBuckets", "2"),
        ("latency.quantiles", "p50"),
        ("conversion.path.exact", "/buy"),
        ("conversion.status", "201"),
        ("visitor.header", "X-User-Id"),
        ("visitor.override", "false"),
        ("on-failure", "undo"),
        ("version-label", "app.kubernetes.io/version"),
        ("inject", "true"),
        ("park", "30s"),
    ]));
    let Annotated { policy, visitor, park, options } = annotated.unwrap().unwrap();
    let steps: Vec<_> = policy.steps().iter().map(ToString::to_string).collect();
    assert_eq!(steps, ["10%", "25% 10m", "50% approve", "100%"]);
    assert_eq!((policy.soak.to_string().as_str(), policy.on_deadline), ("2m", OnDeadline::Abort));
    assert_eq!((policy.errors.enabled, policy.latency.margin_buckets), (false, 2));
    assert_eq!(policy.latency.quantiles, [Quantile::P50]);
    assert!(matches!(policy.conversion.unwrap().path, PathMatch::Exact(path) if path.as_str() == "/buy"));
    assert_eq!((visitor.header.unwrap().as_str(), visitor.overridable), ("x-user-id", false));
    assert_eq!(park, Some(Span::from_secs(30)));
    assert_eq!((options.on_failure, options.inject), (OnFailure::Undo, true));
    assert_eq!(options.version_label.as_str(), "app.kubernetes.io/version");
}

/// Annotations, and what is said of them.
type Row<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str]);

/// Compares what is said of bad annotations.
fn check(rows: &[Row]) {
    for (pairs, expected) in rows {
        assert_eq!(told(pairs), *expected, "{pairs:?}");
    }
}

#[test]
fn every_problem_is_told_with_the_annotation_its_value_and_what_is_allowed() {
    check(&[
        (&[("soak", "2m")][..], &["tidegate.dev/strategy: missing; allowed: this field must be given"][..]),
        (
            &[("strategy", "Canary")],
            &["tidegate.dev/strategy: unknown value `Canary`; allowed: one of `canary`, `blueGreen`, `recreate`"],
        ),
        (
            &[("strategy", "canary"), ("soak", "soon"), ("inject", "yes"), ("visitor.by", "dice")],
            &[
                "tidegate.dev/visitor.by: unknown value `dice`; allowed: one of `cookie`, `address`, `request`",
                "tidegate.dev/inject: the text \"yes\"; allowed: true or false",
                "tidegate.dev/soak: \"soon\" is not a duration; allowed: a duration such as 250ms, 10s, 5m, 1h30m or 2d, at \
                 most 366d",
            ],
        ),
        (
            &[("strategy", "canary"), ("latency.marginBuckets", "300"), ("steps", "ten, 20%, all, 100%")],
            &[
                "tidegate.dev/latency.marginBuckets: the number 300; allowed: a whole number from 0 to 255",
                "tidegate.dev/steps[0]: \"ten\" does not begin with a share; allowed: SHARE [SOAK] [approve], for example \
                 10%, 25% 10m or 50% approve",
                "tidegate.dev/steps[2]: \"all\" does not begin with a share; allowed: SHARE [SOAK] [approve], for example \
                 10%, 25% 10m or 50% approve",
            ],
        ),
        (
            &[("strategy", "blueGreen"), ("steps", "20%, 10%")],
            &[
                "tidegate.dev/steps: \"20%, 10%\": does not belong to this strategy; allowed: only with strategy: canary",
                "tidegate.dev/steps[1]: 10% does not come after 20%; allowed: shares that rise from step to \
                 step",
                "tidegate.dev/steps: \"20%, 10%\": the last step is not 100%; allowed: a list that ends in 100%",
            ],
        ),
        (
            &[("strategy", "recreate"), ("park", "1h"), ("pace", "time")],
            &[
                "tidegate.dev/park: 1h is longer than anybody waits; allowed: at most 10m; 0s: not at all",
                "tidegate.dev/pace: \"time\": does not belong to this strategy; allowed: only with strategy: canary",
            ],
        ),
        (
            &[("strategy", "canary"), ("park", "long")],
            &[
                "tidegate.dev/park: \"long\" is not a duration; allowed: a duration such as 250ms, 10s, 5m, 1h30m or 2d, at \
             most 366d",
            ],
        ),
        (
            &[("strategy", "blueGreen"), ("capacity", "follow")],
            &[
                "tidegate.dev/capacity: \"follow\": does not belong to this strategy, which brings all visitors over at \
                once; allowed: wait or ignore, or strategy: canary",
            ],
        ),
    ]);
}

#[test]
fn problems_of_groups_are_told_by_their_fields() {
    check(&[
        (
            &[("strategy", "canary"), ("conversion.method", "POST"), ("conversion.path.exact.more", "/")],
            &[
                "tidegate.dev/conversion.path.exact: a group of fields; allowed: a path that begins with /, without ? # or \
               spaces, at most 1024 bytes",
            ],
        ),
        (
            &[("strategy", "canary"), ("errors", "off"), ("latency", "p99"), ("latency.enabled", "true")],
            &[
                "tidegate.dev/latency.enabled: \"true\": a field of what has a value itself; allowed: the whole, or the \
                 fields of a group, not both",
                "tidegate.dev/errors: the text \"off\"; allowed: an annotation for each field: `.enabled`, `.tolerance`, \
                 `.excess`",
                "tidegate.dev/latency: the text \"p99\"; allowed: an annotation for each field: `.enabled`, `.quantiles`, \
                 `.marginBuckets`",
            ],
        ),
        (
            &[("strategy", "canary"), ("visitor", "cookie")],
            &["tidegate.dev/visitor: the text \"cookie\"; allowed: an annotation for each field: `.header`, `.by`, \
               `.override`"],
        ),
        (
            &[("strategy", "canary"), ("latency.marginbuckets", "2")],
            &[
                "tidegate.dev/latency.marginbuckets: \"2\": unknown field `marginbuckets`; allowed: `marginBuckets`, if that \
               is meant; all there are: `enabled`, `quantiles`, `marginBuckets`",
            ],
        ),
    ]);
}

#[test]
fn an_unknown_annotation_is_told_what_is_near() {
    for (name, near) in [("on-deadline", "onDeadline"), ("onFailure", "on-failure"), ("stratgy", "strategy")] {
        let told = told(&[("strategy", "canary"), (name, "x")]);
        let expected =
            format!("{PREFIX}{name}: \"x\": unknown annotation; allowed: `{near}`, if that is meant; all there");
        assert!(told.len() == 1 && told[0].starts_with(&expected), "{told:?}");
    }
    let told = told(&[("strategy", "canary"), ("colour", "red")]);
    assert!(told[0].contains("unknown annotation; allowed: `strategy`, `steps`"), "{told:?}");
}

#[test]
fn what_is_so_by_default_is_not_written() {
    for pairs in [
        &[("strategy", "canary")][..],
        &[("strategy", "blueGreen"), ("standby", "10m")],
        &[("strategy", "canary"), ("latency.enabled", "false"), ("latency.quantiles", "")],
        &[("strategy", "canary"), ("capacity", "follow"), ("visitor.by", "address")],
        &[("strategy", "recreate"), ("startWithin", "2m"), ("park", "30s")],
    ] {
        let annotations = ours(pairs);
        assert_eq!(Annotated::read(&annotations).unwrap().unwrap().write(), annotations);
    }
}

fn share(ppm: std::ops::RangeInclusive<u32>) -> impl Strategy<Value = Share> {
    ppm.prop_map(|ppm| Share::from_ppm(ppm).unwrap())
}

/// Short enough that no deadline passes.
fn span() -> impl Strategy<Value = Span> {
    (1_000..=60_000u32).prop_map(Span::from_millis)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (1..=999_999u32, prop::option::of(span()), any::<bool>());
    prop::collection::vec(step, 0..10).prop_map(|mut steps| {
        steps.sort_by_key(|step| step.0);
        steps.dedup_by_key(|step| step.0);
        steps.push((1_000_000, None, false));
        let step = |(ppm, soak, approve)| Step { share: Share::from_ppm(ppm).unwrap(), soak, approve };
        steps.into_iter().map(step).collect()
    })
}

fn conversion() -> impl Strategy<Value = Conversion> {
    let path = prop_oneof![Just("exact"), Just("prefix")];
    let goal = prop_oneof![
        Just((Goal::Superiority, None)),
        Just((Goal::Guardrail, None)),
        prop::option::of(share(1..=500_000)).prop_map(|margin| (Goal::NonInferiority, margin)),
    ];
    let method = prop::option::of(prop_oneof![Just("GET"), Just("M-SEARCH")]);
    let status = prop_oneof![(100..=599u16).prop_map(|code| code.to_string()), Just("5xx".to_owned())];
    (path, "/[a-zA-Z0-9,%&;=!*.-]{0,20}", method, status, prop::option::of(span()), goal, share(1..=500_000)).prop_map(
        |(kind, path, method, status, window, (goal, margin), false_goal)| Conversion {
            path: if kind == "exact" {
                PathMatch::Exact(path.parse().unwrap())
            } else {
                PathMatch::Prefix(path.parse().unwrap())
            },
            method: method.map(|method| method.parse().unwrap()),
            status: status.parse().unwrap(),
            window,
            goal,
            margin,
            false_goal,
        },
    )
}

fn guardrails() -> impl Strategy<Value = (Errors, Latency)> {
    let quantiles = prop::sample::subsequence(vec![Quantile::P50, Quantile::P95, Quantile::P99], 0..=3);
    let errors = (any::<bool>(), share(0..=1_000_000), share(0..=1_000_000));
    (errors, quantiles, 0..=16u8, any::<bool>()).prop_map(|(errors, quantiles, margin_buckets, enabled)| {
        let (judged, tolerance, excess) = errors;
        let enabled = enabled && !quantiles.is_empty();
        (Errors { enabled: judged, tolerance, excess }, Latency { enabled, quantiles, margin_buckets })
    })
}

/// Any policy that can be told.
fn policy() -> impl Strategy<Value = Policy> {
    let canary = (prop::option::of(steps()), prop::option::of(prop_oneof![Just(Pace::Evidence), Just(Pace::Time)]));
    let blue_green = (prop::option::of(span()), prop::option::of(span()));
    let kind = prop_oneof![
        canary.prop_map(|(steps, pace)| Policy { steps, pace, ..Policy::of(Way::Canary) }),
        blue_green.prop_map(|(switch_after, standby)| Policy { switch_after, standby, ..Policy::of(Way::BlueGreen) }),
        prop::option::of(span()).prop_map(|start_within| Policy { start_within, ..Policy::of(Way::Recreate) }),
    ];
    let harm = prop_oneof![Just(MaxHarm::Auto), share(100..=500_000).prop_map(MaxHarm::Fixed)];
    let on_deadline = prop_oneof![Just(OnDeadline::Hold), Just(OnDeadline::Abort), Just(OnDeadline::Promote)];
    let times = (span(), span(), prop::option::of(span()), on_deadline);
    let chances = (harm, share(1..=500_000), share(1..=500_000));
    (kind, times, chances, guardrails(), prop::option::of(conversion())).prop_map(
        |(kind, (soak, warm_up, scrape_interval, on_deadline), (max_harm, abort, promote), (errors, latency), goal)| {
            Policy {
                soak,
                warm_up,
                scrape_interval,
                on_deadline,
                max_harm,
                false_abort: abort,
                false_promote: promote,
                errors,
                latency,
                conversion: goal,
                ..kind
            }
        },
    )
}

fn options() -> impl Strategy<Value = ClusterOptions> {
    let name = || prop::option::of("[a-z]([a-z0-9-]{0,5}[a-z0-9])?");
    let capacity = prop_oneof![Just(Capacity::Wait), Just(Capacity::Follow), Just(Capacity::Ignore)];
    let label = prop_oneof![Just("version"), Just("a.example/B_c")];
    let canary = prop::option::of("[A-Z]([a-z0-9-]{0,5}[a-z0-9])?");
    (label, name(), canary, name(), any::<[bool; 3]>(), capacity).prop_map(
        |(label, stable, canary, port, flags, capacity)| {
            let name = |name: Option<String>| name.map(|name| name.parse::<Label>().unwrap());
            let [inject, undo, scale_down] = flags;
            ClusterOptions {
                version_label: label.parse::<LabelKey>().unwrap(),
                stable: name(stable),
                canaries: name(canary).into_iter().collect(),
                port: name(port),
                inject,
                on_failure: if undo { OnFailure::Undo } else { OnFailure::Hold },
                capacity,
                scale_down,
            }
        },
    )
}

fn visitor() -> impl Strategy<Value = Visitor> {
    let by = prop_oneof![Just(Identity::Cookie), Just(Identity::Address), Just(Identity::Request)];
    (prop::option::of("[a-z|~!#$-]{1,20}"), by, any::<bool>()).prop_map(|(header, by, overridable)| Visitor {
        header: header.map(|header| header.parse().unwrap()),
        by,
        overridable,
    })
}

proptest! {
    #[test]
    fn whatever_a_file_can_say_annotations_can_say(
        policy in policy(), visitor in visitor(), park in prop::option::of(span()), options in options()
    ) {
        let mut annotated = Annotated { policy, visitor, park, options };
        if annotated.policy.strategy != tidegate_config::policy::Strategy::Canary && annotated.options.capacity == Capacity::Follow {
            annotated.options.capacity = Capacity::Wait;
        }
        let written = annotated.write();
        for name in written.keys() {
            let name = name.strip_prefix(PREFIX).unwrap();
            // What Kubernetes takes as the name of an annotation.
            prop_assert!(name.len() <= 63 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-".contains(&b)));
        }
        prop_assert_eq!(Annotated::read(&written), Ok(Some(annotated)));
    }

    #[test]
    fn no_annotations_panic(
        pairs in prop::collection::btree_map(
            "(tidegate.dev/)?(strategy|steps|soak|latency|visitor|conversion|inject|\\PC{0,4})((\\.|\\[)(path|exact|enabled|\\PC?)){0,5}",
            "canary|blueGreen|recreate|true|10%|1m|/|\\PC*",
            0..8,
        )
    ) {
        let _ = Annotated::read(&pairs);
    }

    #[test]
    fn no_unknown_annotation_is_taken(annotated in policy(), name in "[A-Za-z]{1,8}([.-][A-Za-z]{1,8}){0,3}") {
        let annotated = Annotated { policy: annotated, visitor: Visitor::default(), park: None, options: ClusterOptions::default() };
        let mut annotations = annotated.write();
        let known = Annotated::read(&BTreeMap::from([(format!("{PREFIX}{name}"), "\u{1}".to_owned())])).unwrap_err();
        prop_assume!(known.iter().any(|problem| problem.wrong.contains("unknown annotation")));
        annotations.insert(format!("{PREFIX}{name}"), "\u{1}".to_owned());
        let problems = Annotated::read(&annotations).unwrap_err();
        prop_assert!(problems.iter().any(|problem| problem.path == format!("{PREFIX}{name}")), "{}", problems);
    }
}
