//! What becomes of a Deployment after an abort.

use tidegate_config::OnFailure;

use super::*;
use crate::lead::undos;
use crate::manifests::{SERVICE, add, deployment, pod, replica_set, world};

impl Office {
    fn with_undo() -> Self {
        let mut office = Self::new();
        Arc::make_mut(office.stored.asked.as_mut().unwrap()).on_failure = OnFailure::Undo;
        office.desk = Desk::new("me");
        office.desk.take(&[Arc::new(office.stored.clone())], at(0));
        office
    }

    fn aborted() -> Self {
        let mut office = Self::with_undo();
        office.turn(at(0));
        assert!(office.undos().is_empty(), "nothing is aborted yet");
        office.abort(at(1_000));
        office
    }

    fn abort(&mut self, now: Timestamp) {
        self.wishes(Verb::Abort, now);
        assert_eq!(self.phase(), Some(Phase::Aborted));
    }

    /// From which replica set to which.
    fn undos(&self) -> Vec<(String, String)> {
        let all = undos(&self.world, &[Arc::new(self.stored.clone())]);
        all.into_iter().map(|undo| (undo.from.name, undo.to.name)).collect()
    }

    fn degraded(&self) -> String {
        self.stored.conditions.iter().find(|it| it.type_ == "Degraded").unwrap().message.clone()
    }
}

/// The Deployment asks for `aa` again, under a new number, and `bb` still has a pod.
const SET_BACK: (&str, u32) = ("aa", 3);

#[test]
fn an_abort_is_undone_once_and_starts_nothing() {
    let mut office = Office::aborted();
    let wanted = [("shop-bb".to_owned(), "shop-aa".to_owned())];
    assert_eq!(office.undos(), wanted);
    office.turn(at(10_000));
    assert_eq!(office.undos(), wanted, "again, until it is seen");
    let (hash, number) = SET_BACK;
    add(&mut office.world, &replica_set("shop", hash, number, 3));
    assert!(office.undos().is_empty());
    let before = office.stored.memory.as_ref().unwrap().record.rollout.as_ref().unwrap().rollout;
    office.turn(at(20_000));
    let memory = office.stored.memory.clone().unwrap();
    assert_eq!((memory.undone, memory.record.under_way().is_some()), (Some(before), false));
    // Somebody applies the version again: that is theirs to say, and it is told that it was aborted.
    add(&mut office.world, &replica_set("shop", "bb", 4, 1));
    office.turn(at(30_000));
    assert_eq!((office.undos(), office.phase()), (Vec::new(), Some(Phase::Aborted)));
}

#[test]
fn nothing_is_undone_that_nobody_asks_for_or_that_is_not_there() {
    let mut office = Office::aborted();
    Arc::make_mut(office.stored.asked.as_mut().unwrap()).on_failure = OnFailure::Hold;
    assert!(office.undos().is_empty(), "not asked for");
    let mut office = Office::aborted();
    office.world.replica_sets.retain(|key, _| key.name != "shop-aa");
    assert!(office.undos().is_empty());
    let mut office = Office::aborted();
    add(&mut office.world, &replica_set("shop", "cc", 3, 1));
    assert!(office.undos().is_empty(), "another version is asked for");
    let mut office = Office::aborted();
    let paused =
        deployment("shop", 3, 1, "2026-01-01T00:00:00Z").replace("spec: {replicas", "spec: {paused: true, replicas");
    add(&mut office.world, &paused);
    assert!(office.undos().is_empty());
    office.turn(at(10_000));
    office.turn(at(20_000));
    assert!(office.degraded().contains("spec.onFailure: undo: Deployment shop is paused"), "{}", office.degraded());
}

#[test]
fn separate_workloads_are_not_changed_and_that_is_told() {
    let mut text = SERVICE.to_owned() + &deployment("a", 1, 1, "2026-01-01T00:00:00Z");
    text += &(deployment("b", 1, 1, "2026-01-02T00:00:00Z")
        + &replica_set("a", "aa", 1, 1)
        + &replica_set("b", "bb", 1, 1));
    text += &(pod("a-aa", 0, ", version: aa", "none") + &pod("b-bb", 0, ", version: bb", "none"));
    let mut office = Office::with_undo();
    office.world = world(&text);
    office.turn(at(0));
    office.abort(at(1_000));
    assert!(office.undos().is_empty());
    assert!(office.degraded().contains("spec.onFailure: undo: the versions of Service"), "{}", office.degraded());
}
