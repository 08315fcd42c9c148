//! The rules one by one: what holds a share, what starts a clock, what is not evidence.

use tidegate_config::policy::{Latency, Policy};
use tidegate_config::{Share, Span};
use tidegate_controller::engine::{
    Action, Command, Effect, Endpoints, Hold, Observation, Phase, Rule, Scrapes, Signal, Status, Timestamp, Verb,
    decide, report,
};

use crate::simulator::{HEALTHY, Simulation, World, canary, start};

const LADDER: [&str; 3] = ["10%", "50%", "100%"];

fn no_latency() -> Latency {
    Latency { enabled: false, ..Latency::default() }
}

fn reason(status: &Status) -> Option<Hold> {
    status.hold.map(|held| held.reason)
}

fn at_first_step(world: World, policy: Policy) -> Simulation {
    let mut simulation = Simulation::new(world, policy, 1);
    assert!(simulation.run_until(60, |status| status.step == Some(0)));
    simulation
}

#[test]
fn a_canary_waits_at_zero_until_stable_is_known() {
    let mut simulation = Simulation::new(World { visitors: 100, ..HEALTHY }, canary(&LADDER), 1);
    simulation.run(9);
    assert_eq!((reason(&simulation.status), simulation.status.step), (Some(Hold::Baseline), None), "900 visitors");
    simulation.run(2);
    assert_eq!(simulation.status.step, Some(0), "a thousand, of which the first scrape only set the mark");

    let policy = Policy { latency: no_latency(), ..canary(&LADDER) };
    let mut simulation = Simulation::new(HEALTHY, policy, 1);
    assert_eq!(reason(&simulation.status), Some(Hold::Baseline), "no scrape yet");
    simulation.tick();
    assert_eq!(simulation.status.step, Some(0), "one scrape is enough where latency does not matter");
}

#[test]
fn no_clock_starts_before_the_generation_is_in_force() {
    let mut simulation = Simulation::new(HEALTHY, canary(&LADDER), 1);
    simulation.run(3);
    simulation.acknowledges = false;
    assert!(simulation.run_until(30, |status| status.step == Some(0)));
    let soak = simulation.status.soak_left_ms();
    // An hour is about time, not about how many come in it.
    simulation.world.visitors = 20;
    simulation.run(3_600);
    let status = &simulation.status;
    assert_eq!(reason(status), Some(Hold::NotInForce));
    assert_eq!((status.soak_left_ms(), status.deadline_left_ms()), (soak, None), "neither soak nor deadline");
    assert_eq!((status.phase, status.step), (Phase::Progressing, Some(0)));
}

#[test]
fn an_outage_of_the_metrics_holds_and_proves_nothing() {
    let mut simulation = at_first_step(World { visitors: 2_000, ..HEALTHY }, canary(&LADDER));
    simulation.run(2);
    let soak = simulation.status.soak_left_ms();
    simulation.readable = false;
    simulation.run(100);
    let status = &simulation.status;
    assert_eq!((reason(status), status.soak_left_ms()), (Some(Hold::Outage), soak), "time unseen is no soak");
    let outage = status.outage.as_ref().expect("it is known");
    assert_eq!(outage.since.millis(), simulation.now_ms - 99_000, "since the first scrape that failed");
    let reasons = simulation.records.iter().filter(|record| record.action == Action::Hold(Hold::Outage));
    assert_eq!(reasons.count(), 1, "recorded once");
    let text = &simulation.records.last().expect("a record").text;
    assert!(text.contains("connection refused") && text.contains("neither for nor against"), "{text}");
    simulation.readable = true;
    simulation.finish(60);
    assert_eq!(simulation.status.phase, Phase::Promoted, "the missed interval is one longer one");
}

#[test]
fn a_canary_without_endpoints_is_a_hard_fact_only_while_stable_has_one() {
    let mut simulation = at_first_step(World { visitors: 2_000, ..HEALTHY }, canary(&LADDER));
    simulation.endpoints =
        Endpoints { canary_reachable: 0, canary_total: 2, stable_reachable: 0, stable_total: 2, canary_awaited: false };
    simulation.run(30);
    assert_eq!(reason(&simulation.status), Some(Hold::NoEndpoint), "both are down");
    simulation.endpoints.stable_reachable = 1;
    simulation.endpoints.canary_awaited = true;
    simulation.run(30);
    assert_eq!(reason(&simulation.status), Some(Hold::NoEndpoint), "somebody is on the way");
    simulation.endpoints.canary_awaited = false;
    simulation.tick();
    assert_eq!(simulation.status.phase, Phase::Aborted);
    assert_eq!(simulation.records.last().map(|record| record.rule), Some(Rule::HardFact));
}

#[test]
fn a_canary_that_a_proxy_took_out_of_service_is_rolled_back_in_any_phase() {
    for command in [None, Some(Verb::Pause)] {
        let mut simulation = at_first_step(World { visitors: 2_000, ..HEALTHY }, canary(&LADDER));
        if let Some(verb) = command {
            simulation.look(Scrapes::Skipped, Some(Command::new(verb, "ann".to_owned())));
        }
        simulation.tripped = true;
        simulation.tick();
        assert_eq!(simulation.status.phase, Phase::Aborted);
        let last = simulation.records.last().map(|record| (record.rule, record.to));
        assert_eq!(last, Some((Rule::Tripped, Share::ZERO)));
    }
}

#[test]
fn a_broken_split_holds() {
    let policy = Policy { latency: no_latency(), ..canary(&LADDER) };
    let mut simulation = at_first_step(World { visitors: 2_000, ..HEALTHY }, policy);
    for _ in 0..30 {
        // A fifth of the canary's visitors is lost before it is counted.
        let before = simulation.counters.clone();
        simulation.tick();
        for ((canary, epoch), counters) in &mut simulation.counters {
            let earlier = before.get(&(*canary, *epoch)).map_or(0, |old| old.visitors);
            if *canary {
                counters.visitors -= (counters.visitors - earlier) / 4;
            }
        }
    }
    assert_eq!(reason(&simulation.status), Some(Hold::RatioMismatch));
    let text = &simulation.records.last().expect("a record").text;
    assert!(text.contains("not how they were split"), "{text}");
    simulation.run(600);
    assert_eq!(simulation.status.phase, Phase::Undecided, "it blocks promotion for good");
}

#[test]
fn suspicion_holds_before_it_aborts() {
    let clean = World { visitors: 2_000, failures: [0.0; 2], ..HEALTHY };
    let mut simulation = at_first_step(clean, Policy { latency: no_latency(), ..canary(&LADDER) });
    let epoch = simulation.epochs.last().expect("an epoch").epoch;
    let mut fail = |failures: u64| {
        simulation.counters.entry((true, epoch)).or_default().failed += failures;
        let scrape = simulation.scrape();
        simulation.look(scrape, None);
        (simulation.status.phase, reason(&simulation.status))
    };
    assert_eq!(fail(2), (Phase::Progressing, Some(Hold::Soak)), "two failures may be chance");
    assert_eq!(fail(1), (Phase::Progressing, Some(Hold::Suspicion)), "three are suspicious");
    assert_eq!(fail(2).0, Phase::Aborted, "five are not chance");
    assert!(simulation.records.iter().any(|record| record.bound == Some(10.0) && record.statistic >= 10.0));
    let last = simulation.records.last().expect("a record");
    assert!(last.statistic >= 100.0 && last.bound == Some(100.0) && last.rule == Rule::Regression);
}

#[test]
fn lost_conversions_hold_before_they_abort() {
    let goal = serde_json::from_str(r#"{"path": {"exact": "/buy"}}"#).expect("a conversion");
    let policy = Policy { latency: no_latency(), conversion: Some(goal), ..canary(&LADDER) };
    let mut simulation = at_first_step(World { visitors: 2_000, ..HEALTHY }, policy);
    let epoch = simulation.epochs.last().expect("an epoch").epoch;
    let mut reasons = Vec::new();
    for _ in 0..400 {
        let stable = simulation.counters.entry((false, epoch)).or_default();
        match stable.converted.first_mut() {
            Some((_, count)) => *count += 1,
            None => stable.converted.push((epoch, 1)),
        }
        let scrape = simulation.scrape();
        simulation.look(scrape, None);
        reasons.push(reason(&simulation.status));
        if simulation.status.phase.is_over() {
            break;
        }
    }
    assert!(reasons.contains(&Some(Hold::Harm)), "evidence of harm alone holds");
    assert_eq!(simulation.status.phase, Phase::Aborted);
    let text = &simulation.records.last().expect("a record").text;
    assert!(text.contains("canary visitors so far"), "{text}");
}

#[test]
fn warm_up_is_shown_but_not_judged_unless_the_service_fails() {
    let policy = Policy { warm_up: Span::from_secs(30), latency: no_latency(), ..canary(&LADDER) };
    let mut cold = at_first_step(World { visitors: 50, failures: [0.0, 0.03], ..HEALTHY }, policy.clone());
    cold.run(20);
    let reading = |simulation: &Simulation| {
        let report = report(&simulation.status, Timestamp::from_millis(simulation.now_ms));
        (report.canary.failed, report.signals[0].canary.units)
    };
    let (failed, judged) = reading(&cold);
    assert!(failed > 0 && judged == 0, "{failed} failed, {judged} judged");
    cold.run(20);
    assert!(reading(&cold).1 > 0, "judged afterwards");

    let mut broken = at_first_step(World { visitors: 50, failures: [0.0, 1.0], ..HEALTHY }, policy);
    broken.run(2);
    assert_eq!(broken.status.phase, Phase::Aborted, "somebody is being hurt");
}

#[test]
fn a_clock_that_jumps_decides_nothing() {
    let promoted_after = |jump: Option<i64>| {
        let mut simulation = at_first_step(World { visitors: 2_000, ..HEALTHY }, canary(&LADDER));
        simulation.run(3);
        if let Some(jump) = jump {
            simulation.now_ms = simulation.now_ms.saturating_add_signed(jump);
        }
        let mut ticks = 0;
        while !simulation.status.phase.is_over() {
            simulation.tick();
            ticks += 1;
            assert!(ticks < 100, "it ends");
        }
        assert_eq!(simulation.status.phase, Phase::Promoted);
        ticks
    };
    let straight = promoted_after(None);
    let hour = 3_600_000;
    assert!((straight..=straight + 1).contains(&promoted_after(Some(-hour))), "an hour back costs one scrape");
    let ahead = promoted_after(Some(hour));
    assert!((straight - 5..=straight).contains(&ahead), "an hour ahead counts as a few scrapes: {ahead}");
    assert!(promoted_after(Some(-2 * 1_700_000_000_000)) <= straight + 1, "down to 1970");
}

#[test]
fn a_proxy_that_starts_again_loses_one_interval_and_no_more() {
    let mut simulation = at_first_step(World { visitors: 2_000, ..HEALTHY }, canary(&LADDER));
    for _ in 0..3 {
        simulation.tick();
        simulation.counters.clear();
    }
    simulation.finish(60);
    assert_eq!(simulation.status.phase, Phase::Promoted);
}

#[test]
fn late_events_count_in_the_epoch_they_are_labelled_with() {
    let mut simulation = at_first_step(World { visitors: 600, ..HEALTHY }, canary(&LADDER));
    assert!(simulation.run_until(60, |status| status.step == Some(1)));
    let m = |simulation: &Simulation| {
        let report = report(&simulation.status, Timestamp::from_millis(simulation.now_ms));
        report.signals[0].log_regression
    };
    // Nine of ten visitors were stable's in the first step: as many failures there say nothing against the canary.
    let before = m(&simulation);
    let epoch = simulation.epochs[simulation.epochs.len() - 2].epoch;
    simulation.counters.entry((false, epoch)).or_default().failed += 90;
    simulation.counters.entry((true, epoch)).or_default().failed += 10;
    let scrape = simulation.scrape();
    simulation.look(scrape, None);
    assert!(m(&simulation) < before, "{before} to {}", m(&simulation));
}

#[test]
fn conversions_are_read_with_the_shares_that_kept_their_visitors() {
    let goal = serde_json::from_str(r#"{"path": {"exact": "/buy"}}"#).expect("a conversion");
    let policy = Policy { latency: no_latency(), conversion: Some(goal), ..canary(&LADDER) };
    let mut simulation = at_first_step(World { visitors: 600, ..HEALTHY }, policy);
    assert!(simulation.run_until(60, |status| status.step == Some(1)));
    // Seen at 10%, converted at 50%: a tenth was on the canary all along, a half on stable; the others were moved.
    let (first, now) = (simulation.epochs[1].epoch, simulation.epochs[2].epoch);
    simulation.counters.entry((true, first)).or_default().converted.push((now, 100));
    simulation.counters.entry((false, first)).or_default().converted.push((now, 500));
    let scrape = simulation.scrape();
    simulation.look(scrape, None);
    let before = report(&simulation.status, Timestamp::from_millis(simulation.now_ms));
    let row = before.shares.iter().find(|row| row.converted == (100, 500)).expect("a row of its own");
    assert!((row.canary_share - 0.1).abs() < 1e-9 && (row.stable_share - 0.5).abs() < 1e-9, "{row:?}");
    let conversion = &before.signals[1];
    assert!(conversion.estimate.is_some_and(|ratio| (ratio - 1.0).abs() < 1e-9), "no effect: {conversion:?}");
    // One whose epoch is not known any more cannot be read.
    simulation.epochs.remove(0);
    simulation.counters.entry((true, 1)).or_default().converted.push((now, 900));
    let scrape = simulation.scrape();
    simulation.look(scrape, None);
    let after = report(&simulation.status, Timestamp::from_millis(simulation.now_ms));
    assert_eq!(after.canary.converted, 100);
}

/// The natural logarithm of the evidence for the goal after some 2,500 visitors, and the conversions it rests on.
fn goal_after(conversion: [f64; 2], window: f64) -> (f64, (u64, u64)) {
    let goal = serde_json::from_str(r#"{"path": {"exact": "/buy"}}"#).expect("a conversion");
    let policy = Policy { latency: no_latency(), conversion: Some(goal), ..canary(&["50%", "100%"]) };
    let mut simulation = at_first_step(World { visitors: 50, conversion, window, ..HEALTHY }, policy);
    simulation.run(50);
    assert_eq!(simulation.status.phase, Phase::Progressing, "nothing is decided yet");
    let report = report(&simulation.status, Timestamp::from_millis(simulation.now_ms));
    let signal = report.signals.iter().find(|signal| signal.signal == Signal::Conversion).expect("a goal");
    (signal.log_assurance.expect("a goal"), (report.canary.converted, report.stable.converted))
}

#[test]
fn visitors_who_do_not_convert_in_time_speak_too() {
    // Nearly nobody takes longer than 20 s, so the conversions are the same.
    let (alone, conversions) = goal_after([0.25, 0.30], 0.0);
    let (both, same) = goal_after([0.25, 0.30], 20.0);
    assert_eq!(conversions, same);
    assert!(both > alone, "{alone} without, {both} with them");
    let (never, _) = goal_after([0.30, 0.25], 20.0);
    assert!(never < 0.0, "they do not speak for a canary that converts less: {never}");
}

#[test]
fn rates_of_conversion_are_those_of_new_visitors() {
    let goal = serde_json::from_str(r#"{"path": {"exact": "/buy"}}"#).expect("a conversion");
    let policy = Policy { latency: no_latency(), conversion: Some(goal), ..canary(&LADDER) };
    let mut simulation = at_first_step(World { visitors: 600, ..HEALTHY }, policy);
    let epoch = simulation.epochs.last().expect("an epoch").epoch;
    let counters = simulation.counters.entry((true, epoch)).or_default();
    counters.visitors += 100;
    counters.newcomers += 40;
    counters.converted.push((epoch, 10));
    let scrape = simulation.scrape();
    simulation.look(scrape, None);
    let report = report(&simulation.status, Timestamp::from_millis(simulation.now_ms));
    assert_eq!((report.canary.first_seen, report.canary.conversion_rate), (40, Some(0.25)));
    let split = report.signals.last().expect("the split");
    assert_eq!(split.canary.units, 100, "the split is tested on all");
}

#[test]
fn an_empty_observation_asks_for_a_publication_only() {
    let now = Timestamp::from_millis(5);
    let status = Status::start(start(canary(&LADDER)), now);
    let observation = Observation::default();
    let decision = decide(&status, &observation, now);
    assert_eq!(decision.effects, [Effect::Publish]);
    assert_eq!(reason(&decision.status), Some(Hold::NotInForce));
    assert!(matches!(observation.scrapes, Scrapes::Skipped));
}
