//! What holds for every sequence of observations, however absurd.

use proptest::collection::vec;
use proptest::prelude::*;
use tidegate_config::Share;
use tidegate_config::policy::{Policy, Strategy as Way};
use tidegate_controller::engine::{
    ArmCounters, ArmRow, Command, Decision, Endpoints, EpochShares, Gates, InstanceScrape, Observation, Phase, Rivals,
    Scrapes, ServiceCounters, Status, Timestamp, Verb, decide, explain, report,
};

use crate::simulator::{canary, name, start};

fn any_count() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..50_u64, 2 => 0..1_000_000_u64, 1 => any::<u64>()]
}

fn any_row() -> impl Strategy<Value = ArmRow> {
    let version = prop_oneof![Just("v1"), Just("v2"), Just("v3")];
    let counts = [(); 8].map(|()| any_count());
    let converted = vec((0..8_u64, any_count()), 0..3);
    (version, 0..8_u64, counts, converted, vec(any_count(), 0..72)).prop_map(
        |(version, epoch, counts, converted, hist)| {
            let [requests, failures, visitors, newcomers, exposed, failed, closed_converted, closed_unconverted] =
                counts;
            let counters = ArmCounters {
                requests,
                failures,
                visitors,
                newcomers,
                exposed,
                failed,
                converted,
                closed_converted,
                closed_unconverted,
                first_latency: hist,
            };
            ArmRow { version: name(version), epoch, counters }
        },
    )
}

fn any_scrapes() -> impl Strategy<Value = Scrapes> {
    let started = prop_oneof![5 => Just(1.0), 1 => any::<f64>()];
    let instance = ("[ab]", started, vec(any_row(), 0..6)).prop_map(|(instance, started, rows)| InstanceScrape {
        instance,
        started,
        counters: ServiceCounters { rows },
    });
    prop_oneof![
        6 => vec(instance, 0..3).prop_map(Scrapes::Seen),
        1 => Just(Scrapes::Outage("away".to_owned())),
        1 => Just(Scrapes::Skipped),
    ]
}

fn any_share() -> impl Strategy<Value = Share> {
    (0..=1_000_000_u32).prop_map(|ppm| Share::from_ppm(ppm).expect("in range"))
}

fn any_observation() -> impl Strategy<Value = Observation> {
    let verbs =
        vec![Verb::Promote { full: false }, Verb::Promote { full: true }, Verb::Abort, Verb::Pause, Verb::Resume];
    let verb = proptest::sample::select(verbs).prop_map(|verb| Command::new(verb, "ann".to_owned()));
    let epoch = (0..8_u64, any_share(), any_share());
    let epochs = vec(epoch.prop_map(|(epoch, canary, stable)| EpochShares::of_two(epoch, canary, stable)), 0..8);
    let endpoints = (0..4_u32, 0..3_u32, 0..3_u32, 0..3_u32);
    (any_scrapes(), proptest::option::of(0..6_u64), proptest::option::weighted(0.1, verb), epochs, endpoints).prop_map(
        |(scrapes, in_force, command, epochs, (a, b, c, d))| Observation {
            scrapes,
            in_force,
            command,
            epochs,
            endpoints: Endpoints {
                canary_reachable: a,
                canary_total: b,
                stable_reachable: c,
                stable_total: d,
                canary_awaited: false,
            },
            tripped: a == 3,
            gates: Gates { traffic: (b == 2).then(|| "gate a".to_owned()), ..Gates::default() },
            rivals: Rivals {
                under_way: d,
                leads: a == 1,
                promoted: (a == 2 && d == 2).then(|| "v3".parse().expect("a name")),
            },
        },
    )
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let goal = r#"{"path": {"exact": "/buy"}}"#;
    let conversion = serde_json::from_str(goal).expect("a conversion");
    let with_goal = Policy { conversion: Some(conversion), ..canary(&["10%", "50%", "100%"]) };
    proptest::sample::select(vec![canary(&["5%", "25%", "100%"]), with_goal, Policy::of(Way::BlueGreen)])
}

/// The share a step allows at most.
fn allowed(status: &Status) -> Share {
    status.step.and_then(|step| status.policy.steps().get(step).copied()).map_or(Share::ZERO, |step| step.share)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_observation_breaks_a_rollout(
        policy in any_policy(),
        looks in vec((any_observation(), prop_oneof![8 => 0..5_000_u64, 1 => any::<u64>()], any::<bool>()), 1..40),
    ) {
        let mut now = Timestamp::from_millis(1_700_000_000_000);
        let mut status = Status::start(start(policy), now);
        let mut generation = 0;
        let mut over: Option<(Phase, Share)> = None;
        for (observation, passed, publishes) in looks {
            now = Timestamp::from_millis(now.millis().wrapping_add(passed));
            let decision = decide(&status, &observation, now);
            prop_assert_eq!(&decision, &decide(&status, &observation, now), "the same in, the same out");
            let Decision { status: after, .. } = decision;
            let stored = serde_json::to_string(&after).expect("can be stored");
            let read: Status = serde_json::from_str(&stored).expect("and read");
            prop_assert_eq!(&read, &after);
            status = read;
            prop_assert!(status.share <= allowed(&status), "{} in step {:?}", status.share, status.step);
            if status.phase == Phase::Aborted {
                prop_assert_eq!(status.share, Share::ZERO);
            }
            if let Some(end) = over {
                prop_assert_eq!(end, (status.phase, status.share), "over is over");
            }
            over = status.phase.is_over().then_some((status.phase, status.share));
            if publishes {
                generation += 1;
                status.published(generation);
            }
            let shown = serde_json::to_string(&report(&status, now)).expect("can be shown");
            prop_assert!(!shown.contains("NaN"));
            prop_assert!(!explain(&status, now).is_empty());
        }
    }
}
