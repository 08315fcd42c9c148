//! An index that is made of the one before, and what is found without any.

use proptest::prelude::*;

use super::*;
use crate::manifests::{add, deployment, pod, replica_set, world};
use crate::versions::selected;

/// A step of a cluster's life: an object that comes, is another now, or goes.
fn step() -> impl Strategy<Value = (bool, String)> {
    let set = prop::sample::select(vec!["shop-aa", "shop-bb", "cart-aa"]);
    let app = prop::sample::select(vec!["shop", "cart"]);
    let place = prop::sample::select(vec!["default", "other"]);
    let pods = (set.clone(), 0u32..3, app.clone(), prop::sample::select(vec!["none", "shut", "open"]), 0u8..4).prop_map(
        |(set, number, app, gate, kind)| {
            let text = pod(set, number, "", gate).replace("app: shop", &format!("app: {app}, tier: web"));
            match kind {
                0 => text.replace("phase: Running", "phase: Failed"),
                1 => text.replace("labels: {", "labels: {tidegate.dev/gate: migrate, "),
                2 => text
                    .replace("metadata: {name", "metadata: {annotations: {tidegate.dev/ports: 'http:15000:8080'}, name")
                    .replace("spec: {", "spec: {initContainers: [{name: tidegate-proxy}], schedulingGates: [{name: tidegate.dev/migration}], "),
                _ => text,
            }
        },
    );
    let selector = prop::sample::select(vec!["app: shop", "app: cart", "tier: web", "app: shop, tier: web", ""]);
    let services = (app.clone(), selector).prop_map(|(name, selector)| {
        format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\nspec: {{selector: {{{selector}}}}}\n")
    });
    let sets = (set, 1u32..3).prop_map(|(set, revision)| {
        let (deployment, hash) = set.split_once('-').unwrap_or_default();
        replica_set(deployment, hash, revision, 1)
    });
    let slices = (0u8..3, app).prop_map(|(number, service)| {
        format!(
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: s{number}, namespace: default, labels: \
             {{kubernetes.io/service-name: {service}}}}}\naddressType: IPv4\nendpoints: []\n"
        )
    });
    let manifests = prop_oneof![4 => pods, 2 => services, 1 => sets, 1 => slices];
    let placed =
        (manifests, place).prop_map(|(text, place)| text.replace("namespace: default", &format!("namespace: {place}")));
    (any::<bool>(), placed)
}

fn carry_out(to: &mut World, (comes, manifest): &(bool, String)) {
    if *comes {
        add(to, manifest);
        return;
    }
    let gone = world(manifest);
    gone.pods.keys().for_each(|key| to.pods.remove(key));
    gone.services.keys().for_each(|key| to.services.remove(key));
    gone.replica_sets.keys().for_each(|key| to.replica_sets.remove(key));
    gone.endpoint_slices.keys().for_each(|key| to.endpoint_slices.remove(key));
}

/// All that an index is asked for, and the same found by looking at every object.
fn compare(indexed: &World) -> Result<(), TestCaseError> {
    let plain = World { index: Index::default(), ..indexed.clone() };
    let index = &indexed.index;
    for place in ["default", "other"] {
        for name in ["shop", "cart"] {
            let key = Key::new(place, name);
            prop_assert_eq!(keys(&selected(indexed, &key)), keys(&selected(&plain, &key)), "pods of {}", key);
            let sets = (indexed.replica_sets_of(&key), plain.replica_sets_of(&key));
            prop_assert_eq!(keys(&sets.0), keys(&sets.1), "revisions of {}", key);
            let slices = plain.endpoint_slices.values().filter(|it| service_of(it).as_ref() == Some(&key));
            let slices: List<EndpointSlice> = slices.cloned().collect();
            prop_assert_eq!(keys(&index.slices_of(indexed, &key).unwrap()), keys(&slices), "slices of {}", key);
        }
    }
    let found =
        |belongs: fn(&Pod) -> bool| -> List<Pod> { plain.pods.values().filter(|pod| belongs(pod)).cloned().collect() };
    let all = |objects: &Objects<Pod>| -> List<Pod> { objects.values().cloned().collect() };
    let held = found(|pod| is_open(pod) == Held::Shut || is_unscheduled(pod));
    prop_assert_eq!(keys(&all(index.held(indexed).unwrap())), keys(&held));
    let with_sidecar = found(|pod| takeovers(pod).is_some());
    prop_assert_eq!(keys(&all(index.with_sidecar(indexed).unwrap())), keys(&with_sidecar));
    Ok(())
}

/// Which objects they are, told by themselves and not by their names alone.
fn keys<K: Resource<DynamicType = ()>>(list: &[Arc<K>]) -> Vec<(Key, *const K)> {
    list.iter().map(|object| (Key::of(&**object), Arc::as_ptr(object))).collect()
}

proptest! {
    #[test]
    fn an_index_says_what_looking_at_everything_says(
        lives in prop::collection::vec(prop::collection::vec(step(), 1..5), 1..12),
    ) {
        let (mut known, mut index) = (World::default(), Index::default());
        for steps in &lives {
            for step in steps {
                carry_out(&mut known, step);
            }
            index = index.next(&known);
            let indexed = World { index: index.clone(), ..known.clone() };
            compare(&indexed)?;
        }
    }
}

#[test]
fn an_index_is_silent_in_another_world() {
    let shop = Key::new("default", "shop");
    let mut before = world(&(crate::manifests::SERVICE.to_owned() + &deployment("shop", 1, 1, "2026-01-01T00:00:00Z")));
    before.index = Index::default().next(&before);
    assert_eq!(selected(&before, &shop).len(), 0);
    let mut later = before.clone();
    add(&mut later, &(pod("shop-aa", 0, "", "shut") + &replica_set("shop", "aa", 1, 1)));
    assert_eq!(selected(&later, &shop).len(), 1, "found by looking");
    assert_eq!(later.replica_sets_of(&shop).len(), 1);
    assert!(later.index.held(&later).is_none() && later.index.with_sidecar(&later).is_none());
    assert_eq!(selected(&before, &shop).len(), 0, "the world before stays as it was");
}
