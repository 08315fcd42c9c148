//! What becomes of the workload of a version that was replaced.

use super::*;
use crate::lead::scales;
use crate::manifests::{SERVICE, add, deployment, pod, replica_set, world};

/// Deployments `a` and `b` behind one Service, each of one pod of the version `aa` or `bb`.
fn separate() -> World {
    let mut text = SERVICE.to_owned() + &deployment("a", 1, 1, "2026-01-01T00:00:00Z");
    text += &(deployment("b", 1, 1, "2026-01-02T00:00:00Z") + &replica_set("a", "aa", 1, 1));
    text += &(replica_set("b", "bb", 1, 1) + &pod_of_a() + &pod("b-bb", 0, ", version: bb", "none"));
    world(&text)
}

fn pod_of_a() -> String {
    pod("a-aa", 0, ", version: aa", "none")
}

impl Office {
    fn releasing(world: World, strategy: Strategy, scale_down: bool) -> Self {
        let mut office = Self::new();
        let asked = Arc::make_mut(office.stored.asked.as_mut().unwrap());
        asked.policy = Policy { soak: Span::from_secs(12), ..Policy::of(strategy) };
        asked.scale_down = scale_down;
        office.world = world;
        office.desk = Desk::new("me");
        office.desk.take(&[Arc::new(office.stored.clone())], at(0));
        office.turn(at(0));
        assert!(office.scaled_down().is_empty(), "nothing is promoted yet");
        // In full, the switch and the end of the standby would be one.
        office.wishes(Verb::Promote { full: strategy == Strategy::Canary }, at(1_000));
        office
    }

    fn scaled_down(&self) -> Vec<String> {
        let all = scales(&self.world, &[Arc::new(self.stored.clone())]);
        all.into_iter().map(|down| format!("{} {}", down.kind, down.workload)).collect()
    }
}

#[test]
fn what_was_replaced_is_scaled_down_once() {
    let mut office = Office::releasing(separate(), Strategy::Canary, true);
    assert_eq!(office.phase(), Some(Phase::Promoted));
    assert_eq!(office.scaled_down(), ["Deployment default/a"]);
    office.turn(at(20_000));
    assert_eq!(office.scaled_down(), ["Deployment default/a"], "again, until it is seen");
    office.world.pods.retain(|key, _| key.name != "a-aa-0");
    office.turn(at(30_000));
    let memory = office.stored.memory.clone().unwrap();
    assert_eq!(memory.scaled_down, memory.record.rollout.as_ref().map(|status| status.rollout));
    add(&mut office.world, &pod_of_a());
    assert!(office.scaled_down().is_empty(), "whoever scales it up again is not fought");
}

#[test]
fn a_hot_standby_stays_until_its_time_is_over() {
    let mut office = Office::releasing(separate(), Strategy::BlueGreen, true);
    assert_eq!(office.phase(), Some(Phase::Standby));
    assert!(office.scaled_down().is_empty());
    office.wishes(Verb::Promote { full: false }, at(10_000));
    assert_eq!((office.phase(), office.scaled_down().len()), (Some(Phase::Promoted), 1));
}

#[test]
fn nothing_is_scaled_down_that_nobody_allows_or_that_runs_something_else() {
    assert!(Office::releasing(separate(), Strategy::Canary, false).scaled_down().is_empty(), "not allowed");
    let mut office = Office::releasing(separate(), Strategy::Canary, true);
    add(&mut office.world, &pod("a-aa", 1, ", version: bb", "none"));
    assert!(office.scaled_down().is_empty(), "it runs the new version, too");
    let office = Office::releasing(updating(), Strategy::Canary, true);
    assert_eq!(office.phase(), Some(Phase::Promoted));
    assert!(office.scaled_down().is_empty(), "a Deployment that is updated in place sees to it itself");
}
