//! Updates that nobody held.

use super::*;
use crate::manifests::{add, deployment, pod, replica_set};

impl Office {
    /// The condition and the Events of an update that was over before anybody led: by now there are pods of `hash` alone.
    fn after_update_to(hash: &str, managed: bool) -> (String, Vec<&'static str>) {
        let mut office = Self::new();
        office.served.values_mut().for_each(|served| served.managed = managed);
        office.world.pods.retain(|key, _| !key.name.starts_with("shop-bb"));
        office.world.replica_sets.retain(|key, _| key.name != "shop-bb");
        let complete = deployment("shop", 3, 3, "2026-01-01T00:00:00Z");
        add(&mut office.world, &complete);
        Arc::make_mut(office.stored.asked.as_mut().unwrap()).stable = None;
        office.desk.take(&[Arc::new(office.stored.clone())], at(0));
        office.turn(at(0));
        office.world.pods.clear();
        let now = [
            replica_set("shop", "aa", 1, 0),
            replica_set("shop", hash, 2, 3),
            pod(&format!("shop-{hash}"), 0, "", "none"),
        ];
        for manifest in now {
            add(&mut office.world, &manifest);
        }
        office.turn(at(30_000));
        office.turn(at(60_000));
        assert_eq!(office.stored.memory.as_ref().unwrap().stable, Some(name(hash)));
        let reason = office.stored.conditions.iter().find(|it| it.type_ == "Progressing").unwrap().reason.clone();
        (reason, office.told.iter().map(|news| news.reason).collect())
    }
}

#[test]
fn an_update_that_nobody_held_is_told_of_once() {
    assert_eq!(Office::after_update_to("cc", true), ("UpdatedUnjudged".to_owned(), vec!["UpdatedUnjudged"]));
    let quiet = ("NoNewVersion".to_owned(), vec![]);
    assert_eq!(Office::after_update_to("cc", false), quiet, "no visitor passes us, so nothing is ever held");
}
