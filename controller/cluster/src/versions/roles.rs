//! PURE. Which of a Service's versions is stable, and which one is tried.

use k8s_openapi::api::apps::v1::Deployment;
use tidegate_config::Name;

use super::discover::{Discovery, Found, Way};
use crate::world::World;

/// Stable and canary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// The version that has the visitors.
    pub stable: Name,
    /// The newest other one, if it is newer than stable.
    pub canary: Option<Name>,
}

impl Roles {
    /// A canary that was stable before is stable again at once.
    #[must_use]
    pub fn trusting(self, trusted: &[Name]) -> Self {
        match self.canary {
            Some(canary) if trusted.contains(&canary) => Self { stable: canary, canary: None },
            canary => Self { canary, ..self },
        }
    }
}

/// Why it cannot be told which version is stable. Nothing is held back meanwhile, and nobody is moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unclear {
    /// A Deployment in the middle of an update has two revisions, and it is not known which one was there first.
    #[error("Deployment {0} is being updated; its stable revision is learned when it is complete")]
    Updating(crate::world::Key),
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

/// The roles of the versions. `remembered` is the version that was stable before; `named` is what the user says.
///
/// Whatever is remembered stays stable until a rollout promotes another, or it is gone.
pub fn roles(
    world: &World,
    discovery: &Discovery,
    remembered: Option<&Name>,
    named: Option<&Name>,
) -> Result<Roles, Unclear> {
    let there = |name: &&Name| discovery.versions.contains_key(*name);
    let stable = match (remembered.and_then(|name| still(discovery, name)), named) {
        (Some(remembered), _) => remembered,
        (None, Some(named)) => there(&named)
            .then(|| named.clone())
            .ok_or_else(|| Unclear::NotThere { named: named.clone(), known: known(discovery) })?,
        (None, None) => learn(world, discovery)?,
    };
    let order = |name: &Name| discovery.versions.get(name).map_or(0, |found| found.order);
    let newest = discovery.versions.iter().filter(|(name, _)| **name != stable).max_by_key(|(_, it)| it.order);
    let newer = |(name, found): (&Name, &Found)| (found.order >= order(&stable)).then(|| name.clone());
    Ok(Roles { canary: newest.and_then(newer), stable })
}

/// What a remembered version is called now. The only workload of a Service is told by its revision; when a second one comes
/// beside it, both are told by their labels.
pub(crate) fn still(discovery: &Discovery, remembered: &Name) -> Option<Name> {
    let is = |found: &Found| found.revision.split('+').any(|revision| revision == remembered.as_str());
    let renamed = || discovery.versions.iter().find(|(_, found)| is(found)).map(|(name, _)| name.clone());
    discovery.versions.contains_key(remembered).then(|| remembered.clone()).or_else(renamed)
}

/// Stable at first sight.
fn learn(world: &World, discovery: &Discovery) -> Result<Name, Unclear> {
    if let Way::InPlace(key) = &discovery.way {
        let newest = discovery.versions.iter().max_by_key(|(_, found)| found.order).map(|(name, _)| name.clone());
        let complete = world.deployments.get(key).is_some_and(|deployment| is_complete(deployment));
        return newest.filter(|_| complete).ok_or_else(|| Unclear::Updating(key.clone()));
    }
    match discovery.versions.keys().next() {
        Some(only) if discovery.versions.len() == 1 => Ok(only.clone()),
        _ => Err(Unclear::Several(known(discovery))),
    }
}

/// Whether a Deployment has nothing left to do (`kubectl rollout status`).
pub(crate) fn is_complete(deployment: &Deployment) -> bool {
    let Some(status) = &deployment.status else { return false };
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let count = |count: Option<i32>| count.unwrap_or(0);
    status.observed_generation >= deployment.metadata.generation
        && count(status.updated_replicas) == wanted
        && count(status.replicas) == wanted
        && count(status.available_replicas) == wanted
}

fn known(discovery: &Discovery) -> String {
    discovery.versions.keys().map(Name::as_str).collect::<Vec<_>>().join(", ")
}
