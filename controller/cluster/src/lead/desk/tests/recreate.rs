//! Versions that do not run at the same time: which workload has pods when.

use std::fmt::Write as _;

use kube::ResourceExt;
use tidegate_config::Key as Key16;
use tidegate_controller::publish::Keys;

use super::gates::{gate, starts, unscheduled};
use super::workloads::deployed;
use super::*;
use crate::catalog::{Catalog, Entries, Entry, Released};
use crate::lead::{FINALIZER, finalizers, scales};
use crate::manifests::{SERVICE, add, deployment, pod, replica_set};
use crate::rollout_object::{GivenWay, Size};

/// `a` runs the stable version `aa`, and a pod of `bb` waits for its start.
fn recreating() -> Office {
    recreating_in(deployed(), Some(name("aa")))
}

fn recreating_in(world: World, stable: Option<Name>) -> Office {
    let mut office = Office { world, ..Office::new() };
    unscheduled(&mut office.world, "b-bb-0");
    let asked = Arc::make_mut(office.stored.asked.as_mut().unwrap());
    asked.stable = stable;
    asked.policy = Policy { start_within: Some(Span::from_secs(60)), ..Policy::of(Strategy::Recreate) };
    office.stored.finalizers = vec![FINALIZER.to_owned()];
    office.desk = Desk::new("me");
    office.desk.take(&[Arc::new(office.stored.clone())], at(0));
    office
}

impl Office {
    /// A turn in which the proxy tells how many endpoints of each version it knows.
    pub(super) fn seeing(&mut self, endpoints: &[(&str, u32)], now: Timestamp) {
        let epoch = self.stored.memory.as_ref().map_or(0, |memory| memory.record.epochs.current());
        let mut text = format!(
            "process_start_time_seconds 1\ntidegate_generation 1\ntidegate_epoch{{service=\"shop.default\"}} {epoch}\n"
        );
        for (version, count) in endpoints {
            let _ = writeln!(
                text,
                "tidegate_endpoints{{service=\"shop.default\",version=\"{version}\",state=\"admitted\"}} {count}"
            );
        }
        let told = counters::read(&text).map(Arc::new).map_err(|error| error.to_string());
        self.desk.read(Scraped { target: target(), at: now, told });
        let (_, writes) = self.desk.look(&self.world, &self.served, now);
        for write in writes {
            self.store(write, now);
        }
    }

    fn scaled(&self) -> Vec<String> {
        let all = scales(&self.world, &[Arc::new(self.stored.clone())]);
        all.into_iter().map(|it| format!("{} {} to {}", it.kind, it.workload, it.replicas)).collect()
    }

    fn given_way(&self) -> Option<GivenWay> {
        self.stored.memory.as_ref()?.given_way.clone()
    }

    /// What proxies are told of the stable version: its name, its addresses, and how long a request waits for one.
    fn published(&self) -> (Name, Vec<String>, Option<Span>) {
        let (asked, memory) = (self.stored.asked.clone().unwrap(), self.stored.memory.clone().unwrap());
        let released = Released::from([(asked.service.clone(), (Arc::clone(&asked), memory))]);
        let keys = Keys { cookie: Key16([1; 16]), master: Key16([2; 16]) };
        let catalog = Catalog::new(&self.world, &released, &keys, Entries::default());
        let found = catalog.entry(&asked.service, None).unwrap();
        let Entry { service, split } = (*found.entry).clone();
        let addresses = service.versions[&split.stable].endpoints.iter().map(ToString::to_string).collect();
        (split.stable, addresses, service.parks())
    }

    /// A Deployment has other replicas, and no pod of its version is there.
    fn without_pods(&mut self, name: &str, replicas: u32) {
        self.world.pods.retain(|key, _| !key.name.starts_with(&format!("{name}-")));
        add(&mut self.world, &deployment(name, replicas, replicas, "2026-01-01T00:00:00Z"));
    }

    /// The visitors of a rollout are all its canary's, and the stable version is to give way.
    fn switched(mut self) -> Self {
        self.seeing(&[("aa", 1), ("bb", 0)], at(100));
        assert_eq!((self.phase(), self.scaled().len()), (Some(Phase::Progressing), 0));
        self.seeing(&[("aa", 1), ("bb", 0)], at(2_000));
        self.seeing(&[("aa", 1), ("bb", 0)], at(4_000));
        assert_eq!(self.phase(), Some(Phase::Recreating));
        self
    }
}

#[test]
fn the_old_version_goes_before_the_new_one_starts_and_is_replaced_when_that_is_there() {
    let mut office = recreating();
    assert!(starts(&office).is_empty());
    office = office.switched();
    let kept = office.world.deployments.get(&Key::new("default", "a")).unwrap().spec.as_ref().unwrap();
    let stands = kept.template.metadata.as_ref().unwrap().annotations.as_ref().unwrap();
    let expected = GivenWay {
        version: name("aa"),
        revision: stands["fingerprint"].clone(),
        made: office.given_way().unwrap().made,
        workloads: vec![Size { kind: "Deployment".into(), name: "a".into(), replicas: 1 }],
    };
    assert_eq!(office.given_way(), Some(expected), "what it had is written down before anything is scaled");
    assert_eq!(office.scaled(), ["Deployment default/a to 0"]);
    assert!(starts(&office).is_empty(), "a pod of the old version is there still");
    let ending = "namespace: default, deletionTimestamp: '2026-01-01T00:00:00Z', labels";
    let ending = pod("a-aa", 0, ", version: aa", "none").replace("namespace: default, labels", ending);
    add(&mut office.world, &(deployment("a", 0, 0, "2026-01-01T00:00:00Z") + &ending));
    office.seeing(&[("aa", 0), ("bb", 0)], at(5_000));
    assert_eq!((office.phase(), office.scaled().len()), (Some(Phase::Recreating), 0), "it takes its time to end");
    assert!(starts(&office).is_empty());
    office.without_pods("a", 0);
    assert!(office.scaled().is_empty());
    assert_eq!(starts(&office), ["b-bb-0"]);
    add(&mut office.world, &pod("b-bb", 0, ", version: bb", "shut"));
    office.seeing(&[("aa", 0), ("bb", 0)], at(6_000));
    assert_eq!(
        (office.phase(), office.stored.memory.as_ref().unwrap().stable.clone()),
        (Some(Phase::Recreating), Some(name("aa")))
    );
    office.seeing(&[("aa", 0), ("bb", 1)], at(8_000));
    assert_eq!((office.phase(), office.given_way()), (Some(Phase::Promoted), None));
    assert_eq!(office.gates(&[Arc::new(office.stored.clone())])[0], ["b-bb-0"], "the gate opens");
    office.seeing(&[("bb", 1)], at(20_000));
    office.seeing(&[("bb", 1)], at(40_000));
    assert_eq!((office.phase(), office.scaled().len()), (Some(Phase::Promoted), 0));
}

/// Names of versions and hashes of revisions are different things, and a Service of one workload is told by the latter.
#[test]
fn requests_wait_whatever_the_versions_are_called_at_the_moment() {
    let world = |with: &str| crate::manifests::world(&with.replace(", version: ", ", version: v-"));
    let pods = |gate: &str| pod("a-aa", 0, ", version: aa", "none") + &pod("b-bb", 0, ", version: bb", gate);
    let rest = SERVICE.to_owned()
        + &(deployment("a", 1, 1, "2026-01-01T00:00:00Z") + &replica_set("a", "aa", 1, 1))
        + &(deployment("b", 1, 0, "2026-01-02T00:00:00Z") + &replica_set("b", "bb", 1, 1));
    let first = rest.clone() + &pod("a-aa", 0, ", version: aa", "none");
    let mut office = recreating_in(world(&(rest.clone() + &pods("shut"))), None);
    let both = std::mem::replace(&mut office.world, world(&first));
    office.seeing(&[("aa", 1)], at(100));
    office.world = both;
    let waits = Some(Span::from_secs(60));
    for second in 1..5 {
        office.seeing(&[("v-aa", 1), ("v-bb", 0)], at(second * 6_000));
        assert_eq!(office.published().2, waits);
    }
    assert_eq!((office.phase(), office.given_way().unwrap().version), (Some(Phase::Recreating), name("v-aa")));
    office.without_pods("a", 0);
    assert_eq!(office.published(), (name("v-aa"), vec![], waits));
    add(&mut office.world, &pod("b-bb", 0, ", version: v-bb", "shut"));
    office.seeing(&[("v-aa", 0), ("v-bb", 1)], at(40_000));
    assert_eq!((office.phase(), office.given_way()), (Some(Phase::Promoted), None));
    let address = office.published().1;
    assert_eq!((address.len(), office.published().2), (1, waits), "its pod is not ready, and takes visitors");
    office.seeing(&[("v-bb", 1)], at(60_000));
    assert_eq!(office.published(), (name("bb"), address, waits), "alone it has the name of its revision");
}

#[test]
fn a_version_that_does_not_come_gives_way_itself_and_the_old_one_gets_what_it_had() {
    for started in [false, true] {
        let mut office = recreating().switched();
        office.without_pods("a", 0);
        if started {
            add(
                &mut office.world,
                &pod("b-bb", 0, ", version: bb", "shut")
                    .replace("ContainersReady, status: 'True'", "ContainersReady, status: 'False'"),
            );
        }
        for second in 1..=40 {
            office.seeing(&[("aa", 0), ("bb", 0)], at(4_000 + second * 2_000));
        }
        assert_eq!(office.phase(), Some(Phase::Aborted));
        if started {
            assert_eq!(office.scaled(), ["Deployment default/b to 0"], "two do not run at the same time");
            office.without_pods("b", 0);
        }
        assert_eq!(office.scaled(), ["Deployment default/a to 1"]);
        assert!(starts(&office).is_empty(), "what was aborted does not start");
        office.without_pods("a", 1);
        office.seeing(&[("aa", 0)], at(120_000));
        assert!(office.given_way().is_some(), "it has no pod yet");
        add(&mut office.world, &pod("a-aa", 1, ", version: aa", "none"));
        office.seeing(&[("aa", 0)], at(190_000));
        assert_eq!(
            (office.given_way(), office.scaled().len()),
            (None, 0),
            "and whoever scales it from now on is not fought"
        );
        assert_eq!(office.phase(), Some(Phase::Aborted), "it is not tried again");
    }
}

#[test]
fn a_rollout_that_is_deleted_in_between_is_undone_before_it_goes() {
    let wanted = |office: &Office| {
        let all = finalizers(&[Arc::new(office.stored.clone())]);
        all.first().map(|change| change.all.clone())
    };
    let mut office = recreating();
    office.stored.finalizers = vec!["somebody/else".to_owned()];
    office = office.switched();
    assert!(office.scaled().is_empty(), "what it had would go with its object");
    let both = vec!["somebody/else".to_owned(), FINALIZER.to_owned()];
    assert_eq!(wanted(&office), Some(both.clone()));
    office.stored.finalizers = both;
    assert_eq!((office.scaled(), wanted(&office)), (vec!["Deployment default/a to 0".to_owned()], None));
    office.without_pods("a", 0);
    office.stored.leaves = true;
    office.stored.wish = Some(Wish::of_deletion());
    office.changes(at(6_000));
    office.seeing(&[("aa", 0), ("bb", 0)], at(6_100));
    assert_eq!((office.phase(), wanted(&office)), (Some(Phase::Aborted), None), "it waits");
    assert_eq!(office.scaled(), ["Deployment default/a to 1"]);
    let gone = Object { asked: None, ..office.stored.clone() };
    assert_eq!(finalizers(&[Arc::new(gone)]).len(), 1, "without its Service nothing can be done");
    office.without_pods("a", 1);
    add(&mut office.world, &pod("a-aa", 1, ", version: aa", "none"));
    office.seeing(&[("aa", 1), ("bb", 0)], at(70_000));
    assert_eq!((office.given_way(), wanted(&office)), (None, Some(vec!["somebody/else".to_owned()])));
}

#[test]
fn a_third_version_comes_in_the_place_of_the_second() {
    let mut office = recreating().switched();
    office.without_pods("a", 0);
    add(&mut office.world, &pod("b-bb", 0, ", version: bb", "shut"));
    add(&mut office.world, &(deployment("c", 1, 1, "2026-01-03T00:00:00Z") + &replica_set("c", "cc", 1, 1)));
    add(&mut office.world, &pod("c-cc", 0, ", version: cc", "shut"));
    unscheduled(&mut office.world, "c-cc-0");
    for second in 3..9 {
        office.seeing(&[("aa", 0), ("bb", 0), ("cc", 0)], at(second * 2_000));
        assert!(office.scaled().iter().all(|it| it == "Deployment default/b to 0"), "{:?}", office.scaled());
    }
    let canary = office.stored.memory.as_ref().unwrap().record.rollout.as_ref().unwrap().canary.clone();
    assert_eq!((office.phase(), canary), (Some(Phase::Recreating), name("cc")));
    assert_eq!(office.given_way().map(|it| it.version), Some(name("aa")), "that one would come back");
    assert_eq!(office.scaled(), ["Deployment default/b to 0"]);
    assert!(starts(&office).is_empty());
    office.without_pods("b", 0);
    assert_eq!(starts(&office), ["c-cc-0"]);
}

#[test]
fn what_cannot_give_way_is_told_and_nothing_moves() {
    let mut placed = recreating();
    placed.world = updating();
    let mut sidecars = recreating();
    let taken = pod("a-aa", 0, ", version: aa", "none")
        .replace(
            "metadata: {name: a-aa-0,",
            "metadata: {name: a-aa-0, annotations: {tidegate.dev/ports: 'http:15000:8080'},",
        )
        .replace("spec: {", "spec: {initContainers: [{name: tidegate-proxy, restartPolicy: Always}], ");
    add(&mut sidecars.world, &taken);
    let mut other = recreating();
    let daemon =
        pod("a-aa", 0, ", version: aa", "none").replace("kind: ReplicaSet, name: a-aa", "kind: DaemonSet, name: a");
    add(&mut other.world, &daemon);
    for (mut office, told) in [
        (placed, "Deployment default/shop is updated in place; it needs a workload for each version"),
        (sidecars, "pod a-aa-0 has the sidecar, which goes with it; it needs a route of a Gateway"),
        (other, "DaemonSet default/a has no replicas to take away"),
    ] {
        for second in 0..5 {
            office.seeing(&[("aa", 1), ("bb", 0)], at(100 + second * 2_000));
        }
        assert_eq!(office.phase(), Some(Phase::Progressing), "{told}");
        let message = office.says("Accepted");
        assert!(message.starts_with(&format!("spec.strategy: recreate: {told}")), "{message}");
        assert!(
            office.says("Progressing").contains("its preparation (condition Accepted"),
            "{}",
            office.says("Progressing")
        );
        assert!(office.scaled().is_empty() && starts(&office).is_empty());
    }
}

#[test]
fn its_gates_succeed_before_anything_goes() {
    let mut office = recreating();
    Arc::make_mut(office.stored.asked.as_mut().unwrap()).gates = vec![gate("migrate", "start")].into();
    office.desk = Desk::new("me");
    office.desk.take(&[Arc::new(office.stored.clone())], at(0));
    office.seeing(&[("aa", 1)], at(100));
    let job = office.due_jobs(at(101)).remove(0);
    for second in 1..5 {
        office.seeing(&[("aa", 1)], at(second * 2_000));
    }
    assert_eq!((office.phase(), office.scaled().len()), (Some(Phase::Progressing), 0), "{}", job.name_any());
    office.has(&job, Some("Complete"));
    for second in 5..9 {
        office.seeing(&[("aa", 1)], at(second * 2_000));
    }
    assert_eq!(
        (office.phase(), office.scaled()),
        (Some(Phase::Recreating), vec!["Deployment default/a to 0".to_owned()])
    );
}
