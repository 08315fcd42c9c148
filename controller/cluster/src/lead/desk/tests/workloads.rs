//! A version in a workload of its own: what becomes of the gates of its pods.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::gates::{gate, starts, unscheduled};
use super::*;
use crate::lead::gates::Gate;
use crate::lead::gating;
use crate::manifests::{SERVICE, add, deployment, pod, replica_set, world};

/// Deployment `a` has the stable version `aa`, and `more` makes a pod of version `bb`, which is held.
fn beside(more: &str) -> World {
    let mut text = SERVICE.to_owned() + &deployment("a", 1, 1, "2026-01-01T00:00:00Z") + more;
    text += &(replica_set("a", "aa", 1, 1) + &pod("a-aa", 0, ", version: aa", "none"));
    let text = text.replace("[{type: ContainersReady", "[{type: Ready, status: 'True'}, {type: ContainersReady");
    world(&(text + &pod("b-bb", 0, ", version: bb", "shut")))
}

pub(super) fn deployed() -> World {
    beside(&(deployment("b", 1, 1, "2026-01-02T00:00:00Z") + &replica_set("b", "bb", 1, 1)))
}

impl Office {
    fn of(world: World) -> Self {
        Self { world, ..Self::new() }
    }

    /// Pods whose gates are to be opened, to be shut, and to stay shut.
    pub(super) fn gates(&self, objects: &[Arc<Object>]) -> [Vec<String>; 3] {
        let gating = gating(&self.world, objects, &self.served);
        let changed = |gate| {
            let changes = gating.changes.iter().filter(|change| change.gate == gate);
            changes.map(|change| change.pod.name_any()).collect()
        };
        let names = |pods: &[Arc<Pod>]| pods.iter().map(|pod| pod.name_any()).collect();
        [changed(Gate::Open), changed(Gate::Shut), names(&gating.held)]
    }

    pub(super) fn says(&self, condition: &str) -> String {
        self.stored.conditions.iter().find(|it| it.type_ == condition).unwrap().message.clone()
    }
}

#[test]
fn a_workload_of_its_own_waits_for_promotion_and_for_nothing_else() {
    let held = [vec![], vec![], vec!["b-bb-0".to_owned()]];
    let opened = [vec!["b-bb-0".to_owned()], vec![], vec![]];
    for (verb, phase, expected) in
        [(Verb::Abort, Phase::Aborted, &held), (Verb::Promote { full: true }, Phase::Promoted, &opened)]
    {
        let mut office = Office::of(deployed());
        office.turn(at(0));
        assert_eq!(office.phase(), Some(Phase::Progressing));
        assert_eq!(office.gates(&[Arc::new(office.stored.clone())]), held);
        office.wishes(verb, at(1_000));
        assert_eq!((office.phase(), &office.gates(&[Arc::new(office.stored.clone())])), (Some(phase), expected));
        assert_eq!(office.gates(&[]), opened, "the Rollout is gone");
        let fault = |fault| Object { asked: None, fault: Some(fault), ..office.stored.clone() };
        let wrong = fault(Fault::Service("spec.port: missing".into()));
        assert_eq!(office.gates(&[Arc::new(wrong)]), held, "nobody can tell what it asks for now");
        let other = fault(Fault::Conflicted(Key::new("default", "other")));
        assert_eq!(office.gates(&[Arc::new(other)]), opened, "another one decides, which holds nothing");
    }
}

/// The webhook fails open: what it missed is an ordinary pod, and somebody should know.
#[test]
fn a_pod_that_nobody_holds_is_told() {
    let mut office = Office::of(deployed());
    office.turn(at(0));
    assert!(!office.says("TrafficManaged").contains("are not held"), "{}", office.says("TrafficManaged"));
    add(&mut office.world, &pod("b-bb", 1, ", version: bb", "none"));
    office.turn(at(1_000));
    let told = "Pods of the version that is tried are not held, 1 of them, such as b-bb-1: the webhook did not answer";
    assert!(office.says("TrafficManaged").contains(told), "{}", office.says("TrafficManaged"));
    office.wishes(Verb::Abort, at(2_000));
    assert!(!office.says("TrafficManaged").contains("are not held"), "it is over");
}

/// Behind a Gateway all seems well, though who comes by the Service is not divided.
#[test]
fn a_service_that_asks_for_sidecars_is_told_that_its_pods_have_none() {
    let told = "have no sidecar";
    let mut office = Office::of(deployed());
    office.turn(at(0));
    assert!(!office.says("TrafficManaged").contains(told), "it asks for none");
    Arc::make_mut(office.stored.asked.as_mut().unwrap()).inject = true;
    office.desk = Desk::new("me");
    office.desk.take(&[Arc::new(office.stored.clone())], at(500));
    office.turn(at(1_000));
    assert!(office.says("TrafficManaged").contains(told), "{}", office.says("TrafficManaged"));
    let sidecar = "spec: {initContainers: [{name: tidegate-proxy}], ";
    let taken = "namespace: default, annotations: {tidegate.dev/ports: 'http:15000:8080'},";
    for (set, version, gate) in [("a-aa", "aa", "none"), ("b-bb", "bb", "shut")] {
        let pod = pod(set, 0, &format!(", version: {version}"), gate);
        let pod = pod.replacen("spec: {", sidecar, 1).replacen("namespace: default,", taken, 1);
        add(&mut office.world, &pod);
    }
    office.turn(at(2_000));
    assert!(!office.says("TrafficManaged").contains(told), "{}", office.says("TrafficManaged"));
}

#[test]
fn pods_of_a_workload_of_its_own_start_when_a_gate_has_succeeded() {
    let mut office = Office::of(deployed());
    let asked = Arc::make_mut(office.stored.asked.as_mut().unwrap());
    asked.gates = vec![gate("migrate", "start")].into();
    office.desk = Desk::new("me");
    office.desk.take(&[Arc::new(office.stored.clone())], at(0));
    unscheduled(&mut office.world, "b-bb-0");
    office.turn(at(100));
    let job = office.due_jobs(at(101)).remove(0);
    assert!(starts(&office).is_empty());
    office.has(&job, Some("Complete"));
    office.turn(at(2_000));
    office.turn(at(4_000));
    assert_eq!(starts(&office), ["b-bb-0"]);
}

#[test]
fn a_stateful_set_that_waits_for_each_of_its_pods_is_not_held_and_that_is_told() {
    let set = "\n---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: b, namespace: default, creationTimestamp: \
               '2026-01-02T00:00:00Z'}\nspec: {serviceName: shop, selector: {matchLabels: {app: shop}}, template: \
               {metadata: {labels: {app: shop, version: bb}}}}\n";
    for (policy, told) in [("OrderedReady", true), ("Parallel", false)] {
        let mut office =
            Office::of(beside(&set.replace("spec: {", &format!("spec: {{podManagementPolicy: {policy}, "))));
        let of_set = |gate| {
            let pod = pod("b-bb", 0, ", version: bb", gate);
            pod.replace("kind: ReplicaSet, name: b-bb", "kind: StatefulSet, name: b")
        };
        add(&mut office.world, &of_set("none"));
        office.turn(at(0));
        assert_eq!(office.phase(), Some(Phase::Progressing));
        let message = office.says("TrafficManaged");
        assert_eq!(
            message.contains("New pods are not held: StatefulSet b: spec.podManagementPolicy"),
            told,
            "{message}"
        );
        let mut early = Office::of(office.world.clone());
        Arc::make_mut(early.stored.asked.as_mut().unwrap()).gates = vec![gate("migrate", "start")].into();
        early.desk = Desk::new("me");
        early.desk.take(&[Arc::new(early.stored.clone())], at(0));
        early.turn(at(100));
        let message = early.stored.memory.as_ref().unwrap().gates[0].message.clone().unwrap_or_default();
        assert_eq!(message.contains("spec.gates[0].before: start: StatefulSet b"), told, "{message}");
    }
}
