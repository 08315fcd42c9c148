//! Preview, switch, standby: the versions have visitors one after the other.

use tidegate_config::policy::{Policy, Strategy};
use tidegate_config::{Share, Span};
use tidegate_controller::engine::{Endpoints, Hold, Phase, Rule, Verb};

use crate::simulator::{HEALTHY, Simulation, World};

const DOWN: Endpoints =
    Endpoints { canary_reachable: 0, canary_total: 2, stable_reachable: 2, stable_total: 2, canary_awaited: false };

fn policy(switch_after: Option<u32>) -> Policy {
    Policy {
        switch_after: switch_after.map(Span::from_secs),
        standby: Some(Span::from_secs(60)),
        ..Policy::of(Strategy::BlueGreen)
    }
}

#[test]
fn it_waits_for_the_switch_then_keeps_the_old_version_hot() {
    let mut simulation = Simulation::new(HEALTHY, policy(None), 1);
    simulation.run(300);
    assert_eq!(simulation.status.hold.map(|held| held.reason), Some(Hold::Preview));
    assert_eq!(simulation.status.share, Share::ZERO);
    assert_eq!(simulation.command(Verb::Promote { full: false }), None);
    assert_eq!((simulation.status.phase, simulation.status.share), (Phase::Standby, Share::ALL));
    let text = &simulation.records.last().expect("a record").text;
    assert!(text.contains("Nothing is compared"), "{text}");
    let refusal = simulation.command(Verb::Pause).expect("refused");
    assert!(refusal.to_string().contains("promote to end the standby"), "{refusal}");
    simulation.run(59);
    assert_eq!(simulation.status.phase, Phase::Standby);
    simulation.run(1);
    assert_eq!(simulation.status.phase, Phase::Promoted);
    assert_eq!(simulation.records.last().map(|record| record.rule), Some(Rule::Standby));
}

#[test]
fn it_may_switch_by_itself() {
    let mut simulation = Simulation::new(HEALTHY, policy(Some(30)), 1);
    simulation.run(29);
    assert_eq!(simulation.status.share, Share::ZERO);
    simulation.run(1);
    assert_eq!(simulation.status.phase, Phase::Standby);
    assert_eq!(simulation.records.last().map(|record| record.rule), Some(Rule::SwitchAfter));
}

#[test]
fn abort_returns_at_once_before_and_after_the_switch() {
    for switched in [false, true] {
        let mut simulation = Simulation::new(HEALTHY, policy(None), 1);
        simulation.run(5);
        if switched {
            simulation.command(Verb::Promote { full: false });
        }
        assert_eq!(simulation.command(Verb::Abort), None);
        assert_eq!((simulation.status.phase, simulation.status.share), (Phase::Aborted, Share::ZERO));
    }
}

#[test]
fn only_a_hard_fact_reverts_by_itself() {
    let failing = World { failures: [0.0, 1.0], ..HEALTHY };
    let mut simulation = Simulation::new(failing, policy(Some(10)), 1);
    simulation.run(30);
    assert_eq!(simulation.status.phase, Phase::Standby, "counters are compared with nothing");
    simulation.endpoints = DOWN;
    simulation.tick();
    assert_eq!(simulation.status.phase, Phase::Aborted);
    assert_eq!(simulation.records.last().map(|record| record.rule), Some(Rule::HardFact));
}

#[test]
fn pausing_stops_the_timed_switch() {
    let mut simulation = Simulation::new(HEALTHY, policy(Some(10)), 1);
    simulation.run(5);
    simulation.command(Verb::Pause);
    simulation.run(60);
    assert_eq!(simulation.status.share, Share::ZERO);
    simulation.command(Verb::Promote { full: false });
    assert_eq!(simulation.status.phase, Phase::Standby);
}
