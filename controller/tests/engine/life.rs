//! Whole lives: a world and a policy go in, an end comes out.

use tidegate_config::policy::{Errors, Latency, OnDeadline, Pace, Policy};
use tidegate_config::{Share, Span};
use tidegate_controller::engine::{Action, Phase, Rule, report};

use crate::simulator::{HEALTHY, Simulation, World, canary};

/// Runs three seeds to their end, or for ten minutes, and compares phase and seconds since the first step.
fn check(why: &str, world: World, policy: &Policy, end: Phase, seconds: std::ops::RangeInclusive<u64>) {
    for seed in 0..3 {
        let mut simulation = Simulation::new(world, policy.clone(), seed);
        let over = |phase: Phase| phase.is_over() || phase == Phase::Undecided;
        simulation.run_until(620, |status| over(status.phase));
        let status = &simulation.status;
        let took = report(status, status.started).exposed_ms / 1_000;
        let last = simulation.records.last().map_or("", |record| &record.text);
        assert_eq!(status.phase, end, "{why}, seed {seed}: {last}");
        assert!(seconds.contains(&took), "{why}, seed {seed}: {took} s: {last}");
        assert_eq!(status.share == Share::ZERO, end == Phase::Aborted, "{why}: an aborted canary has nobody");
    }
}

fn goal(goal: &str) -> Policy {
    let text = format!(r#"{{"path": {{"exact": "/buy"}}, "goal": "{goal}"}}"#);
    Policy {
        conversion: Some(serde_json::from_str(&text).expect("a conversion")),
        deadline: Span::from_secs(110),
        ..canary(&["10%", "50%", "100%"])
    }
}

const SHOP: World = World { visitors: 600, conversion: [0.25; 2], ..HEALTHY };

#[test]
fn errors_decide() {
    let policy = canary(&["10%", "50%", "100%"]);
    check("a healthy canary is promoted", HEALTHY, &policy, Phase::Promoted, 20..=120);
    let busy = World { visitors: 2_000, ..HEALTHY };
    check("with much traffic right after its soaks", busy, &policy, Phase::Promoted, 20..=22);
    let twice = World { visitors: 600, failures: [0.01, 0.04], ..HEALTHY };
    check("a canary that fails more is aborted", twice, &policy, Phase::Aborted, 1..=60);
    let outage = World { outage: Some((12.0, 72.0, 0.6)), ..HEALTHY };
    check("a shared outage is not the canary's fault", outage, &policy, Phase::Promoted, 60..=400);
    let quiet = World { visitors: 0, ..HEALTHY };
    let no_latency = Policy { latency: Latency { enabled: false, ..Latency::default() }, ..policy };
    check("without visitors nothing is decided", quiet, &no_latency, Phase::Undecided, 600..=600);
}

#[test]
fn half_of_all_requests_failing_is_seen_within_two_scrapes() {
    let warm_up = Span::from_secs(30);
    let no_latency = Latency { enabled: false, ..Latency::default() };
    let policy = Policy { warm_up, latency: no_latency, ..canary(&["10%", "100%"]) };
    let broken = World { visitors: 50, failures: [0.001, 0.5], ..HEALTHY };
    check("the warm-up ends at once and the abort follows", broken, &policy, Phase::Aborted, 1..=8);
}

#[test]
fn latency_decides() {
    let policy = canary(&["10%", "50%", "100%"]);
    for (slow, end) in [(1.6, Phase::Aborted), (1.1, Phase::Promoted)] {
        let world = World { visitors: 600, slow, ..HEALTHY };
        check("slower than the margin is aborted, within it promoted", world, &policy, end, 1..=200);
    }
    let ignored = Policy { latency: Latency { enabled: false, ..Latency::default() }, ..policy };
    let world = World { visitors: 600, slow: 3.0, ..HEALTHY };
    check("nobody asked for latency", world, &ignored, Phase::Promoted, 20..=120);
}

#[test]
fn conversions_decide() {
    let better = World { conversion: [0.25, 0.30], ..SHOP };
    check("more conversions reach the goal", better, &goal("superiority"), Phase::Promoted, 20..=60);
    check("the same reach nothing", SHOP, &goal("superiority"), Phase::Undecided, 110..=110);
    let worse = World { conversion: [0.25, 0.22], ..SHOP };
    check("fewer are harm", worse, &goal("superiority"), Phase::Aborted, 5..=110);
    check("the same are not inferior", SHOP, &goal("nonInferiority"), Phase::Promoted, 20..=110);
    check("and no harm where that is all that is asked", SHOP, &goal("guardrail"), Phase::Promoted, 20..=60);
    let broken = World { conversion: [0.25, 0.05], ..SHOP };
    check("but fewer are, if they are that few within the soaks", broken, &goal("guardrail"), Phase::Aborted, 1..=20);
}

#[test]
fn the_deadline_does_what_the_policy_says() {
    let at = |on_deadline| Policy { on_deadline, ..goal("superiority") };
    check("hold", SHOP, &at(OnDeadline::Hold), Phase::Undecided, 110..=110);
    check("abort", SHOP, &at(OnDeadline::Abort), Phase::Aborted, 110..=110);
    check("promote", SHOP, &at(OnDeadline::Promote), Phase::Promoted, 110..=110);
}

#[test]
fn pace_time_asks_for_nothing_but_the_absence_of_suspicion() {
    let errors = Errors { enabled: true, ..Errors::default() };
    let policy = Policy { pace: Some(Pace::Time), errors, ..canary(&["10%", "50%", "100%"]) };
    let few = World { visitors: 30, ..HEALTHY };
    check("soaks and nothing else", few, &policy, Phase::Promoted, 20..=22);
    let broken = World { failures: [0.002, 0.5], ..few };
    check("the abort rules are armed all the same", broken, &policy, Phase::Aborted, 1..=20);
}

#[test]
fn a_single_step_is_a_promotion() {
    let policy = canary(&["100%"]);
    check("nothing can be compared on the way to it", HEALTHY, &policy, Phase::Promoted, 0..=0);
}

#[test]
fn restarts_change_nothing() {
    let worlds = [
        World { conversion: [0.25, 0.30], ..SHOP },
        World { failures: [0.002, 0.02], ..SHOP },
        World { slow: 1.3, ..SHOP },
    ];
    for (seed, world) in worlds.into_iter().enumerate() {
        let seed = seed as u64;
        let mut through = Simulation::new(world, goal("superiority"), seed);
        let mut restarted = Simulation::new(world, goal("superiority"), seed);
        restarted.restarts = true;
        for _ in 0..120 {
            through.tick();
            restarted.tick();
            assert_eq!(through.status, restarted.status, "to the last bit");
        }
        assert_eq!(through.records, restarted.records);
        assert!(through.records.len() > 3, "something was decided");
    }
}

#[test]
fn every_decision_is_on_record() {
    let mut simulation = Simulation::new(World { visitors: 2_000, ..HEALTHY }, canary(&["10%", "50%", "100%"]), 1);
    simulation.finish(60);
    let records = &simulation.records;
    let log: Vec<_> = records.iter().map(|record| (record.rule, record.action)).collect();
    assert_eq!(log.first(), Some(&(Rule::Start, Action::Start)));
    let moves: Vec<_> = log.iter().filter(|(rule, _)| !matches!(rule, Rule::Hold | Rule::Start)).collect();
    let expected =
        [(Rule::Baseline, Action::Advance), (Rule::Assurance, Action::Advance), (Rule::Assurance, Action::Promote)];
    assert_eq!(moves, expected.iter().collect::<Vec<_>>());
    let seq: Vec<u64> = records.iter().map(|record| record.seq).collect();
    assert_eq!(seq, (1..=records.len() as u64).collect::<Vec<_>>(), "numbered without a gap");
    let advance = records.iter().find(|record| record.rule == Rule::Assurance).expect("it advanced");
    assert_eq!((advance.from.to_string(), advance.to.to_string()), ("10%".to_owned(), "50%".to_owned()));
    assert_eq!(advance.bound, Some(20.0));
    assert!(advance.inputs.iter().all(|reading| reading.log_assurance.is_none_or(|log| log >= 20.0_f64.ln())));
}
