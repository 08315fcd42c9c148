//! Which pods are held.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tidegate_cluster::webhook::{Gate, Gating, Standing, Valve, Valves, Why, gate};
use tidegate_cluster::world::Key;
use tidegate_config::Problem;

use super::setting::{pod, valves, yaml};

/// What is decided for a pod after a change to it, in a record after a change to that.
fn decided(hash: &str, change_pod: impl FnOnce(&mut ObjectMeta), change: impl FnOnce(&mut Valves)) -> Gate {
    let mut metadata: ObjectMeta = serde_json::from_value(pod(hash)["metadata"].clone()).unwrap();
    let mut valves = valves();
    change_pod(&mut metadata);
    change(&mut valves);
    gate("market", &metadata, &valves)
}

fn shop(valves: &mut Valves) -> &mut Valve {
    valves.deployments.get_mut(&Key::new("market", "shop")).unwrap()
}

#[test]
fn only_candidates_are_held() {
    let nothing = |_: &mut ObjectMeta| ();
    assert_eq!(decided("new", nothing, |_| ()), Gate::Hold { before_start: false });
    assert_eq!(decided("new", nothing, |valves| shop(valves).before_start = true), Gate::Hold { before_start: true });
    assert_eq!(decided("old", nothing, |_| ()), Gate::None(Why::Exempt(Standing::Stable)));
    for exempt in [Standing::Promoted, Standing::RestartOnly] {
        let decision = decided("new", nothing, |valves| {
            shop(valves).revisions.insert("uid-new".to_owned(), exempt);
        });
        assert_eq!(decision, Gate::None(Why::Exempt(exempt)));
    }
}

#[test]
fn doubt_means_no_gate() {
    let nothing = |_: &mut ObjectMeta| ();
    assert_eq!(decided("newer", nothing, |_| ()), Gate::Unseen, "a replica set that the record has not heard of");
    let problem = Problem { path: "a".to_owned(), wrong: "b".to_owned(), allowed: "c".to_owned() };
    let off = decided("new", nothing, |valves| shop(valves).gating = Gating::Off(problem.clone()));
    assert_eq!(off, Gate::None(Why::Off(problem)));
    let not_managed = Gate::None(Why::NotManaged);
    assert_eq!(decided("new", nothing, |valves| valves.deployments.clear()), not_managed);
    let owners: [fn(&mut ObjectMeta); 6] = [
        |pod| pod.owner_references = None,
        |pod| pod.owner_references.as_mut().unwrap()[0].controller = None,
        |pod| pod.owner_references.as_mut().unwrap()[0].kind = "StatefulSet".to_owned(),
        |pod| pod.owner_references.as_mut().unwrap()[0].api_version = "example.dev/v1".to_owned(),
        |pod| pod.owner_references.as_mut().unwrap()[0].name = "store-new".to_owned(),
        |pod| pod.labels = None,
    ];
    for (index, change) in owners.into_iter().enumerate() {
        assert_eq!(decided("new", change, |_| ()), not_managed, "{index}");
    }
    // The same names once more, after the Deployment was deleted: other replica sets.
    let again = |pod: &mut ObjectMeta| pod.owner_references.as_mut().unwrap()[0].uid = "uid-again".to_owned();
    assert_eq!(decided("new", again, |_| ()), Gate::Unseen);
    let metadata: ObjectMeta = serde_json::from_value(pod("new")["metadata"].clone()).unwrap();
    assert_eq!(gate("other", &metadata, &valves()), not_managed, "the name in another namespace");
}

#[test]
fn a_restart_is_told_from_an_update() {
    let set = |hash: &str, image: &str, annotations: &str| -> ReplicaSet {
        yaml(&format!(
            "
metadata: {{ name: shop-{hash}, uid: uid-{hash}, labels: {{ pod-template-hash: {hash} }} }}
spec:
  selector: {{}}
  template:
    metadata: {{ labels: {{ app: shop, pod-template-hash: {hash} }}, annotations: {annotations} }}
    spec: {{ containers: [{{ name: shop, image: '{image}' }}] }}
"
        ))
    };
    let sets = [
        set("a", "shop:1", "null"),
        set("b", "shop:1", "{ kubectl.kubernetes.io/restartedAt: now }"),
        set("c", "shop:2", "{ kubectl.kubernetes.io/restartedAt: now }"),
        set("d", "shop:1", "{ colour: red }"),
        set("e", "shop:0", "null"),
    ];
    let promoted = BTreeSet::from(["e".to_owned()]);
    let standings: Vec<_> = Valve::standings(&sets, "a", &promoted).into_values().collect();
    let candidate = Standing::Candidate;
    assert_eq!(standings, [Standing::Stable, Standing::RestartOnly, candidate, candidate, Standing::Promoted]);
    let blind: Vec<_> = Valve::standings(&sets[1..4], "a", &promoted).into_values().collect();
    assert_eq!(blind, [candidate; 3], "without the stable replica set a restart cannot be told");
}
