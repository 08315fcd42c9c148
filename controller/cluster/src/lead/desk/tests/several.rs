//! Several versions at the same time, each in a workload of its own.

use tidegate_config::Key as Key16;
use tidegate_config::{Share, Split};
use tidegate_controller::engine::Rule;
use tidegate_controller::publish::Keys;

use super::*;
use crate::catalog::{Catalog, Entries, Released};
use crate::manifests::{SERVICE, add, deployment, pod, replica_set, world};

const MADE: &str = "2026-01-01T00:00:00Z";

/// A pod of a version in a Deployment of its own.
fn workload(version: &str, gate: &str) -> String {
    let (name, set) = (&version[..1], format!("{}-{version}", &version[..1]));
    let text = deployment(name, 1, 1, MADE) + &replica_set(name, version, 1, 1);
    text + &pod(&set, 0, &format!(", version: {version}"), gate)
}

/// `aa` is stable; `bb` and `cc` are to be tried, of which these are there.
fn office(there: &[&str]) -> Office {
    let new: String = there.iter().map(|version| workload(version, "shut")).collect();
    let text = SERVICE.to_owned() + &workload("aa", "none") + &new;
    let mut office = Office { world: world(&text), ..Office::new() };
    let asked = Arc::make_mut(office.stored.asked.as_mut().unwrap());
    asked.canaries = vec![name("bb"), name("cc")];
    asked.policy.steps = Some(["10%", "30%", "100%"].map(|step| step.parse().unwrap()).into());
    asked.policy.conversion = serde_json::from_str(r#"{"path": {"exact": "/buy"}}"#).unwrap();
    office.desk = Desk::new("me");
    office.desk.take(&[Arc::new(office.stored.clone())], at(0));
    office
}

impl Office {
    fn phases(&self) -> Vec<(String, Phase)> {
        let memory = self.stored.memory.as_ref().unwrap();
        let mut all: Vec<_> = memory.record.tried().map(|status| (status.canary.to_string(), status.phase)).collect();
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all
    }

    fn split(&self) -> Split {
        let (asked, memory) = (self.stored.asked.clone().unwrap(), self.stored.memory.clone().unwrap());
        let released = Released::from([(asked.service.clone(), (Arc::clone(&asked), memory))]);
        let keys = Keys { cookie: Key16([1; 16]), master: Key16([2; 16]) };
        let catalog = Catalog::new(&self.world, &released, &keys, Entries::default());
        catalog.entry(&asked.service, None).unwrap().entry.split.clone()
    }

    fn wishes_of(&mut self, verb: Verb, version: Option<&str>, now: Timestamp) {
        let command = Command { version: version.map(name), ..Command::new(verb, "alice".into()) };
        self.stored.wish = Some(Wish { id: now.millis().to_string(), command: Ok(command) });
        self.changes(now);
        self.turn(now);
    }

    /// Somebody has taken a workload away.
    fn without(&mut self, name: &str) {
        let others = |key: &Key| key.name.split('-').next() != Some(name);
        self.world.pods.retain(|key, _| others(key));
        self.world.replica_sets.retain(|key, _| others(key));
        self.world.deployments.retain(|key, _| others(key));
    }

    fn refused(&self) -> Option<String> {
        self.stored.memory.as_ref()?.answered.as_ref()?.refused.clone()
    }
}

fn both(phase: Phase) -> Vec<(String, Phase)> {
    vec![("bb".to_owned(), phase), ("cc".to_owned(), phase)]
}

#[test]
fn nothing_starts_before_all_that_are_named_are_there() {
    let mut office = office(&["bb"]);
    office.turn(at(0));
    assert_eq!(office.phases(), vec![]);
    let message = office.says("Progressing");
    assert_eq!(message, "spec.canaries: no pod of cc can take visitors yet. Nothing starts before.");
    add(&mut office.world, &workload("cc", "shut"));
    office.turn(at(6_000));
    assert_eq!(office.phases(), both(Phase::Progressing));
    let split = office.split();
    let arms: Vec<_> = split.arms.iter().map(|arm| (arm.version.as_str(), arm.room.ppm())).collect();
    assert_eq!(arms, [("bb", 300_000), ("cc", 300_000), ("aa", 0)], "each has room to grow into");
    assert_eq!((split.canary, split.rivals), (Some(name("bb")), vec![name("cc")]));
}

#[test]
fn one_is_promoted_and_the_other_stays_held() {
    let mut office = office(&["bb", "cc"]);
    office.turn(at(0));
    office.wishes_of(Verb::Promote { full: true }, None, at(1_000));
    assert!(office.refused().unwrap().contains("possible: to say which: bb or cc"), "{:?}", office.refused());
    office.wishes_of(Verb::Promote { full: true }, Some("cc"), at(2_000));
    assert_eq!(office.refused(), None);
    assert_eq!(office.phases(), vec![("bb".to_owned(), Phase::Aborted), ("cc".to_owned(), Phase::Promoted)]);
    assert_eq!(office.stored.memory.as_ref().unwrap().stable, Some(name("cc")));
    let objects = [Arc::new(office.stored.clone())];
    assert_eq!(office.gates(&objects), [vec!["c-cc-0".to_owned()], vec![], vec!["b-bb-0".to_owned()]]);
    assert!(office.says("Progressing").contains("bb: Rolled back"), "{}", office.says("Progressing"));
    office.without("b");
    office.turn(at(20_000));
    assert_eq!(office.phases()[1].1, Phase::Promoted, "it does not start again");
    assert!(office.says("Progressing").contains("cc: Promoted"), "nobody waits for the one that has lost");
}

#[test]
fn one_that_goes_is_out_and_the_other_goes_on() {
    let mut office = office(&["bb", "cc"]);
    office.turn(at(0));
    let rollout = office.stored.memory.as_ref().unwrap().record.rollout.as_ref().unwrap().rollout;
    office.without("b");
    for second in 1..40 {
        office.seeing(&[("aa", 1), ("cc", 1)], at(second * 1_000));
        let is_awaited = office.phases()[0].1 == Phase::Progressing;
        assert_eq!(is_awaited, second < 31, "{second}: since the first look without it");
    }
    assert_eq!(office.phases(), vec![("bb".to_owned(), Phase::Aborted), ("cc".to_owned(), Phase::Progressing)]);
    let memory = office.stored.memory.clone().unwrap();
    let out = memory.record.rivals[0].recent.last().unwrap();
    assert_eq!((out.rule, memory.record.rivals[0].canary.as_str()), (Rule::HardFact, "bb"));
    for second in 40..60 {
        office.seeing(&[("aa", 1), ("cc", 1)], at(second * 1_000));
    }
    let memory = office.stored.memory.as_ref().unwrap();
    assert_eq!(memory.record.under_way().unwrap().rollout, rollout, "it is the same rollout");
    assert_eq!(office.split().share_of(&name("bb")), Share::ZERO);
}

#[test]
fn one_deployment_cannot_have_several_versions() {
    let mut office = Office::new();
    Arc::make_mut(office.stored.asked.as_mut().unwrap()).canaries = vec![name("bb"), name("cc")];
    office.desk = Desk::new("me");
    office.desk.take(&[Arc::new(office.stored.clone())], at(0));
    office.turn(at(0));
    assert_eq!(office.phase(), None);
    let message = office.says("Accepted");
    assert!(message.starts_with("spec.canaries: Deployment default/shop is updated in place"), "{message}");
}
