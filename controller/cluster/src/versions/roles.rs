//! PURE. Which of a Service's versions is stable, and which one is tried.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tidegate_config::Name;

use super::discover::{Discovery, Found, Way, revision};
use super::pods::{Held, is_open};
use super::template::is_restart_of;
use crate::world::{Key, World};

/// Stable and canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// The version that has the visitors.
    pub stable: Name,
    /// The newest other one, if it is newer than stable.
    pub canary: Option<Name>,
}

/// Why it cannot be told which version is stable. Nothing is held back meanwhile, and nobody is moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// A Deployment in the middle of an update has two revisions, and it is not known which one was there first.
    #[error("Deployment {0} is being updated; its stable revision is learned when it is complete")]
    Updating(Key),
    /// The named version is not there.
    #[error("{named} is named as stable, but the versions are {known}")]
    NotThere {
        /// The version named.
        named: Name,
        /// Those that are there.
        known: String,
    },
    /// Several versions at first sight.
    #[error("several versions ({0}) and none of them known as stable; name one with tidegate.dev/stable")]
    Several(String),
}

/// The roles of the versions, which `label` tells apart where they are workloads. `remembered` is the version that was stable before, `trusted` are those that were it earlier,
/// the newest last; `named` is what the user says.
///
/// Whatever is remembered stays stable until a rollout promotes another, or it is gone: then the newest that was stable earlier
/// is so again.
pub fn roles(
    world: &World,
    discovery: &Discovery,
    label: &str,
    remembered: Option<&Name>,
    trusted: &[Name],
    named: Option<&Name>,
) -> Result<Roles, Unclear> {
    let there = |name: &&Name| discovery.versions.contains_key(*name);
    let earlier = remembered.into_iter().chain(trusted.iter().rev());
    let stable = match (earlier.into_iter().find_map(|name| still(discovery, label, name)), named) {
        (Some(remembered), _) => remembered,
        (None, Some(named)) => there(&named)
            .then(|| named.clone())
            .ok_or_else(|| Unclear::NotThere { named: named.clone(), known: known(discovery) })?,
        (None, None) => learn(world, discovery)?,
    };
    let order = |name: &Name| discovery.versions.get(name).map_or(0, |found| found.order);
    let newest = discovery.versions.iter().filter(|(name, _)| **name != stable).max_by_key(|(_, it)| it.order);
    let newer = |(name, found): (&Name, &Found)| (found.order >= order(&stable)).then(|| name.clone());
    let roles = Roles { canary: newest.and_then(newer), stable };
    // A canary that was stable before is stable again at once, and so is one that is the stable version once more.
    Ok(match roles.canary {
        Some(canary) if trusted.contains(&canary) || is_restart(world, discovery, &canary, &roles.stable) => {
            Roles { stable: canary, canary: None }
        }
        _ => roles,
    })
}

/// Whether a revision came by `kubectl rollout restart` of another one: its pods are never held.
fn is_restart(world: &World, discovery: &Discovery, version: &Name, of: &Name) -> bool {
    let Way::InPlace(deployment) = &discovery.way else { return false };
    let (version, of) = (revision(world, deployment, version), revision(world, deployment, of));
    version.zip(of).is_some_and(|(version, of)| is_restart_of(&version, &of))
}

/// What a remembered version is called now. The only workload of a Service is told by its revision; when a second one comes
/// beside it, both are told by their labels, and when one of them goes, by its revision again. Of several revisions with that
/// label it is the one that was there first.
pub(crate) fn still(discovery: &Discovery, label: &str, remembered: &Name) -> Option<Name> {
    let is = |found: &Found| found.revision.split('+').any(|revision| revision == remembered.as_str());
    let was = |pod: &Arc<Pod>| pod.labels().get(label).map(String::as_str) == Some(remembered.as_str());
    let all = || discovery.versions.iter();
    let by_revision = || all().find(|(_, found)| is(found));
    let by_label = || all().filter(|(_, found)| found.pods.iter().any(was)).min_by_key(|(_, found)| found.order);
    let renamed = || by_revision().or_else(by_label).map(|(name, _)| name.clone());
    discovery.versions.contains_key(remembered).then(|| remembered.clone()).or_else(renamed)
}

/// Stable at first sight.
fn learn(world: &World, discovery: &Discovery) -> Result<Name, Unclear> {
    if let Way::InPlace(key) = &discovery.way {
        let newest = discovery.versions.iter().max_by_key(|(_, found)| found.order).map(|(name, _)| name.clone());
        let complete = world.deployments.get(key).is_some_and(|deployment| is_complete(deployment));
        let learned = newest.filter(|_| complete).or_else(|| not_held(world, key, discovery));
        return learned.ok_or_else(|| Unclear::Updating(key.clone()));
    }
    match discovery.versions.keys().next() {
        Some(only) if discovery.versions.len() == 1 => Ok(only.clone()),
        _ => Err(Unclear::Several(known(discovery))),
    }
}

/// The only version that no gate of ours holds, beside others that wait: what was remembered is gone, and a Deployment whose
/// pods wait is never complete, so they would wait for ever. And the only version at all, once every pod is of it.
fn not_held(world: &World, deployment: &Key, discovery: &Discovery) -> Option<Name> {
    let waits = |found: &Found| !found.pods.is_empty() && found.pods.iter().all(|pod| is_open(pod) == Held::Shut);
    let mut others = discovery.versions.iter().filter(|(_, found)| !waits(found));
    match (others.next(), others.next()) {
        (Some((name, found)), None) => (discovery.versions.len() > 1 && !found.pods.is_empty()).then(|| name.clone()),
        (Some(_), Some(_)) => None,
        (None, _) => {
            let updated = world.deployments.get(deployment).is_some_and(|deployment| is_updated(deployment));
            discovery.versions.keys().next().filter(|_| discovery.versions.len() == 1 && updated).cloned()
        }
    }
}

/// Whether a Deployment has nothing left to do (`kubectl rollout status`).
pub(crate) fn is_complete(deployment: &Deployment) -> bool {
    let status = deployment.status.as_ref();
    let available = status.and_then(|status| status.available_replicas).unwrap_or(0);
    is_updated(deployment) && available == wanted(deployment)
}

/// Whether all pods of a Deployment, ready or not, are of the revision that it asks for.
fn is_updated(deployment: &Deployment) -> bool {
    let Some(status) = &deployment.status else { return false };
    let count = |count: Option<i32>| count.unwrap_or(0);
    status.observed_generation >= deployment.metadata.generation
        && count(status.updated_replicas) == wanted(deployment)
        && count(status.replicas) == wanted(deployment)
}

fn wanted(deployment: &Deployment) -> i32 {
    deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1)
}

fn known(discovery: &Discovery) -> String {
    discovery.versions.keys().map(Name::as_str).collect::<Vec<_>>().join(", ")
}
