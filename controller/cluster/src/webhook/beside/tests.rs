//! Tables of workloads behind a Service, and what becomes of a pod that one of them makes.

use tidegate_config::Name;

use super::super::gate::gate;
use super::super::valves::Valves;
use super::*;
use crate::manifests::{SERVICE, asked, deployment, pod, replica_set, world};

const MADE: &str = "2026-01-01T00:00:00Z";
const LATER: &str = "2026-01-02T00:00:00Z";

fn shop() -> Key {
    Key::new("default", "shop")
}

fn ready(pod: &str) -> String {
    pod.replace("conditions: [", "conditions: [{type: Ready, status: 'True'}, ")
}

/// A Deployment whose pods have a version, made at some time.
fn versioned(name: &str, version: &str, made: &str) -> String {
    let labels = format!("template: {{metadata: {{labels: {{app: shop, version: {version}}}}}");
    deployment(name, 1, 1, made).replace("template: {metadata: {labels: {app: shop}}", &labels)
}

fn stateful_set(name: &str, policy: &str, made: &str) -> String {
    format!(
        "\n---\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {{name: {name}, namespace: default, creationTimestamp: \
         '{made}'}}\nspec: {{serviceName: shop, {policy}selector: {{matchLabels: {{app: shop}}}}, template: {{metadata: \
         {{labels: {{app: shop, version: B}}}}}}}}\n"
    )
}

/// The shop's first workload, with its pod: version A, and revision `aa` of Deployment `a`.
fn first(service: &str, pod: &str) -> String {
    service.to_owned() + &versioned("a", "A", MADE) + &replica_set("a", "aa", 1, 1) + pod
}

fn stable_pod() -> String {
    ready(&pod("a-aa", 0, ", version: A", "none"))
}

/// The metadata of a pod that a workload makes.
fn made_by(kind: &str, name: &str, labels: &str) -> ObjectMeta {
    let hash = name.rsplit('-').next().unwrap();
    let text = format!(
        "{{labels: {{{labels}, pod-template-hash: {hash}}}, ownerReferences: [{{apiVersion: apps/v1, kind: {kind}, name: \
         {name}, uid: u, controller: true}}]}}"
    );
    serde_saphyr::from_str(&text).unwrap()
}

fn decided(manifests: &str, stable: &str, trusted: &[&str], pod: &ObjectMeta) -> Gate {
    let name = |text: &str| text.parse::<Name>().unwrap();
    let trusted = trusted.iter().map(|text| name(text)).collect();
    let memory = Memory { stable: Some(name(stable)), trusted, ..Memory::default() };
    let services = Beside::of(&world(manifests), &shop(), &asked("shop"), &memory).into_iter().collect();
    gate("default", pod, &Valves { services, ..Valves::default() })
}

const HOLD: Gate = Gate::Hold { before_start: false };

#[test]
fn a_new_workload_waits_and_known_versions_do_not() {
    let first = first(SERVICE, &stable_pod());
    let set = |labels: &str| made_by("ReplicaSet", "b-bb", labels);
    for (stable, trusted, labels, expected, why) in [
        ("A", vec![], "app: shop, version: B", HOLD, "nobody has seen its Deployment yet"),
        ("aa", vec![], "app: shop, version: B", HOLD, "while there was one workload, its revision was its name"),
        ("A", vec![], "app: shop, version: A", Gate::None(Why::Exempt(Standing::Stable)), "it is stable"),
        ("A", vec!["B"], "app: shop, version: B", Gate::None(Why::Exempt(Standing::Promoted)), "it was stable"),
        ("A", vec![], "app: other, version: B", Gate::None(Why::NotManaged), "another Service's"),
        ("A", vec![], "app: shop", Gate::None(Why::NotManaged), "of no version"),
        ("A", vec![], "app: shop, version: B_", Gate::None(Why::NotManaged), "no name of a version"),
        ("Z", vec![], "app: shop, version: B", Gate::None(Why::NotManaged), "nothing is there of the stable version"),
    ] {
        assert_eq!(decided(&first, stable, &trusted, &set(labels)), expected, "{why}");
    }
    let pod = set("app: shop, version: B");
    assert_eq!(gate("other", &pod, &Valves::default()), Gate::None(Why::NotManaged));
    let itself = made_by("ReplicaSet", "a-bb", "app: shop, version: B");
    let off = decided(&first, "A", &[], &itself);
    assert!(matches!(&off, Gate::None(Why::Off(it)) if it.path == "Deployment default/a: spec.template"), "{off:?}");
}

#[test]
fn doubt_means_no_gate() {
    let new = made_by("ReplicaSet", "b-bb", "app: shop, version: B");
    let unready = first(SERVICE, &pod("a-aa", 0, ", version: A", "none"));
    let early = SERVICE.replace("spec: {", "spec: {publishNotReadyAddresses: true, ");
    let of_nothing =
        first(SERVICE, &(stable_pod() + &replica_set("c", "cc", 1, 1) + &ready(&pod("c-cc", 0, "", "none"))));
    for (manifests, why) in [
        (unready, "no stable pod is ready"),
        (first(&early, &stable_pod()), "pods get traffic before they are ready"),
        (first(SERVICE, &ready(&pod("a-aa", 0, "", "none"))), "the stable pods have no version"),
        (of_nothing, "another pod has no version"),
    ] {
        assert_eq!(decided(&manifests, "A", &[], &new), Gate::None(Why::NotManaged), "{why}");
    }
    for kind in ["DaemonSet", "CloneSet"] {
        let pod = made_by(kind, "b-bb", "app: shop, version: B");
        let decided = decided(&first(SERVICE, &stable_pod()), "A", &[], &pod);
        assert_eq!(decided, Gate::None(Why::NotManaged), "{kind}");
    }
}

#[test]
fn a_workload_that_is_known_may_stand_in_the_way() {
    let parallel = "podManagementPolicy: Parallel, ";
    for (workload, kind, path) in [
        (versioned("b", "B", LATER), "ReplicaSet", None),
        (versioned("b", "B", MADE), "ReplicaSet", None),
        (versioned("b", "B", "2025-01-01T00:00:00Z"), "ReplicaSet", Some("Deployment b: metadata.creationTimestamp")),
        (stateful_set("b", parallel, LATER), "StatefulSet", None),
        (stateful_set("b", "", LATER), "StatefulSet", Some("StatefulSet b: spec.podManagementPolicy")),
    ] {
        let name = if kind == "StatefulSet" { "b" } else { "b-bb" };
        let pod = made_by(kind, name, "app: shop, version: B");
        let manifests = first(SERVICE, &stable_pod()) + &workload;
        match (decided(&manifests, "A", &[], &pod), path) {
            (HOLD, None) => {}
            (Gate::None(Why::Off(problem)), Some(path)) => assert_eq!(problem.path, path),
            (other, _) => panic!("{workload}: {other:?}"),
        }
    }
    let unseen = made_by("StatefulSet", "b", "app: shop, version: B");
    assert_eq!(decided(&first(SERVICE, &stable_pod()), "A", &[], &unseen), Gate::Unseen);
}

#[test]
fn of_several_services_the_one_that_holds_less_counts() {
    let pod = made_by("ReplicaSet", "b-bb", "app: shop, version: B");
    let world = world(&first(SERVICE, &stable_pod()));
    let memory = Memory { stable: "A".parse().ok(), ..Memory::default() };
    let one = Beside::of(&world, &shop(), &asked("shop"), &memory).unwrap();
    let early = Beside { before_start: true, ..one.clone() };
    let exempt = Beside { exempt: [("B".to_owned(), Standing::Promoted)].into(), ..one.clone() };
    let off = Gate::None(Why::Exempt(Standing::Promoted));
    let (held, before) = (HOLD, Gate::Hold { before_start: true });
    for (services, expected) in [
        (vec![early.clone()], before),
        (vec![early.clone(), one.clone()], held.clone()),
        (vec![one.clone(), early], held),
        (vec![one.clone(), exempt.clone()], off.clone()),
        (vec![exempt, one], off),
    ] {
        assert_eq!(gate("default", &pod, &Valves { services, ..Valves::default() }), expected);
    }
}
