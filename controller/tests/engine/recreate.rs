//! Versions that do not run at the same time: the old one goes, the new one is awaited.

use tidegate_config::policy::{Policy, Strategy};
use tidegate_config::{Share, Span};
use tidegate_controller::engine::{Endpoints, Gates, Hold, Phase, Rule, Verb};

use crate::simulator::{HEALTHY, Simulation, World};

/// Nobody answers for the new version.
const SILENT: World = World { failures: [0.0, 1.0], ..HEALTHY };
const NOBODY: Endpoints =
    Endpoints { canary_reachable: 0, canary_total: 0, stable_reachable: 0, stable_total: 0, canary_awaited: false };
const OLD: Endpoints =
    Endpoints { canary_reachable: 0, canary_total: 1, stable_reachable: 2, stable_total: 2, canary_awaited: false };
const NEW: Endpoints = Endpoints { canary_reachable: 2, canary_total: 2, ..NOBODY };

fn policy() -> Policy {
    Policy { start_within: Some(Span::from_secs(60)), ..Policy::of(Strategy::Recreate) }
}

fn switched(endpoints: Endpoints) -> Simulation {
    let mut simulation = Simulation::new(SILENT, policy(), 1);
    simulation.restarts = true;
    simulation.endpoints = endpoints;
    simulation.run(1);
    assert_eq!((simulation.status.phase, simulation.status.share), (Phase::Recreating, Share::ALL));
    simulation
}

fn last_rule(simulation: &Simulation) -> Option<Rule> {
    simulation.records.last().map(|record| record.rule)
}

#[test]
fn all_visitors_move_at_once_and_the_new_version_is_promoted_when_it_is_there() {
    let mut simulation = switched(OLD);
    let texts: Vec<&str> = simulation.records.iter().map(|record| record.text.as_str()).collect();
    assert!(texts[0].ends_with("The two do not run at the same time, so nothing is compared."), "{texts:?}");
    let last = texts.last().expect("a record");
    assert!(last.starts_with("All visitors to v2: v1 goes before it starts") && last.contains("within 1m"), "{last}");
    assert_eq!(last_rule(&simulation), Some(Rule::Recreate));
    simulation.endpoints = NOBODY;
    simulation.run(30);
    assert_eq!(simulation.status.phase, Phase::Recreating, "a canary without endpoints is what is expected");
    simulation.endpoints = NEW;
    simulation.tick();
    assert_eq!((simulation.status.phase, last_rule(&simulation)), (Phase::Promoted, Some(Rule::Reached)));
}

#[test]
fn an_answer_tells_more_than_an_address() {
    // Of a file both versions are always known.
    let both =
        Endpoints { canary_reachable: 1, canary_total: 1, stable_reachable: 1, stable_total: 1, canary_awaited: false };
    let mut simulation = switched(both);
    simulation.run(300);
    assert_eq!(simulation.status.phase, Phase::Recreating, "it can be connected to, and nobody has got an answer");
    simulation.world = HEALTHY;
    simulation.run(2);
    assert_eq!((simulation.status.phase, last_rule(&simulation)), (Phase::Promoted, Some(Rule::Reached)));
}

#[test]
fn what_does_not_come_in_time_goes_back() {
    for endpoints in [NOBODY, OLD] {
        let mut simulation = switched(endpoints);
        simulation.run(58);
        assert_eq!(simulation.status.phase, Phase::Recreating);
        simulation.run(2);
        assert_eq!((simulation.status.phase, simulation.status.share), (Phase::Aborted, Share::ZERO));
        assert_eq!(last_rule(&simulation), Some(Rule::StartWithin));
        let text = &simulation.records.last().unwrap().text;
        assert!(text.ends_with("Nobody of v2 could be reached within 1m of the switch."), "{text}");
    }
}

#[test]
fn work_comes_before_the_old_version_goes() {
    let migrate = Gates { traffic: Some("gate migrate".to_owned()), ..Gates::default() };
    let mut waiting = Simulation::gated(SILENT, policy(), 1, migrate);
    waiting.run(600);
    assert_eq!(waiting.status.hold.map(|held| held.reason), Some(Hold::Gate));
    assert!(waiting.command(Verb::Promote { full: true }).is_some(), "nobody can skip it");
    waiting.gates = Gates::default();
    waiting.tick();
    assert_eq!(waiting.status.phase, Phase::Recreating);
}

#[test]
fn people_may_return_or_end_the_wait_and_nothing_else() {
    let mut simulation = switched(NOBODY);
    for verb in [Verb::Pause, Verb::Resume] {
        let refusal = simulation.command(verb).expect("refused").to_string();
        assert!(refusal.contains("the old version is going already"), "{refusal}");
    }
    assert_eq!(simulation.command(Verb::Abort), None);
    assert_eq!((simulation.status.phase, simulation.status.share), (Phase::Aborted, Share::ZERO));
    let mut simulation = switched(NOBODY);
    assert_eq!(simulation.command(Verb::Promote { full: false }), None);
    assert_eq!((simulation.status.phase, simulation.status.share), (Phase::Promoted, Share::ALL));
}

#[test]
fn a_switch_that_no_proxy_confirms_has_no_deadline() {
    let migrate = Gates { traffic: Some("gate migrate".to_owned()), ..Gates::default() };
    let mut simulation = Simulation::gated(SILENT, policy(), 1, migrate);
    (simulation.acknowledges, simulation.gates) = (false, Gates::default());
    simulation.endpoints = NEW;
    simulation.run(600);
    assert_eq!(simulation.status.phase, Phase::Recreating, "somebody may be sent to the old version still");
}
