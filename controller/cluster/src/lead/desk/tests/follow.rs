//! Gates that open with the share (`capacity: follow`), and what becomes of them after an abort.

use k8s_openapi::api::core::v1::Pod;
use tidegate_config::{Capacity, OnFailure, Share};

use super::workloads::deployed;
use super::*;
use crate::lead::undos;
use crate::manifests::{SERVICE, add, deployment, pod, replica_set, world};

impl Office {
    /// An office that follows, with a policy that goes from 50% to 100%.
    fn following(world: World) -> Self {
        let mut office = Self { world, ..Self::new() };
        let asked = Arc::make_mut(office.stored.asked.as_mut().unwrap());
        asked.capacity = Capacity::Follow;
        asked.policy.steps = Some(["50%", "100%"].map(|step| step.parse().unwrap()).to_vec());
        office.desk = Desk::new("me");
        office.desk.take(&[Arc::new(office.stored.clone())], at(0));
        office
    }

    fn share(&self) -> Share {
        self.stored.memory.as_ref().unwrap().record.rollout.as_ref().unwrap().share
    }

    /// What `gating` wants, done.
    fn carry_out(&mut self) {
        let [open, shut, _] = self.gates(&[Arc::new(self.stored.clone())]);
        for (names, status) in [(open, "True"), (shut, "False")] {
            for name in names {
                self.condition(&name, "tidegate.dev/promoted", status);
            }
        }
    }

    fn condition(&mut self, pod: &str, kind: &str, status: &str) {
        let key = Key::new("default", pod);
        let mut pod = Pod::clone(&self.world.pods[&key]);
        let conditions = pod.status.as_mut().unwrap().conditions.as_mut().unwrap();
        conditions.retain(|it| it.type_ != kind);
        conditions.push(serde_saphyr::from_str(&format!("{{type: {kind}, status: '{status}'}}")).unwrap());
        self.world.pods.insert(key, Arc::new(pod));
    }

    fn undone(&self) -> usize {
        undos(&self.world, &[Arc::new(self.stored.clone())]).len()
    }
}

/// Two pods of `aa`, and two of `bb` that wait.
fn updating() -> World {
    let mut text = SERVICE.to_owned() + &deployment("shop", 2, 2, "2026-01-01T00:00:00Z");
    text += &(replica_set("shop", "aa", 1, 2) + &replica_set("shop", "bb", 2, 2));
    (0..2).for_each(|i| text += &(pod("shop-aa", i, "", "none") + &pod("shop-bb", i, "", "shut")));
    world(&text)
}

/// An office whose first pod of `bb` is open, at 50%.
fn half() -> Office {
    let mut office = Office::following(updating());
    office.turn(at(0));
    assert_eq!(office.gates(&[Arc::new(office.stored.clone())]), [vec![], vec![], names(&["shop-bb-0", "shop-bb-1"])]);
    office.wishes(Verb::Promote { full: false }, at(1_000));
    assert_eq!(office.share().ppm(), 500_000);
    let wanted = [names(&["shop-bb-0"]), vec![], names(&["shop-bb-1"])];
    assert_eq!(office.gates(&[Arc::new(office.stored.clone())]), wanted, "half of two");
    office.carry_out();
    office.condition("shop-bb-0", "Ready", "True");
    assert_eq!(office.gates(&[Arc::new(office.stored.clone())])[0], names(&[]), "and no more");
    office
}

fn names(all: &[&str]) -> Vec<String> {
    all.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn gates_open_as_far_as_the_share_that_is_written_down() {
    let mut office = half();
    // Whoever leads next finds the same.
    office.desk = Desk::new("other");
    office.desk.take(&[Arc::new(office.stored.clone())], at(2_000));
    office.turn(at(2_001));
    assert_eq!(office.gates(&[Arc::new(office.stored.clone())]), [vec![], vec![], names(&["shop-bb-1"])]);
    office.wishes(Verb::Promote { full: true }, at(3_000));
    assert_eq!(office.gates(&[Arc::new(office.stored.clone())])[0], names(&["shop-bb-1"]), "promoted: all of them");
}

#[test]
fn an_abort_shuts_them_first_and_then_undoes_whatever_on_failure_says() {
    let mut office = half();
    assert_eq!(office.stored.asked.as_ref().unwrap().on_failure, OnFailure::Hold);
    office.wishes(Verb::Abort, at(3_000));
    assert_eq!((office.phase(), office.share()), (Some(Phase::Aborted), Share::ZERO));
    let newest = office.stored.memory.as_ref().unwrap().record.epochs.newest().unwrap().clone();
    assert_eq!(newest.share_of(&name("bb")), Share::ZERO, "nobody visits it from now on");
    assert_eq!(office.gates(&[Arc::new(office.stored.clone())])[1], names(&["shop-bb-0"]));
    assert_eq!(office.undone(), 0, "its gate is open");
    office.carry_out();
    assert_eq!(office.undone(), 0, "it is shut, and Services have not heard of it yet");
    office.condition("shop-bb-0", "Ready", "False");
    assert_eq!(office.undone(), 1);
    // Another version comes before that: the same gates are shut, and nothing is set back.
    let mut office = half();
    add(&mut office.world, &(replica_set("shop", "cc", 3, 1) + &pod("shop-cc", 0, "", "shut")));
    office.turn(at(3_000));
    office.turn(at(5_000));
    let memory = office.stored.memory.clone().unwrap();
    assert_eq!(memory.record.under_way().map(|status| status.canary.clone()), Some(name("cc")));
    assert_eq!(office.gates(&[Arc::new(office.stored.clone())])[1], names(&["shop-bb-0"]));
    assert_eq!(office.undone(), 0);
}

#[test]
fn separate_workloads_cannot_be_followed_and_that_is_told() {
    let mut office = Office::following(deployed());
    office.turn(at(0));
    assert!(office.says("Accepted").starts_with("spec.capacity: follow: the versions of Service default/shop are"));
    office.wishes(Verb::Promote { full: false }, at(1_000));
    assert_eq!(office.share().ppm(), 500_000);
    let held = [vec![], vec![], vec!["b-bb-0".to_owned()]];
    assert_eq!(office.gates(&[Arc::new(office.stored.clone())]), held, "it waits");
    let mut office = Office::following(updating());
    office.turn(at(0));
    assert_eq!(office.says("Accepted"), "What is asked for is carried out.");
}
