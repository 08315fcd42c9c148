//! Work that must succeed before a rollout goes on.

use tidegate_config::policy::{OnDeadline, Policy, Strategy};
use tidegate_config::{Share, Span};
use tidegate_controller::engine::{Action, Gates, Hold, Phase, Rule, Status, Verb};

use crate::simulator::{HEALTHY, Simulation, World, canary};

const QUICK: World = World { visitors: 2_000, ..HEALTHY };
const MIGRATION: &str = "gate migrate (Job shop-migrate-1)";

fn traffic() -> Gates {
    Gates { traffic: Some(MIGRATION.to_owned()), ..Gates::default() }
}

fn promotion() -> Gates {
    Gates { promotion: Some("gate scan".to_owned()), ..Gates::default() }
}

fn failed() -> Gates {
    Gates { failed: Some("gate migrate failed (Job shop-migrate-1): exit code 3".to_owned()), ..traffic() }
}

fn waiting(policy: Policy, gates: Gates) -> Simulation {
    let mut simulation = Simulation::new(QUICK, policy, 1);
    simulation.gates = gates;
    simulation
}

fn reason(simulation: &Simulation) -> Option<Hold> {
    simulation.status.hold.map(|held| held.reason)
}

#[test]
fn nobody_visits_a_version_before_its_gate_has_succeeded() {
    let ways = [canary(&["10%", "100%"]), canary(&["100%"]), Policy::of(Strategy::BlueGreen)];
    for policy in ways {
        let strategy = policy.strategy;
        let mut simulation = waiting(policy, traffic());
        simulation.run(600);
        assert_eq!((reason(&simulation), simulation.status.share), (Some(Hold::Gate), Share::ZERO), "{strategy:?}");
        let text = &simulation.records.last().expect("a record").text;
        assert_eq!(text, "Holds at 0% until gate migrate (Job shop-migrate-1) has succeeded.");
        for full in [false, true] {
            let refusal = simulation.command(Verb::Promote { full }).expect("refused").to_string();
            assert!(refusal.contains("gate migrate (Job shop-migrate-1) must succeed first"), "{refusal}");
        }
        simulation.gates = Gates::default();
        simulation.run(1);
        assert_ne!(reason(&simulation), Some(Hold::Gate), "{strategy:?}");
        let possible = simulation.status.admits(Verb::Promote { full: true });
        assert!(simulation.status.phase == Phase::Promoted || possible == Ok(()), "{strategy:?}: {possible:?}");
    }
}

#[test]
fn the_last_step_waits_for_its_gate_alone() {
    let mut simulation = waiting(canary(&["10%", "50%", "100%"]), promotion());
    assert!(simulation.run_until(600, |status| status.step == Some(1)), "earlier steps do not wait");
    let held = |status: &Status| status.hold.is_some_and(|held| held.reason == Hold::Gate);
    assert!(simulation.run_until(1_000, held), "once nothing else is missing");
    simulation.run(100);
    assert_eq!((reason(&simulation), simulation.status.share.to_string()), (Some(Hold::Gate), "50%".to_owned()));
    let refusal = simulation.command(Verb::Promote { full: false }).expect("refused").to_string();
    assert!(refusal.contains("gate scan must succeed first"), "{refusal}");
    simulation.gates = Gates::default();
    simulation.finish(10);
    assert_eq!(simulation.status.phase, Phase::Promoted);
}

#[test]
fn a_step_before_the_last_one_can_be_promoted_but_not_past_the_gate() {
    let mut simulation = waiting(canary(&["10%", "50%", "100%"]), promotion());
    assert!(simulation.run_until(600, |status| status.step == Some(0)));
    assert!(simulation.command(Verb::Promote { full: true }).is_some(), "all visitors at once");
    assert_eq!(simulation.command(Verb::Promote { full: false }), None, "the next step");
    assert_eq!(simulation.status.step, Some(1));
}

#[test]
fn a_failed_gate_aborts_whatever_the_phase_and_says_why() {
    for paused in [false, true] {
        let mut simulation = waiting(canary(&["10%", "100%"]), traffic());
        simulation.run(3);
        if paused {
            assert_eq!(simulation.command(Verb::Pause), None);
        }
        simulation.gates = failed();
        simulation.tick();
        assert_eq!(simulation.status.phase, Phase::Aborted);
        let last = simulation.records.last().expect("a record");
        assert_eq!((last.rule, last.action, last.to), (Rule::Gate, Action::Abort, Share::ZERO));
        assert_eq!(
            last.text,
            "Rolled back before the canary had any visitor: gate migrate failed (Job shop-migrate-1): exit code 3. What \
             must succeed before it goes on has failed."
        );
    }
}

#[test]
fn a_deadline_promotes_nothing_past_a_gate() {
    let policy =
        Policy { on_deadline: OnDeadline::Promote, deadline: Span::from_secs(1_200), ..canary(&["50%", "100%"]) };
    let mut simulation = waiting(policy, promotion());
    simulation.run(2_000);
    let text = &simulation.records.last().expect("a record").text;
    assert_eq!(simulation.status.phase, Phase::Undecided, "{text}");
    assert!(text.contains("missing is the success of a gate"), "{text}");
}
