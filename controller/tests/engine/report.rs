//! What people are shown.

use tidegate_config::policy::Policy;
use tidegate_config::{Share, Span};
use tidegate_controller::engine::{
    Hold, Phase, Record, Report, Signal, Timestamp, Verb, explain, explain_record, report,
};

use crate::simulator::{HEALTHY, Simulation, World, canary};

fn shop(conversion: [f64; 2]) -> Simulation {
    let goal = serde_json::from_str(r#"{"path": {"exact": "/buy"}}"#).expect("a conversion");
    let policy = Policy { conversion: Some(goal), deadline: Span::from_secs(110), ..canary(&["10%", "50%", "100%"]) };
    Simulation::new(World { visitors: 600, conversion, ..HEALTHY }, policy, 7)
}

fn shown(simulation: &Simulation) -> Report {
    report(&simulation.status, Timestamp::from_millis(simulation.now_ms))
}

#[test]
fn effects_come_with_intervals_that_hold_the_truth() {
    let mut simulation = shop([0.25, 0.30]);
    simulation.run(20);
    let report = shown(&simulation);
    let [errors, latency, conversion, split] = report.signals.as_slice() else { panic!("four signals: {report:?}") };
    assert_eq!((errors.signal, latency.signal), (Signal::Errors, Signal::Latency));
    assert_eq!((conversion.signal, split.signal), (Signal::Conversion, Signal::Split));
    let ratio = conversion.ratio.expect("there are conversions");
    assert!(ratio.lower.is_none_or(|lower| lower < 1.2) && ratio.upper.is_none_or(|upper| upper > 1.2), "{ratio:?}");
    let estimate = conversion.estimate.expect("there are conversions");
    assert!((1.0..1.5).contains(&estimate), "{estimate}");
    let excess = errors.excess.expect("there are visitors");
    assert!(excess.lower.is_none() && excess.upper.is_some_and(|upper| upper > 0.0), "{excess:?}");
    assert_eq!((report.step, report.steps.len()), (2, 3));
    assert_eq!(report.next_share, Some(Share::ALL));
    let visitors = report.canary.visitors + report.stable.visitors;
    assert!(visitors > 600 * 15, "{visitors}");
}

#[test]
fn a_forecast_or_its_absence_has_a_reason() {
    let check = |simulation: &Simulation, within: Option<std::ops::RangeInclusive<f64>>, text: &str| {
        let eta = shown(simulation).eta;
        let fits = match (&within, eta.seconds) {
            (Some(range), Some(seconds)) => range.contains(&seconds),
            (None, None) => true,
            _ => false,
        };
        assert!(fits && eta.reason.contains(text), "{within:?} {text}: {eta:?}");
    };
    let mut better = shop([0.25, 0.35]);
    check(&better, None, "no visitors yet");
    better.run(1);
    better.run(1);
    check(&better, Some(0.0..=2.0), "stable's latency");
    better.run(3);
    check(&better, Some(5.0..=12.0), "");
    better.run_until(60, |status| status.step == Some(1));
    better.run(1);
    check(&better, Some(9.0..=9.0), "soaks");
    better.command(Verb::Pause);
    check(&better, None, "paused");
    let mut same = shop([0.25, 0.22]);
    same.run_until(60, |status| status.step == Some(1));
    same.run(1);
    check(&same, None, "conversions");
    let mut slow = Simulation::new(World { visitors: 50, ..HEALTHY }, canary(&["10%", "50%", "100%"]), 1);
    slow.run_until(200, |status| status.hold.is_some_and(|held| held.reason == Hold::Evidence));
    check(&slow, Some(1.0..=600.0), "evidence on");
}

#[test]
fn verdicts_are_two_sentences() {
    let ended = |world: World| {
        let mut simulation = Simulation::new(world, canary(&["10%", "50%", "100%"]), 1);
        simulation.run_until(1_300, |status| status.phase.is_over() || status.phase == Phase::Undecided);
        let text = shown(&simulation).verdict;
        assert_eq!(text.matches(". ").count(), 1, "{text}");
        text
    };
    let bad = ended(World { failures: [0.01, 0.05], visitors: 100, ..HEALTHY });
    assert!(bad.starts_with("Rolled back after ") && bad.contains("canary visitors met a failure"), "{bad}");
    assert!(bad.ends_with("Chance of such an alarm for a healthy release: under 1%."), "{bad}");
    let slow = ended(World { slow: 2.0, ..HEALTHY });
    assert!(slow.contains("took longer than 38 ms"), "{slow}");
    let good = ended(World { visitors: 2_000, ..HEALTHY });
    assert!(good.starts_with("Promoted after 20 s: ") && good.ends_with("under 5%."), "{good}");
    let unsure = ended(World { visitors: 2, ..HEALTHY });
    assert!(unsure.contains("missing is proof that the next share"), "{unsure}");
}

/// Whatever comes after it: time, and a share that somebody raises.
#[test]
fn an_undecided_rollout_keeps_the_time_at_which_it_became_so() {
    let mut simulation = Simulation::new(World { visitors: 2, ..HEALTHY }, canary(&["10%", "50%", "100%"]), 1);
    simulation.run_until(1_300, |status| status.phase == Phase::Undecided);
    let verdict = shown(&simulation).verdict;
    let opening = verdict.split(':').next().expect("some words").to_owned();
    assert!(opening.starts_with("Undecided after ") && opening.ends_with(", at the deadline"), "{opening}");
    let exposed = shown(&simulation).exposed_ms;
    simulation.run(100);
    assert!(shown(&simulation).exposed_ms >= exposed + 100_000, "its canary is under watch still");
    assert_eq!(shown(&simulation).verdict, verdict, "after a while");
    simulation.command(Verb::Promote { full: false });
    simulation.run(100);
    let moved = shown(&simulation);
    assert_eq!((moved.phase, moved.step), (Phase::Undecided, 2));
    let stays = "It stays at 50%, guarded, until somebody promotes or aborts it";
    assert!(moved.verdict.starts_with(&opening) && moved.verdict.contains(stays), "{}", moved.verdict);
    assert_eq!(moved.recent.last().expect("a record").text, "From 10% to 50%: ann said so.");
    simulation.command(Verb::Abort);
    let ended = shown(&simulation).verdict;
    assert!(ended.starts_with("Rolled back after ") && ended.contains(" by ann"), "{ended}");
}

#[test]
fn decisions_are_explained_with_their_numbers() {
    let mut simulation = shop([0.25, 0.35]);
    simulation.finish(60);
    let last: &Record = simulation.records.last().expect("a record");
    let text = explain_record(last, &simulation.status);
    for part in
        ["rule assurance, by tidegate", "that the goal is reached", "the split is broken", "M = ", "asks for 20"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    let now = Timestamp::from_millis(simulation.now_ms);
    assert!(explain(&simulation.status, now).starts_with("Promoted after "));
    let mut stopped = shop([0.25, 0.25]);
    stopped.run(5);
    stopped.command(Verb::Abort);
    let text = shown(&stopped).verdict;
    assert!(text.contains("by ann") && text.ends_with("This was somebody's decision, not one by evidence."), "{text}");
}
