//! PURE. The versions that a Service's pods show.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt;
use tidegate_config::Name;

use super::pods::{
    Held, Owner, TEMPLATE_HASH, controller_of, is_of_gate, is_open, is_unknown, is_unscheduled, owner, stays,
};
use super::port::takeovers;
use super::template::made_from;
use crate::catalog::service_of;
use crate::rollout_object::GivenWay;
use crate::world::{Key, List, Objects, World};

/// Where versions come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// One Deployment that is updated in place: a version is a revision of it.
    InPlace(Key),
    /// Several workloads whose pods differ in a label: a version is a value of it.
    Workloads,
}

/// The versions of a Service.
#[derive(Debug, Clone)]
pub struct Discovery {
    /// Where they come from.
    pub way: Way,
    /// By name.
    pub versions: BTreeMap<Name, Found>,
}

/// One version.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// What is deployed under the name: it changes when the same name gets other pods.
    pub revision: String,
    /// The same by what its workloads make pods from, which changes with an update and not when pods are restarted. Of one
    /// Deployment that is updated in place it is the revision.
    pub made_from: String,
    /// When its workload was made, in seconds since the Unix epoch, or its number among the revisions of a Deployment: the
    /// greater, the newer.
    pub order: i64,
    /// Its pods, those that are being ended included.
    pub pods: Vec<Arc<Pod>>,
}

/// Why the versions of a Service cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undiscovered {
    /// There is no such Service.
    #[error("there is no Service {0}")]
    NoService(Key),
    /// It selects nothing.
    #[error("spec.selector of Service {0} is empty, expected labels that select its pods")]
    NoSelector(Key),
    /// Its pods get traffic before they are ready, so no gate can hold them back.
    #[error(
        "spec.publishNotReadyAddresses of Service {0} is true, expected false: pods that are held back would get traffic"
    )]
    NotReadyAddresses(Key),
    /// No pod, and nothing that would make one.
    #[error("Service {0} has no pods")]
    NoPods(Key),
    /// All pods have been made by replica sets that are not known yet: they may belong to any Deployment.
    #[error("the ReplicaSet of pod {0} is not known yet")]
    UnknownOwner(Key),
    /// Pods that belong to no version.
    #[error(
        "pod {pod} has no label {label:?} that could tell its version, as pods of several workloads behind one Service must"
    )]
    NoLabel {
        /// The pod.
        pod: Key,
        /// The label.
        label: String,
    },
    /// The label's value is no name.
    #[error("label {label:?} of pod {pod} is {value:?}, which is no version name")]
    BadLabel {
        /// The pod.
        pod: Key,
        /// The label.
        label: String,
        /// Its value.
        value: String,
    },
}

/// The versions of a Service. Where all its pods belong to one Deployment they are its revisions, else the values of
/// `label`.
///
/// While one of them has given way to another and has no pods, all are told by the label.
pub fn discover(
    world: &World,
    service: &Key,
    label: &str,
    given_way: Option<&GivenWay>,
) -> Result<Discovery, Undiscovered> {
    if let Some(GivenWay { version, revision, made, .. }) = given_way {
        let mut discovery = labelled(world, service, label)?;
        // What its last pods were, whatever comes under its name meanwhile: it is what would come back.
        let found = discovery.versions.entry(version.clone()).or_default();
        (found.revision, found.made_from, found.order) = (revision.clone(), revision.clone(), *made);
        return Ok(discovery);
    }
    let owned = pods(world, service)?;
    match only_deployment(known(world, owned.iter().map(|(_, owner)| owner.as_ref()))) {
        _ if owned.is_empty() => Err(Undiscovered::NoPods(service.clone())),
        Some(only) => Ok(Discovery { versions: revisions(world, &only, owned), way: Way::InPlace(only) }),
        None => Ok(Discovery { versions: by_label(world, owned, label)?, way: Way::Workloads }),
    }
}

/// The versions of a Service by a label, though there may be only one workload yet.
pub(crate) fn labelled(world: &World, service: &Key, label: &str) -> Result<Discovery, Undiscovered> {
    Ok(Discovery { versions: by_label(world, pods(world, service)?, label)?, way: Way::Workloads })
}

/// Pods, each with its owner.
type Owned = Vec<(Arc<Pod>, Option<Owner>)>;

/// The pods of a Service that can be released. One whose replica set is not known yet is not there yet.
fn pods(world: &World, service: &Key) -> Result<Owned, Undiscovered> {
    let object = world.services.get(service).ok_or_else(|| Undiscovered::NoService(service.clone()))?;
    let spec = object.spec.as_ref();
    if spec.and_then(|spec| spec.publish_not_ready_addresses) == Some(true) {
        return Err(Undiscovered::NotReadyAddresses(service.clone()));
    }
    if spec.and_then(|spec| spec.selector.as_ref()).is_none_or(BTreeMap::is_empty) {
        return Err(Undiscovered::NoSelector(service.clone()));
    }
    let all = selected(world, service);
    let owned = all.iter().map(|pod| (Arc::clone(pod), owner(world, pod)));
    let is_unknown = |owner: &Owner| is_unknown(world, owner);
    let owned: Owned = owned.filter(|(pod, owner)| !(stays(pod) && owner.as_ref().is_some_and(is_unknown))).collect();
    match all.first().filter(|_| owned.is_empty()) {
        Some(orphan) => Err(Undiscovered::UnknownOwner(Key::of(&**orphan))),
        None => Ok(owned),
    }
}

/// The Deployment that all pods of a Service belong to; `None` where they belong to several workloads, or there are none.
pub fn deployment_of(world: &World, service: &Key) -> Option<Key> {
    let owners = owners(world, &selected(world, service));
    only_deployment(known(world, owners.iter().map(Option::as_ref)))
}

/// Owners without replica sets that are not known: they may be any workload's.
fn known<'a>(
    world: &World,
    owners: impl Iterator<Item = Option<&'a Owner>>,
) -> impl Iterator<Item = Option<&'a Owner>> {
    owners.filter(|owner| !owner.is_some_and(|owner| is_unknown(world, owner)))
}

/// The workloads behind pods, each looked up once for all pods that the same object has made.
fn owners(world: &World, pods: &[Arc<Pod>]) -> Vec<Option<Owner>> {
    let made_by = |pod: &Arc<Pod>| {
        controller_of(pod.metadata.owner_references.as_ref()).map(|owner| (owner.kind.clone(), owner.name.clone()))
    };
    let one_of_each: BTreeMap<_, _> = pods.iter().map(|pod| (made_by(pod), pod)).collect();
    one_of_each.into_values().map(|pod| owner(world, pod)).collect()
}

fn only_deployment<'a>(mut owners: impl Iterator<Item = Option<&'a Owner>>) -> Option<Key> {
    let first = owners.next()?.filter(|owner| owner.kind == "Deployment")?;
    let same = |owner: Option<&Owner>| owner.is_some_and(|it| (&it.kind, &it.key) == (&first.kind, &first.key));
    owners.all(same).then(|| first.key.clone())
}

/// The workloads that a Service's pods belong to.
pub fn workloads(world: &World, service: &Key) -> BTreeSet<Key> {
    let owners = owners(world, &selected(world, service));
    known(world, owners.iter().map(Option::as_ref)).filter_map(|owner| Some(owner?.key.clone())).collect()
}

/// The pods that a Service selects; none where it selects by nothing. Those of gates are none of its versions.
pub fn selected(world: &World, service: &Key) -> Arc<List<Pod>> {
    if let Some(known) = world.index.selected(world, service) {
        return known;
    }
    let Some(object) = world.services.get(service) else { return Arc::default() };
    let has = |pod: &Pod| selects(object, pod.metadata.labels.as_ref());
    Arc::new(world.pods_of(&service.namespace).filter(|pod| has(pod) && is_version(pod)).cloned().collect())
}

/// Whether a pod may be of a version: it has not ended, and is not of a gate.
pub(crate) fn is_version(pod: &Pod) -> bool {
    !has_ended(pod) && !is_of_gate(pod)
}

/// Whether a Service selects pods with these labels; none where it selects by nothing.
pub fn selects(service: &Service, labels: Option<&BTreeMap<String, String>>) -> bool {
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref()).filter(|it| !it.is_empty());
    let has = |(name, value): (&String, &String)| labels.and_then(|labels| labels.get(name)) == Some(value);
    selector.is_some_and(|selector| selector.iter().all(has))
}

/// A pod that ran to its end stays as an object for a while.
fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

fn revisions(world: &World, deployment: &Key, owned: Owned) -> BTreeMap<Name, Found> {
    let mut versions: BTreeMap<Name, Found> = BTreeMap::new();
    for (pod, owner) in owned {
        if let Some(Owner { revision, .. }) = owner
            && let Ok(name) = revision.parse::<Name>()
        {
            let found = versions.entry(name).or_default();
            found.made_from.clone_from(&revision);
            found.revision = revision;
            found.pods.push(pod);
        }
    }
    for set in world.replica_sets_of(deployment) {
        let Some(hash) = template_hash(&set) else { continue };
        let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1) > 0;
        let Ok(name) = hash.parse::<Name>() else { continue };
        if wanted || versions.contains_key(&name) {
            let found = versions.entry(name).or_default();
            hash.clone_into(&mut found.revision);
            hash.clone_into(&mut found.made_from);
            found.order = revision_number(&set);
        }
    }
    versions
}

fn by_label(world: &World, owned: Owned, label: &str) -> Result<BTreeMap<Name, Found>, Undiscovered> {
    let mut versions: BTreeMap<Name, Found> = BTreeMap::new();
    // Of pods that stay, and of those that are being ended.
    let mut owners: BTreeMap<Name, [BTreeSet<Owner>; 2]> = BTreeMap::new();
    for (pod, owner) in owned {
        let key = Key::of(&*pod);
        let value = pod.metadata.labels.as_ref().and_then(|labels| labels.get(label));
        let value = value.ok_or_else(|| Undiscovered::NoLabel { pod: key.clone(), label: label.to_owned() })?;
        let wrong = |_| Undiscovered::BadLabel { pod: key.clone(), label: label.to_owned(), value: value.clone() };
        let name: Name = value.parse().map_err(wrong)?;
        let found = versions.entry(name.clone()).or_default();
        if let Some(owner) = owner {
            found.order = found.order.max(made(world, &owner, &pod));
            let leaves = usize::from(!stays(&pod));
            owners.entry(name).or_default()[leaves].insert(owner);
        }
        found.pods.push(pod);
    }
    for (name, [stay, leave]) in owners {
        if let Some(found) = versions.get_mut(&name) {
            let owners = if stay.is_empty() { leave } else { stay };
            found.revision = joined(owners.iter().map(|owner| owner.revision.clone()));
            found.made_from = joined(owners.iter().map(|owner| made_from(world, owner)));
        }
    }
    Ok(versions)
}

fn joined(all: impl Iterator<Item = String>) -> String {
    let each: BTreeSet<String> = all.collect();
    Vec::from_iter(each).join("+")
}

/// When the workload behind a pod was made.
fn made(world: &World, owner: &Owner, pod: &Pod) -> i64 {
    let at = match owner.kind.as_str() {
        "Deployment" => world.deployments.get(&owner.key).and_then(|it| it.creation_timestamp()),
        "StatefulSet" => world.stateful_sets.get(&owner.key).and_then(|it| it.creation_timestamp()),
        "ReplicaSet" => world.replica_sets.get(&owner.key).and_then(|it| it.creation_timestamp()),
        _ => pod.creation_timestamp(),
    };
    at.map_or(0, |time| time.0.as_second())
}

/// The hash that a revision's pods are labelled with.
pub(crate) fn template_hash(set: &ReplicaSet) -> Option<&str> {
    set.metadata.labels.as_ref()?.get(TEMPLATE_HASH).map(String::as_str)
}

/// The number of a revision (`deployment.kubernetes.io/revision`), which an undo raises, too.
fn revision_number(set: &ReplicaSet) -> i64 {
    let number = set.metadata.annotations.as_ref().and_then(|it| it.get("deployment.kubernetes.io/revision"));
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The revision that a Deployment asks for; `None` where it has none.
pub(crate) fn newest_revision(world: &World, deployment: &Key) -> Option<Arc<ReplicaSet>> {
    world.replica_sets_of(deployment).into_iter().max_by_key(|set| revision_number(set))
}

/// The replica set of a version.
pub(crate) fn revision(world: &World, deployment: &Key, version: &Name) -> Option<Arc<ReplicaSet>> {
    world.replica_sets_of(deployment).into_iter().find(|set| template_hash(set) == Some(version.as_str()))
}

impl World {
    /// The pods that a gate of ours holds, before they start or before they are ready.
    pub fn held(&self) -> Objects<Pod> {
        let held = |pod: &Pod| is_open(pod) == Held::Shut || is_unscheduled(pod);
        self.index.held(self).cloned().unwrap_or_else(|| self.pods_that(held))
    }

    /// The pods that have our sidecar.
    pub fn with_sidecar(&self) -> Objects<Pod> {
        self.index.with_sidecar(self).cloned().unwrap_or_else(|| self.pods_that(|pod| takeovers(pod).is_some()))
    }

    fn pods_that(&self, are: impl Fn(&Pod) -> bool) -> Objects<Pod> {
        self.pods.iter().filter(|(_, pod)| are(pod)).map(|(key, pod)| (key.clone(), Arc::clone(pod))).collect()
    }

    /// The slices of a Service.
    pub fn slices_of(&self, service: &Key) -> Arc<List<EndpointSlice>> {
        if let Some(known) = self.index.slices_of(self, service) {
            return known;
        }
        let slices = self.endpoint_slices.of(&service.namespace).map(|(_, slice)| slice);
        Arc::new(slices.filter(|slice| service_of(slice).as_ref() == Some(service)).cloned().collect())
    }

    /// The pods of a namespace.
    pub fn pods_of(&self, namespace: &str) -> impl Iterator<Item = &Arc<Pod>> {
        self.pods.of(namespace).map(|(_, pod)| pod)
    }

    /// The revisions of a Deployment.
    pub fn replica_sets_of(&self, deployment: &Key) -> List<ReplicaSet> {
        if let Some(known) = self.index.sets_of(self, deployment) {
            return known.to_vec();
        }
        let sets = self.replica_sets.of(&deployment.namespace).map(|(_, set)| set);
        sets.filter(|set| deployment_above(set).as_ref() == Some(deployment)).cloned().collect()
    }
}

/// The Deployment that a replica set is a revision of.
pub(crate) fn deployment_above(set: &ReplicaSet) -> Option<Key> {
    let owner = controller_of(set.metadata.owner_references.as_ref()).filter(|owner| owner.kind == "Deployment")?;
    Some(Key::new(set.metadata.namespace.clone().unwrap_or_default(), owner.name.clone()))
}
