//! What a Service looks like in and between updates.

use tidegate_config::RolloutId;
use tidegate_config::policy::Strategy;

use super::*;
use crate::manifests::{SERVICE, deployment, pod, replica_set, world};
use crate::versions::deployment_of;

const MADE: &str = "2026-01-01T00:00:00Z";
const LATER: &str = "2026-01-02T00:00:00Z";

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// The site of Service `default/shop`, with a version remembered and others trusted.
fn seen(manifests: &str, remembered: Option<&str>, trusted: &[&str]) -> Result<Site, String> {
    released(Strategy::Canary, manifests, remembered, trusted)
}

fn released(strategy: Strategy, manifests: &str, remembered: Option<&str>, trusted: &[&str]) -> Result<Site, String> {
    let policy = Policy::of(strategy);
    let visitor = Visitor::default();
    let key = Key::new("default", "shop");
    let ask = Ask {
        unstarted: false,
        service: &key,
        policy: &policy,
        visitor: &visitor,
        park: None,
        label: "version",
        port: None,
        stable: None,
        canaries: &[],
        under_way: None,
        ignores_capacity: false,
        opens: None,
        given_way: None,
    };
    let trusted: Vec<Name> = trusted.iter().map(|it| name(it)).collect();
    site(&world(manifests), &ask, remembered.map(name).as_ref(), &trusted).map_err(|error| error.to_string())
}

type Told = (String, Option<String>, u32, Vec<(String, u32)>, usize, usize);

/// Stable, canary, the canary's capacity in parts per million, the shares of others, how many gates to open and to shut.
fn told(site: &Site) -> Told {
    let Site { service, capacity, to_open, to_shut, way: _, left: _, missing: _ } = site;
    let others = service.versions.iter().filter(|(_, it)| it.share != Share::ZERO);
    (
        service.stable.as_ref().unwrap().to_string(),
        service.canary.as_ref().map(ToString::to_string),
        capacity.values().next().map_or(1_000_000, |share| share.ppm()),
        others.map(|(name, it)| (name.to_string(), it.share.ppm())).collect(),
        to_open.len(),
        to_shut.len(),
    )
}

/// Three pods of revision `a` of one Deployment, and what is added.
fn in_place(updated: u32, more: &[String]) -> String {
    let mut text = SERVICE.to_owned() + &deployment("shop", 3, updated, MADE) + &replica_set("shop", "aa", 1, 3);
    (0..3).for_each(|i| text += &pod("shop-aa", i, "", "none"));
    text + &more.concat()
}

#[test]
fn an_update_in_place_is_tried_and_then_followed() {
    let next = [replica_set("shop", "bb", 2, 1), pod("shop-bb", 0, "", "shut")];
    let (stable, tried) = ("aa".to_owned(), Some("bb".to_owned()));
    let site = seen(&in_place(3, &[]), None, &[]).unwrap();
    assert_eq!(told(&site), (stable.clone(), None, 1_000_000, vec![], 0, 0), "complete: stable is learned");
    assert_eq!(site.way, Way::InPlace(Key::new("default", "shop")));
    assert_eq!(site.service.versions[&name("aa")].endpoints.len(), 3);
    let open = [replica_set("shop", "bb", 2, 1), pod("shop-bb", 0, "", "none")];
    assert!(seen(&in_place(1, &open), None, &[]).unwrap_err().contains("Deployment default/shop is being updated"));
    let site = seen(&in_place(1, &next), Some("aa"), &[]).unwrap();
    assert_eq!(told(&site), (stable.clone(), tried, 250_000, vec![], 0, 0), "one of four pods");
    assert!(site.service.rollout.is_some());
    let promoted = seen(&in_place(1, &next), Some("bb"), &["aa"]).unwrap();
    let leaving = vec![("aa".to_owned(), 750_000)];
    assert_eq!(
        told(&promoted),
        ("bb".to_owned(), None, 1_000_000, leaving, 1, 0),
        "its gate opens, the old pods leave"
    );
    assert!(promoted.service.rollout.is_none());
}

/// Its pods are never held, so there is nothing to try, and whoever restarts pods has released nothing.
#[test]
fn a_restart_is_the_stable_version_once_more() {
    let set = |hash, revision, restarted: &str, image| {
        let annotations = format!("annotations: {{kubectl.kubernetes.io/restartedAt: '{restarted}'}}");
        let template =
            format!("{{metadata: {{{annotations}}}, spec: {{containers: [{{name: a, image: '{image}'}}]}}}}");
        replica_set("shop", hash, revision, 3).replace("spec: {", &format!("spec: {{template: {template}, "))
    };
    let updating = |image| {
        let text = in_place(1, &[set("bb", 2, LATER, image), pod("shop-bb", 0, "", "none")]);
        text.replace(&replica_set("shop", "aa", 1, 3), &set("aa", 1, MADE, "shop:1"))
    };
    let site = seen(&updating("shop:1"), Some("aa"), &[]).unwrap();
    let leaving = vec![("aa".to_owned(), 750_000)];
    assert_eq!(
        told(&site),
        ("bb".to_owned(), None, 1_000_000, leaving, 0, 0),
        "the old pods have their part until they go"
    );
    assert!(site.service.rollout.is_none());
    assert_eq!(seen(&updating("shop:2"), Some("aa"), &[]).unwrap().service.canary, Some(name("bb")));
    let own = updating("shop:2").replace("annotations: {kubectl", "annotations: {fingerprint: mine, kubectl");
    assert_eq!(seen(&own, Some("aa"), &[]).unwrap().service.canary, Some(name("bb")), "an update, whatever they share");
}

#[test]
fn a_pod_whose_replica_set_is_not_known_yet_is_not_there_yet() {
    let open = pod("shop-bb", 0, ", version: all", "none");
    let before = seen(&in_place(1, &[]), Some("aa"), &[]).unwrap();
    let site = seen(&in_place(1, std::slice::from_ref(&open)), Some("aa"), &[]).unwrap();
    assert_eq!((site.way.clone(), told(&site)), (before.way.clone(), told(&before)), "no second workload");
    assert_eq!(
        deployment_of(&world(&in_place(1, &[open])), &Key::new("default", "shop")),
        Some(Key::new("default", "shop"))
    );
    let only = SERVICE.to_owned() + &pod("shop-aa", 0, ", version: all", "none");
    assert!(seen(&only, Some("aa"), &[]).unwrap_err().contains("ReplicaSet of pod default/shop-aa-0 is not known yet"));
    let leaving = |pods: &str| {
        let since = "namespace: default, deletionTimestamp: '2026-01-01T00:00:00Z', labels";
        pods.replace("namespace: default, labels", since)
    };
    let gone = SERVICE.to_owned() + &leaving(&pod("shop-aa", 0, ", version: all", "none"));
    assert!(seen(&gone, Some("aa"), &[]).is_ok(), "its replica set is gone");
    let ended = seen(&in_place(1, &[leaving(&pod("shop-zz", 0, "", "none"))]), Some("aa"), &[]).unwrap();
    assert_eq!((ended.way.clone(), told(&ended)), (before.way.clone(), told(&before)), "revisionHistoryLimit: 0");
}

#[test]
fn blue_green_brings_over_whom_the_new_pods_can_take() {
    for (updated, capacity) in [(1, 333_333), (3, 1_000_000), (4, 1_000_000)] {
        let mut more = vec![replica_set("shop", "bb", 2, updated)];
        more.extend((0..updated).map(|number| pod("shop-bb", number, "", "shut")));
        let site = released(Strategy::BlueGreen, &in_place(updated, &more), Some("aa"), &[]).unwrap();
        assert_eq!(site.service.canary, Some(name("bb")));
        assert_eq!(site.capacity[&name("bb")].ppm(), capacity, "{updated} new pods for 3");
    }
}

#[test]
fn a_canary_without_a_usable_pod_is_not_tried() {
    let unready =
        pod("shop-bb", 0, "", "shut").replace("ContainersReady, status: 'True'", "ContainersReady, status: 'False'");
    let site = seen(&in_place(1, &[replica_set("shop", "bb", 2, 1), unready]), Some("aa"), &[]).unwrap();
    assert_eq!(site.service.canary, None);
    let leaving = pod("shop-bb", 0, "", "shut")
        .replace("namespace: default, labels", "namespace: default, deletionTimestamp: '2026-01-01T00:00:00Z', labels");
    let site = seen(&in_place(1, &[replica_set("shop", "bb", 2, 1), leaving]), Some("aa"), &[]).unwrap();
    assert_eq!(site.service.canary, None);
}

#[test]
fn a_dead_node_takes_its_pods_out() {
    let node = "\n---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {conditions: [{type: Ready, status: 'Unknown'}]}\n";
    let lost = pod("shop-bb", 0, "", "shut").replace("spec: {", "spec: {nodeName: n1, ");
    let more = [replica_set("shop", "bb", 2, 1), lost, node.to_owned()];
    assert_eq!(seen(&in_place(1, &more), Some("aa"), &[]).unwrap().service.canary, None);
    let alive = in_place(1, &more).replace("'Unknown'", "'True'");
    assert_eq!(seen(&alive, Some("aa"), &[]).unwrap().service.canary, Some(name("bb")));
    // Nobody is heard of: that says more of the API server than of them.
    let all = in_place(1, &more).replace("spec: {containers", "spec: {nodeName: n1, containers");
    let site = seen(&all, Some("aa"), &[]).unwrap();
    let counts: Vec<_> = site.service.versions.values().map(|version| version.endpoints.len()).collect();
    assert_eq!((site.service.canary, counts), (Some(name("bb")), vec![3, 1]));
    let fails = all.replace("ContainersReady, status: 'True'", "ContainersReady, status: 'False'");
    let site = seen(&fails, Some("aa"), &[]).unwrap();
    assert!(site.service.versions.values().all(|version| version.endpoints.is_empty()));
}

#[test]
fn pods_never_wait_for_a_stable_version_that_is_gone() {
    let next = [replica_set("shop", "bb", 2, 1), pod("shop-bb", 0, "", "shut")];
    // Set back while nobody led, and another version asked for at once.
    let site = seen(&in_place(1, &next), Some("gone"), &["aa"]).unwrap();
    assert_eq!((told(&site).0, told(&site).1), ("aa".to_owned(), Some("bb".to_owned())), "it was stable earlier");
    let site = seen(&in_place(1, &next), Some("gone"), &[]).unwrap();
    assert_eq!((told(&site).0, told(&site).1), ("aa".to_owned(), Some("bb".to_owned())), "nobody holds it");
    // Somebody has taken the old pods away.
    let alone = in_place(3, &[])
        .replace("spec: {containers", "spec: {readinessGates: [{conditionType: tidegate.dev/promoted}], containers");
    let alone = alone.replace("availableReplicas: 3", "availableReplicas: 0");
    let site = seen(&alone, Some("gone"), &[]).unwrap();
    assert_eq!((told(&site).0, site.to_open.len()), ("aa".to_owned(), 3), "nothing else would ever serve");
    let partly = alone.replace("updatedReplicas: 3", "updatedReplicas: 2");
    assert!(seen(&partly, Some("gone"), &[]).unwrap_err().contains("is being updated"));
}

#[test]
fn an_undo_needs_nobody() {
    let undone = in_place(3, &[replica_set("shop", "bb", 2, 1), pod("shop-bb", 0, "", "open")]);
    let undone = undone.replace("revision: '1'", "revision: '3'");
    let site = seen(&undone, Some("bb"), &["aa"]).unwrap();
    assert_eq!(told(&site).0, "aa", "what was stable before is so at once");
    assert_eq!(told(&site).3, [("bb".to_owned(), 250_000)], "and the other leaves");
    let aborted = seen(&undone, Some("aa"), &[]).unwrap();
    assert_eq!(told(&aborted).1, None, "the older of two revisions is not tried");
}

#[test]
fn a_half_open_gate_of_what_is_tried_is_shut() {
    let more = [replica_set("shop", "bb", 2, 2), pod("shop-bb", 0, "", "open"), pod("shop-bb", 1, "", "shut")];
    let site = seen(&in_place(1, &more), Some("aa"), &[]).unwrap();
    assert_eq!((site.to_open.len(), site.to_shut.len()), (0, 1));
}

#[test]
fn what_was_never_promoted_is_shut_whoever_comes_after_it() {
    let superseded = [
        replica_set("shop", "bb", 2, 2),
        pod("shop-bb", 0, "", "open"),
        replica_set("shop", "cc", 3, 1),
        pod("shop-cc", 0, "", "shut"),
    ];
    let site = seen(&in_place(1, &superseded), Some("aa"), &[]).unwrap();
    assert_eq!((told(&site).1.as_deref(), site.to_open.len(), site.to_shut.len()), (Some("cc"), 0, 1));
    let trusted = seen(&in_place(1, &superseded), Some("aa"), &["bb"]).unwrap();
    assert_eq!(trusted.to_shut.len(), 0, "it was stable");
    // Aborted and set back: its pods wait for their end, and get nobody.
    let undone = in_place(3, &superseded[..2]).replace("revision: '1'", "revision: '3'");
    let site = seen(&undone, Some("aa"), &[]).unwrap();
    assert_eq!((told(&site).1, told(&site).3, site.to_shut.len()), (None, vec![], 1));
}

/// Two workloads that differ in the label `version`.
fn workloads(order: (&str, &str)) -> String {
    let mut text = SERVICE.to_owned() + &deployment("shop-a", 2, 2, order.0) + &deployment("shop-b", 1, 1, order.1);
    text += &(replica_set("shop-a", "aa", 1, 2) + &replica_set("shop-b", "bb", 1, 1));
    text += &(pod("shop-a-aa", 0, ", version: A", "none") + &pod("shop-a-aa", 1, ", version: A", "none"));
    text + &pod("shop-b-bb", 0, ", version: B", "shut")
}

#[test]
fn the_next_value_of_the_label_is_tried() {
    let site = seen(&workloads((MADE, LATER)), Some("A"), &[]).unwrap();
    assert_eq!(told(&site), ("A".to_owned(), Some("B".to_owned()), 333_333, vec![], 0, 0));
    assert_eq!(site.way, Way::Workloads);
    assert_eq!(site.service.versions[&name("B")].revision.as_deref(), Some("bb"));
    let promoted = seen(&workloads((MADE, LATER)), Some("B"), &["A"]).unwrap();
    assert_eq!(
        told(&promoted),
        ("B".to_owned(), None, 1_000_000, vec![], 1, 0),
        "the old one is a standby without visitors"
    );
    // While it was the only workload, its revision was its name.
    let first = seen(&workloads((MADE, LATER)), Some("aa"), &[]).unwrap();
    assert_eq!(told(&first), told(&site));
    let error = seen(&workloads((MADE, LATER)), None, &[]).unwrap_err();
    assert!(error.contains("several versions (A, B)") && error.contains("tidegate.dev/stable"), "{error}");
}

/// Whoever restarts the stable workload ends no rollout, and begins none again that is over; an update of it is another matter.
#[test]
fn a_restart_of_the_stable_workload_leaves_the_rollout_as_it_is() {
    let identity = |text: &str| {
        let site = seen(text, Some("A"), &[]).unwrap();
        assert_eq!(site.service.canary, Some(name("B")));
        RolloutId::of(&name("shop"), &site.service).unwrap()
    };
    let made_from = |workload: &str, metadata: &str| {
        let before = deployment(workload, 2, 2, MADE);
        let of = |text: &str| text.replace("{metadata: {labels: {app: shop}}}", metadata);
        let after = of(&before);
        assert_ne!(before, after);
        move |text: &str| text.replace(&before, &after)
    };
    let before = workloads((MADE, MADE)).replace(&deployment("shop-b", 1, 1, MADE), &deployment("shop-b", 2, 2, MADE));
    let annotated =
        |annotation: &str| format!("{{metadata: {{labels: {{app: shop}}, annotations: {{{annotation}}}}}}}");
    let restart = annotated("kubectl.kubernetes.io/restartedAt: '2026-01-03T00:00:00Z'");
    let midway = replica_set("shop-a", "cc", 2, 1) + &pod("shop-a-cc", 0, ", version: A", "none");
    let restarted = made_from("shop-a", &restart)(&before) + &midway;
    assert_eq!(identity(&restarted), identity(&before));
    let over = restarted.replace(&pod("shop-a-aa", 0, ", version: A", "none"), "");
    let over = over.replace(&pod("shop-a-aa", 1, ", version: A", "none"), "");
    assert_eq!(identity(&over), identity(&before), "once all pods are new");
    let updated = made_from("shop-a", &annotated("config: '2'"))(&before) + &midway;
    assert_ne!(identity(&updated), identity(&before));
    let own = |image: &str| {
        let metadata = "metadata: {labels: {app: shop}, annotations: {fingerprint: mine}}";
        made_from("shop-a", &format!("{{{metadata}, spec: {{containers: [{{name: a, image: '{image}'}}]}}}}"))(&before)
    };
    assert_ne!(identity(&own("shop:1")), identity(&own("shop:2")), "whatever people call their annotations");
    let again = before.clone() + &replica_set("shop-b", "dd", 2, 1) + &pod("shop-b-dd", 0, ", version: B", "shut");
    let again = again.replace(&pod("shop-b-bb", 0, ", version: B", "shut"), "");
    assert_ne!(identity(&again), identity(&before), "whoever restarts what is tried has it tried again");
    let sets = |text: &str| {
        let set = |text: String, hash: &str| {
            let by = |kind, name: &str| format!("kind: {kind}, name: {name}, uid");
            let owned = text.replace(&by("ReplicaSet", &format!("shop-a-{hash}")), &by("StatefulSet", "shop-a"));
            owned.replace(
                &format!("pod-template-hash: {hash}, version: A"),
                &format!("controller-revision-hash: {hash}, version: A"),
            )
        };
        let text =
            text.replace("kind: Deployment\nmetadata: {name: shop-a,", "kind: StatefulSet\nmetadata: {name: shop-a,");
        set(set(text, "aa"), "cc")
    };
    assert_eq!(identity(&sets(&restarted)), identity(&sets(&before)), "of a StatefulSet");
}

#[test]
fn what_cannot_be_told_is_named() {
    let rows = [
        (String::new(), "there is no Service default/shop"),
        (SERVICE.to_owned(), "Service default/shop has no pods"),
        (SERVICE.replace("{app: shop}", "{}"), "spec.selector of Service default/shop is empty"),
        (SERVICE.replace("spec: {", "spec: {publishNotReadyAddresses: true, "), "spec.publishNotReadyAddresses"),
        (SERVICE.replace("[{port: 80", "[{name: a, port: 80}, {name: b, port: 81"), "expected one of a, b"),
        (workloads((MADE, LATER)).replace(", version: B", ""), "pod default/shop-b-bb-0 has no label \"version\""),
        (workloads((MADE, LATER)).replace("version: B", "version: B_"), "which is no version name"),
    ];
    for (manifests, expected) in rows {
        let error = seen(&manifests, None, &[]).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}
