//! Entries that are kept, and the same made anew.

use tidegate_config::Key as Secret;
use tidegate_controller::engine::Timestamp;
use tidegate_controller::publish::Keys;

use super::super::{Catalog, Released as Objects};
use super::*;
use crate::manifests::{SERVICE, add, asked, deployment, pod, replica_set, updating};

const KEYS: Keys = Keys { cookie: Secret([1; 16]), master: Secret([2; 16]) };

fn slice(address: &str) -> String {
    format!(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: shop-1, namespace: default, labels: \
         {{kubernetes.io/service-name: shop}}}}\naddressType: IPv4\nports: [{{name: '', port: 8080}}]\nendpoints: \
         [{{addresses: [{address}]}}]\n"
    )
}

fn node(ready: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Node\nmetadata: {{name: n1}}\nstatus: {{conditions: [{{type: Ready, status: '{ready}'}}]}}\n"
    )
}

/// A pod on that node.
fn placed(pod: &str) -> String {
    pod.replace("spec: {", "spec: {nodeName: n1, ")
}

/// What is written down of the Service `shop`: its shares at this epoch.
fn released(epoch: u64) -> Objects {
    let mut memory = Memory { stable: "aa".parse().ok(), ..Memory::new(Timestamp::from_millis(epoch)) };
    let arms = vec![tidegate_config::Arm::new("aa".parse().unwrap(), tidegate_config::Share::ALL)];
    memory.record.epochs.issue(&arms, None);
    Objects::from([(Key::new("default", "shop"), (Arc::new(asked("shop")), Arc::new(memory)))])
}

/// The entry with what was known, and the same with nothing known.
fn both(world: &World, objects: &Objects, known: Entries) -> (Option<Found>, Option<Found>, Entries) {
    let find = |entries| {
        let catalog = Catalog::new(world, objects, &KEYS, entries);
        (catalog.entry(&Key::new("default", "shop"), None), catalog.into_entries())
    };
    let (found, entries) = find(known);
    (found, find(Entries::default()).0, entries)
}

fn are_equal(one: Option<&Found>, other: Option<&Found>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one.says_the_same(other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

#[test]
fn what_is_kept_is_what_would_be_made_now() {
    let bare = Objects::new();
    let mut world = updating();
    add(&mut world, &(slice("10.0.0.9") + "---\n" + &node("True")));
    add(&mut world, &placed(&pod("shop-aa", 0, "", "none")));
    let (mut known, mut before) = (Entries::default(), None);
    let mut see = |what: &str, world: &World, objects: &Objects, changes: bool| {
        let (kept, fresh, entries) = both(world, objects, std::mem::take(&mut known));
        known = entries;
        assert!(are_equal(kept.as_ref(), fresh.as_ref()), "{what}: {kept:?} is kept, now it is {fresh:?}");
        assert_eq!(!are_equal(kept.as_ref(), before.as_ref()), changes, "{what}");
        if let (false, Some(kept), Some(before)) = (changes, &kept, &before) {
            assert!(Arc::ptr_eq(&kept.entry, &before.entry), "{what}: the same value");
        }
        before = kept;
    };
    see("at first", &world, &bare, true);
    see("nothing", &world.clone(), &bare, false);
    add(&mut world, &slice("10.0.0.8"));
    see("a slice", &world, &bare, true);
    add(&mut world, &pod("shop-aa", 5, "", "none"));
    see("a pod of a Service that is not released", &world, &bare, false);
    let objects = released(1_000);
    see("a release", &world, &objects, true);
    see("nothing of it", &world.clone(), &objects, false);
    see("other shares", &world, &released(2_000), true);
    let objects = released(2_000);
    see("the same written anew", &world, &objects, false);
    add(&mut world, &pod("shop-aa", 7, "", "none"));
    see("a pod", &world, &objects, true);
    add(&mut world, &node("False"));
    see("its node", &world, &objects, true);
    add(&mut world, &replica_set("shop", "cc", 3, 1));
    see("a revision", &world, &objects, true);
    add(&mut world, &deployment("shop", 4, 4, "2026-02-01T00:00:00Z"));
    see("a Deployment that says nothing new", &world, &objects, false);
    add(&mut world, &SERVICE.replace("targetPort: http", "targetPort: 9090"));
    see("the Service", &world, &objects, true);
    world.replica_sets.clear();
    see("no revisions: the pods' owners are unknown", &world, &objects, true);
    world.services.clear();
    see("no Service", &world, &objects, true);
}

#[test]
fn what_nobody_asks_for_is_forgotten() {
    let world = updating();
    let (_, _, entries) = both(&world, &Objects::new(), Entries::default());
    assert_eq!(entries.0.len(), 1);
    let (nothing, keys) = (Objects::new(), KEYS);
    let entries = Catalog::new(&world, &nothing, &keys, entries).into_entries();
    assert_eq!(entries.0.len(), 0);
}
