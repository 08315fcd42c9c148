//! What people may command, when, and what it does.

use tidegate_config::policy::Policy;
use tidegate_config::{Share, Span};
use tidegate_controller::engine::{Action, Hold, Phase, Rule, Verb};

use crate::simulator::{HEALTHY, Simulation, World, canary};

const PROMOTE: Verb = Verb::Promote { full: false };
const FULL: Verb = Verb::Promote { full: true };

fn at_first_step() -> Simulation {
    let mut simulation = Simulation::new(HEALTHY, canary(&["10%", "50%", "100%"]), 1);
    assert!(simulation.run_until(30, |status| status.step == Some(0)));
    simulation
}

#[test]
fn commands_move_the_share() {
    let check = |verbs: &[Verb], phase, share: &str, why: &str| {
        let mut simulation = at_first_step();
        for verb in verbs {
            assert_eq!(simulation.command(*verb), None, "{why}");
        }
        let status = &simulation.status;
        assert_eq!((status.phase, status.share.to_string()), (phase, share.to_owned()), "{why}");
        let commanded = simulation.records.iter().filter(|record| record.rule == Rule::Command);
        assert_eq!(commanded.filter(|record| record.actor == "ann").count(), verbs.len(), "{why}: on record");
    };
    check(&[PROMOTE], Phase::Progressing, "50%", "to the next step");
    check(&[PROMOTE, PROMOTE], Phase::Promoted, "100%", "past the last one it is over");
    check(&[FULL], Phase::Promoted, "100%", "at once");
    check(&[Verb::Abort], Phase::Aborted, "0%", "back");
    check(&[Verb::Pause], Phase::Paused, "10%", "hold");
    check(&[Verb::Pause, Verb::Resume], Phase::Progressing, "10%", "and go on");
    check(&[Verb::Pause, PROMOTE], Phase::Progressing, "50%", "who moves a paused one on wants it to go on");
    check(&[Verb::Pause, Verb::Abort], Phase::Aborted, "0%", "or back");
}

#[test]
fn refusals_say_what_is_possible() {
    let check = |verbs: &[Verb], text: &str| {
        let mut simulation = at_first_step();
        let (last, before) = verbs.split_last().expect("a command");
        for verb in before {
            assert_eq!(simulation.command(*verb), None);
        }
        let status = simulation.status.clone();
        let refusal = simulation.command(*last).expect("refused");
        assert_eq!(refusal.to_string(), text);
        assert_eq!(simulation.status.phase, status.phase, "nothing changes");
        assert_eq!(simulation.status.seq, status.seq, "nothing is recorded");
    };
    check(&[Verb::Resume], "cannot resume: it is not paused; possible: promote, pause or abort");
    check(&[Verb::Pause, Verb::Pause], "cannot pause: it is paused already; possible: resume, promote or abort");
    check(&[Verb::Abort, PROMOTE], "cannot promote: the rollout is over, it was aborted; possible: a new rollout");
    check(
        &[FULL, FULL],
        "cannot promote --full: the rollout is over, the canary was promoted; possible: a new rollout",
    );
}

#[test]
fn a_paused_rollout_waits_but_stays_guarded() {
    let mut simulation = at_first_step();
    simulation.command(Verb::Pause);
    let left = simulation.status.deadline_left_ms();
    simulation.run(700);
    assert_eq!(simulation.status.phase, Phase::Paused);
    assert_eq!(simulation.status.deadline_left_ms(), left, "somebody waits on purpose");
    simulation.command(Verb::Resume);
    simulation.finish(200);
    assert_eq!(simulation.status.phase, Phase::Promoted);

    let mut simulation = at_first_step();
    simulation.command(Verb::Pause);
    simulation.world = World { failures: [0.002, 0.5], ..HEALTHY };
    simulation.finish(10);
    assert_eq!(simulation.status.phase, Phase::Aborted, "late evidence still aborts");
}

#[test]
fn an_undecided_rollout_waits_for_somebody_but_stays_guarded() {
    let policy = Policy { deadline: Span::from_secs(15), ..canary(&["10%", "50%", "100%"]) };
    let undecided = || {
        let few = World { visitors: 20, ..HEALTHY };
        let mut simulation = Simulation::new(few, policy.clone(), 1);
        assert!(simulation.run_until(120, |status| status.phase == Phase::Undecided));
        simulation
    };
    let mut simulation = undecided();
    let refusal = simulation.command(Verb::Pause).expect("refused");
    assert!(refusal.to_string().contains("its deadline has passed"), "{refusal}");
    simulation.run(100);
    assert_eq!(simulation.status.share.to_string(), "10%", "nothing moves by itself");
    simulation.command(PROMOTE);
    simulation.run(100);
    let status = &simulation.status;
    assert_eq!((status.phase, status.share.to_string()), (Phase::Undecided, "50%".to_owned()));
    simulation.command(PROMOTE);
    assert_eq!(simulation.status.phase, Phase::Promoted);

    let mut simulation = undecided();
    simulation.world = World { failures: [0.002, 0.9], ..HEALTHY };
    simulation.finish(60);
    assert_eq!(simulation.status.phase, Phase::Aborted);
    assert_eq!(simulation.status.share, Share::ZERO);
}

#[test]
fn a_step_may_ask_for_approval() {
    let mut simulation =
        Simulation::new(World { visitors: 2_000, ..HEALTHY }, canary(&["10% approve", "50%", "100%"]), 1);
    simulation.run(60);
    let held = simulation.status.hold.expect("it holds");
    assert_eq!((held.reason, simulation.status.step), (Hold::Approval, Some(0)));
    simulation.command(PROMOTE);
    simulation.finish(60);
    assert_eq!(simulation.status.phase, Phase::Promoted);
    assert_eq!(simulation.records.last().map(|record| record.action), Some(Action::Promote));
}
