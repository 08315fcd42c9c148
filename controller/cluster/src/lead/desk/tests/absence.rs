//! The only pod of a version that is tried goes, and another one comes, or none.

use tidegate_controller::engine::{Hold, Rule};

use super::*;

impl Office {
    fn pod_of_bb(&mut self, is_ready: bool) {
        let text = pod("shop-bb", 0, "", "shut");
        let ready = "ContainersReady, status: 'True'";
        let text = if is_ready { text } else { text.replace(ready, &ready.replace("True", "False")) };
        add(&mut self.world, &text);
    }

    fn reason(&self) -> Option<Hold> {
        self.stored.memory.as_ref()?.record.rollout.as_ref()?.hold.map(|held| held.reason)
    }

    /// A turn each second, in which proxies know of stable's pods.
    fn seconds(&mut self, from: u64, to: u64) {
        for second in from..=to {
            self.seeing(&[("aa", 3), ("bb", 1)], at(second * 1_000));
        }
    }
}

/// A canary with one pod, at its first step.
fn tried() -> Office {
    let mut office = Office::new();
    office.turn(at(0));
    office.wishes(Verb::Promote { full: false }, at(1_000));
    office.seconds(2, 4);
    let status = office.stored.memory.as_ref().unwrap().record.rollout.clone().unwrap();
    assert_eq!((status.phase, status.share.to_string().as_str()), (Phase::Progressing, "10%"));
    office
}

#[test]
fn one_that_comes_back_is_waited_for() {
    let mut office = tried();
    office.pod_of_bb(false);
    office.seconds(5, 30);
    assert_eq!((office.phase(), office.reason()), (Some(Phase::Progressing), Some(Hold::NoEndpoint)));
    assert!(office.says("Progressing").contains("no endpoint of bb can be reached"), "{}", office.says("Progressing"));
    office.pod_of_bb(true);
    office.seconds(31, 33);
    assert_eq!((office.phase(), office.reason()), (Some(Phase::Progressing), Some(Hold::Soak)), "it goes on");
    office.pod_of_bb(false);
    office.seconds(34, 60);
    assert_eq!(office.phase(), Some(Phase::Progressing), "each time has its own patience");
}

#[test]
fn one_that_does_not_come_back_is_a_fact() {
    let mut office = tried();
    office.pod_of_bb(false);
    office.seconds(5, 60);
    let last = office.stored.memory.as_ref().unwrap().record.rollout.as_ref().unwrap().recent.last().unwrap().clone();
    assert_eq!((office.phase(), last.rule), (Some(Phase::Aborted), Rule::HardFact));
    assert!(last.text.contains("no endpoint of bb could be reached while aa had one"), "{}", last.text);
}

#[test]
fn nobody_is_in_a_hurry_before_the_first_visitor() {
    let mut office = Office::new();
    office.turn(at(0));
    office.pod_of_bb(false);
    office.seconds(1, 120);
    assert_eq!((office.phase(), office.reason()), (Some(Phase::Progressing), Some(Hold::NoEndpoint)));
}
