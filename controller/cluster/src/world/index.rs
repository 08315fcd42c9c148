//! PURE. What is looked up in a world again and again, made once for it, of the index of the world before: in a large cluster
//! most of a world is that of the moment before.
//!
//! An index knows the very objects that it is of, and answers for no others: whoever asks in another world gets `None`, and
//! looks himself.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Resource;

use super::{Key, Objects, World};
use crate::catalog::service_of;
use crate::versions::{Held, deployment_above, is_open, is_unscheduled, is_version, selects, takeovers};

/// Several objects of one kind, in the order of their keys.
pub type List<K> = Vec<Arc<K>>;

/// The index of a world.
#[derive(Debug, Clone, Default)]
pub struct Index {
    services: Objects<Service>,
    selectors: Arc<Selectors>,
    pods: Objects<Pod>,
    selected: Objects<List<Pod>>,
    held: Objects<Pod>,
    with_sidecar: Objects<Pod>,
    endpoint_slices: Objects<EndpointSlice>,
    slices_of: Objects<List<EndpointSlice>>,
    replica_sets: Objects<ReplicaSet>,
    sets_of: Objects<List<ReplicaSet>>,
}

/// Services by the first label that they select by: namespace, name, value.
#[derive(Debug, Default)]
struct Selectors(BTreeMap<String, BTreeMap<String, BTreeMap<String, Selecting>>>);

type Selecting = Vec<(Key, Arc<Service>)>;

impl Index {
    /// The index of a world, given that of the one before.
    #[must_use]
    pub fn next(&self, world: &World) -> Self {
        let mut next = self.clone();
        next.see_services(&world.services);
        next.see_pods(&world.pods);
        group(&mut next.slices_of, &next.endpoint_slices, &world.endpoint_slices, |it| {
            service_of(it).into_iter().collect()
        });
        next.endpoint_slices = world.endpoint_slices.clone();
        group(&mut next.sets_of, &next.replica_sets, &world.replica_sets, |it| {
            deployment_above(it).into_iter().collect()
        });
        next.replica_sets = world.replica_sets.clone();
        next
    }

    /// The pods of a Service's versions, as [`selected`](crate::versions::selected) would find them.
    pub fn selected(&self, world: &World, service: &Key) -> Option<Arc<List<Pod>>> {
        let is_of = self.pods.same(&world.pods) && self.services.same(&world.services);
        is_of.then(|| self.selected.get(service).cloned().unwrap_or_default())
    }

    /// The slices of a Service.
    pub fn slices_of(&self, world: &World, service: &Key) -> Option<Arc<List<EndpointSlice>>> {
        let is_of = self.endpoint_slices.same(&world.endpoint_slices);
        is_of.then(|| self.slices_of.get(service).cloned().unwrap_or_default())
    }

    /// The revisions of a Deployment.
    pub fn sets_of(&self, world: &World, deployment: &Key) -> Option<Arc<List<ReplicaSet>>> {
        let is_of = self.replica_sets.same(&world.replica_sets);
        is_of.then(|| self.sets_of.get(deployment).cloned().unwrap_or_default())
    }

    /// The pods that a gate of ours holds, before they start or before they are ready.
    pub fn held(&self, world: &World) -> Option<&Objects<Pod>> {
        self.pods.same(&world.pods).then_some(&self.held)
    }

    /// The pods that have our sidecar.
    pub fn with_sidecar(&self, world: &World) -> Option<&Objects<Pod>> {
        self.pods.same(&world.pods).then_some(&self.with_sidecar)
    }

    fn see_services(&mut self, services: &Objects<Service>) {
        if self.services.same(services) {
            return;
        }
        for (key, _, now) in self.services.changes(services) {
            // Of the pods that are known so far: those that have changed come after.
            let pods = self.pods.of(&key.namespace).map(|(_, pod)| pod);
            let belongs =
                |pod: &&Arc<Pod>| now.is_some_and(|it| is_version(pod) && selects(it, pod.metadata.labels.as_ref()));
            put(&mut self.selected, key, pods.filter(belongs).cloned().collect());
        }
        self.selectors = Arc::new(Selectors::new(services));
        self.services = services.clone();
    }

    fn see_pods(&mut self, pods: &Objects<Pod>) {
        group(&mut self.selected, &self.pods, pods, |pod| self.selectors.of(pod));
        for (key, _, now) in self.pods.changes(pods) {
            keep(&mut self.held, key, now, |pod| is_open(pod) == Held::Shut || is_unscheduled(pod));
            keep(&mut self.with_sidecar, key, now, |pod| takeovers(pod).is_some());
        }
        self.pods = pods.clone();
    }
}

impl Selectors {
    fn new(services: &Objects<Service>) -> Self {
        let mut all = Self::default();
        for (key, service) in services.iter() {
            let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
            if let Some((name, value)) = selector.and_then(|selector| selector.first_key_value()) {
                let names = all.0.entry(key.namespace.clone()).or_default();
                let of_label = names.entry(name.clone()).or_default().entry(value.clone()).or_default();
                of_label.push((key.clone(), Arc::clone(service)));
            }
        }
        all
    }

    /// The Services whose version a pod is of.
    fn of(&self, pod: &Pod) -> Vec<Key> {
        let labels = pod.metadata.labels.as_ref().filter(|_| is_version(pod));
        let names = pod.metadata.namespace.as_ref().and_then(|namespace| self.0.get(namespace));
        let Some((names, labels)) = names.zip(labels) else { return Vec::new() };
        let candidates = labels.iter().filter_map(|(name, value)| names.get(name)?.get(value)).flatten();
        candidates.filter(|(_, service)| selects(service, Some(labels))).map(|(key, _)| key.clone()).collect()
    }
}

/// Brings lists to what follows from the objects as they are now: each is in the lists that `groups_of` names.
fn group<K: Resource>(
    lists: &mut Objects<List<K>>,
    before: &Objects<K>,
    now: &Objects<K>,
    groups_of: impl Fn(&K) -> Vec<Key>,
) {
    let mut changed: BTreeMap<Key, List<K>> = BTreeMap::new();
    let known = |group: &Key| lists.get(group).map(|list| List::clone(list)).unwrap_or_default();
    for (_, was, is) in before.changes(now) {
        if let Some(was) = was {
            for group in groups_of(was) {
                let list = changed.entry(group).or_insert_with_key(known);
                list.retain(|it| !Arc::ptr_eq(it, was));
            }
        }
        if let Some(is) = is {
            for group in groups_of(is) {
                let list = changed.entry(group).or_insert_with_key(known);
                let at = list.partition_point(|it| it.meta().name < is.meta().name);
                list.insert(at, Arc::clone(is));
            }
        }
    }
    for (group, list) in changed {
        put(lists, &group, list);
    }
}

fn put<K>(lists: &mut Objects<List<K>>, group: &Key, list: List<K>) {
    if list.is_empty() { lists.remove(group) } else { lists.insert(group.clone(), Arc::new(list)) }
}

fn keep<K>(objects: &mut Objects<K>, key: &Key, now: Option<&Arc<K>>, belongs: impl Fn(&K) -> bool) {
    match now.filter(|object| belongs(object)) {
        Some(object) => objects.insert(key.clone(), Arc::clone(object)),
        None => objects.remove(key),
    }
}

#[cfg(test)]
mod tests;
