//! Tables of Deployments, what is remembered of them, and what becomes of their revisions.

use std::sync::Arc;

use tidegate_controller::engine::Timestamp;
use tidegate_controller::proxies::Proxies;

use super::*;
use crate::lead::{Asked, Case, Remembered, objects};
use crate::manifests::{SERVICE, asked, deployment, moment, pod, replica_set, world};
use crate::world::World;

fn shop() -> Key {
    Key::new("default", "shop")
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A rollout object for a Service that remembers these versions.
fn released(service: &Key, stable: Option<&str>, trusted: &[&str]) -> (Key, (Arc<Asked>, Arc<Memory>)) {
    let asked = Arc::new(asked(&service.name));
    let trusted = trusted.iter().map(|text| name(text)).collect();
    (service.clone(), (asked, Arc::new(Memory { stable: stable.map(name), trusted, ..Memory::default() })))
}

/// The Services whose traffic passes us.
fn managed(services: &[&str]) -> BTreeMap<Name, Served> {
    let ours = || Served { managed: true, ..Served::default() };
    services.iter().map(|service| (name(&format!("{service}.default")), ours())).collect()
}

fn set(hash: &str, template: &str) -> String {
    format!(
        "\n---\napiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {{name: shop-{hash}, namespace: default, uid: uid-{hash}, \
         labels: {{pod-template-hash: {hash}}}, ownerReferences: [{{apiVersion: apps/v1, kind: Deployment, name: shop, \
         uid: u, controller: true}}]}}\nspec: {{selector: {{}}, template: {template}}}\n"
    )
}

fn template(hash: &str, image: &str, annotations: &str) -> String {
    format!(
        "{{metadata: {{labels: {{app: shop, pod-template-hash: {hash}}}, annotations: {{{annotations}}}}}, spec: \
         {{containers: [{{name: shop, image: 'shop:{image}'}}]}}}}"
    )
}

/// A shop whose revision `aa` serves; `bb` is new, `cc` the same as `aa` but restarted, `dd` served before.
fn updating(service: &str, deployment: &str) -> World {
    let restarted = "kubectl.kubernetes.io/restartedAt: '2026-01-01T00:00:00Z'";
    let sets = set("aa", &template("aa", "1", ""))
        + &set("bb", &template("bb", "2", ""))
        + &set("cc", &template("cc", "1", restarted))
        + &set("dd", &template("dd", "0", ""));
    world(&(service.to_owned() + deployment + &sets + &pod("shop-aa", 0, "", "none")))
}

fn ready(replicas: u32) -> String {
    let whole = deployment("shop", replicas, replicas, "2026-01-01T00:00:00Z");
    whole.replace("status: {", &format!("status: {{readyReplicas: {replicas}, "))
}

#[test]
fn revisions_stand_as_they_are_remembered() {
    let world = updating(SERVICE, &ready(3));
    let valves = valves(&world, &[released(&shop(), Some("aa"), &["dd"])].into(), &managed(&["shop"]));
    let valve = &valves.deployments[&shop()];
    assert_eq!((&valve.gating, valve.before_start), (&Gating::On, false));
    let standings: Vec<_> = valve.revisions.iter().map(|(uid, standing)| (uid.as_str(), *standing)).collect();
    let expected = [
        ("uid-aa", Standing::Stable),
        ("uid-bb", Standing::Candidate),
        ("uid-cc", Standing::RestartOnly),
        ("uid-dd", Standing::Promoted),
    ];
    assert_eq!(standings, expected);
}

#[test]
fn whoever_is_not_known_or_not_ours_has_no_valve() {
    let world = updating(SERVICE, &ready(3));
    let ours = managed(&["shop"]);
    let strange = BTreeMap::from([(name("shop.default"), Served::default())]);
    for (released, managed) in [
        (Released::new(), ours.clone()),
        ([released(&shop(), Some("aa"), &[])].into(), BTreeMap::new()),
        ([released(&shop(), Some("aa"), &[])].into(), strange),
        ([released(&shop(), None, &["dd"])].into(), ours.clone()),
        ([released(&Key::new("default", "other"), Some("aa"), &[])].into(), managed(&["other"])),
    ] {
        assert_eq!(valves(&world, &released, &managed).deployments, BTreeMap::new());
    }
    let mut several = updating(SERVICE, &ready(3));
    crate::manifests::add(&mut several, &pod("other-ee", 0, "", "none"));
    let unknown = valves(&several, &[released(&shop(), Some("aa"), &[])].into(), &ours);
    assert_eq!(unknown.deployments.len(), 1, "whose the pod is will be known soon");
    crate::manifests::add(&mut several, &replica_set("other", "ee", 1, 1));
    assert_eq!(
        valves(&several, &[released(&shop(), Some("aa"), &[])].into(), &ours).deployments,
        BTreeMap::new(),
        "two workloads"
    );
}

#[test]
fn what_cannot_be_held_without_harm_is_not_held() {
    let never_ready = SERVICE.replace("spec: {", "spec: {publishNotReadyAddresses: true, ");
    let strategy = |text: &str| ready(3).replace("spec: {replicas", &format!("spec: {{strategy: {text}, replicas"));
    for (service, deployment, path) in [
        (&never_ready, ready(3), "Service default/shop: spec.publishNotReadyAddresses"),
        (&SERVICE.to_owned(), strategy("{type: Recreate}"), "spec.strategy.type"),
        (
            &SERVICE.to_owned(),
            strategy("{rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}"),
            "spec.strategy.rollingUpdate.maxSurge",
        ),
        (
            &SERVICE.to_owned(),
            strategy("{rollingUpdate: {maxUnavailable: 100%}}"),
            "spec.strategy.rollingUpdate.maxUnavailable",
        ),
        (&SERVICE.to_owned(), deployment("shop", 3, 3, "2026-01-01T00:00:00Z"), "status.readyReplicas"),
    ] {
        let world = updating(service, &deployment);
        let valves = valves(&world, &[released(&shop(), Some("aa"), &[])].into(), &managed(&["shop"]));
        match &valves.deployments[&shop()].gating {
            Gating::Off(problem) => assert_eq!(problem.path, path),
            Gating::On => panic!("{path}: it is held"),
        }
    }
}

#[test]
fn of_two_services_for_one_deployment_each_may_exempt_a_revision() {
    let twin = SERVICE.replace("name: shop", "name: twin");
    let both = format!("{SERVICE}\n---{twin}");
    let key = Key::new("default", "twin");
    let all: Released = [released(&shop(), Some("aa"), &[]), released(&key, Some("bb"), &["dd"])].into();
    let world = updating(&both, &ready(3));
    let managed = managed(&["shop", "twin"]);
    let valves_of_both = valves(&world, &all, &managed);
    assert_eq!(valves_of_both.deployments.len(), 1);
    let standings: Vec<_> = valves_of_both.deployments[&shop()].revisions.values().copied().collect();
    let expected = [Standing::Stable, Standing::Stable, Standing::RestartOnly, Standing::Promoted];
    assert_eq!(standings, expected);
    let unready = both.replacen("spec: {", "spec: {publishNotReadyAddresses: true, ", 1);
    let valves_of_both = valves(&updating(&unready, &ready(3)), &all, &managed);
    assert!(
        matches!(valves_of_both.deployments[&shop()].gating, Gating::Off(_)),
        "one of them gives pods traffic before they are ready"
    );
}

#[test]
fn what_is_tried_stays_held_though_a_pod_has_no_sidecar() {
    let manifests =
        SERVICE.to_owned() + &ready(3) + &replica_set("shop", "aa", 1, 3) + &replica_set("shop", "bb", 2, 1);
    let world = world(&(manifests + &pod("shop-aa", 0, "", "none") + &pod("shop-bb", 0, "", "shut")));
    let (_, (asked, memory)) = released(&shop(), Some("aa"), &[]);
    let (now, none) = (Timestamp::from_millis(1_700_000_000_000), Proxies::default());
    let mut case = Case::new(Asked::clone(&asked), Memory { stable: memory.stable.clone(), ..Memory::new(now) }, now);
    let ours = Served { managed: true, ..Served::default() };
    case.look(&moment(&world, &none, &ours, now), None);
    assert!(case.memory.record.under_way().is_some());
    let tried = Released::from([(shop(), (asked, Arc::new(case.memory)))]);
    assert!(valves(&world, &tried, &BTreeMap::new()).deployments.contains_key(&shop()));
}

#[test]
fn rollouts_ask_for_sidecars_for_their_services() {
    let text = |inject: &str| {
        format!(
            "\n---\napiVersion: tidegate.dev/v1alpha1\nkind: Rollout\nmetadata: {{name: any, namespace: default}}\nspec: \
             {{service: shop, strategy: canary{inject}}}\n"
        )
    };
    for (inject, expected) in [(", inject: true", vec![shop()]), (", inject: false", vec![]), ("", vec![])] {
        let objects = objects(&world(&(SERVICE.to_owned() + &text(inject))), &mut Remembered::default());
        assert_eq!(asking(&objects), expected.into_iter().collect(), "{inject}");
    }
    let elsewhere = objects(&world(&text(", inject: true")), &mut Remembered::default());
    assert!(asking(&elsewhere).is_empty(), "there is no such Service");
}
