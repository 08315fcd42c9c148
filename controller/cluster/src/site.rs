//! PURE. A Service that is released by us, as the engine and the proxies are to see it: its versions with the addresses of
//! their usable pods, which of them is stable and which is tried, and how many visitors the canary's pods can take.

mod valve;

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, ServicePort};
use tidegate_config::policy::{Policy, Strategy};
use tidegate_config::{Address, Name, Service, Share, Span, Version, Visitor};

use crate::rollout_object::GivenWay;
use crate::versions::{
    Discovery, Found, Roles, Unclear, Undiscovered, Way, address, discover, is_usable, roles, service_port,
};
use crate::world::{Key, World};
use valve::Valve;

/// What somebody asks for one Service.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The Service.
    pub service: &'a Key,
    /// How its versions are rolled out.
    pub policy: &'a Policy,
    /// Who counts as one visitor.
    pub visitor: &'a Visitor,
    /// How long a request waits while nobody can be reached.
    pub park: Option<Span>,
    /// The pod label that tells versions of several workloads apart.
    pub label: &'a str,
    /// The name or number of the port that is judged; may be left out with a single port.
    pub port: Option<&'a str>,
    /// The version that is stable at first sight.
    pub stable: Option<&'a Name>,
    /// Whether the canary may get more visitors than its part of the pods.
    pub ignores_capacity: bool,
    /// The version of which as many pods are opened as its share needs, and that share.
    pub opens: Option<(&'a Name, Share)>,
    /// Whether a version is tried before a pod of it can take a visitor: its pods are held until something has succeeded.
    pub unstarted: bool,
    /// The stable version, where its workloads have given way to the canary's.
    pub given_way: Option<&'a GivenWay>,
}

/// A Service as it is at the moment.
#[derive(Debug, Clone)]
pub struct Site {
    /// Where its versions come from.
    pub way: Way,
    /// For the engine and the proxies.
    pub service: Service,
    /// Versions with a pod that nobody is taking away.
    pub left: BTreeSet<Name>,
    /// The most visitors that the canary's usable pods can take.
    pub capacity: Share,
    /// Pods whose gate is shut, of versions that are or were stable: they are to be opened.
    pub to_open: Vec<Arc<Pod>>,
    /// Pods whose gate is open, of all other versions: they are to be shut.
    pub to_shut: Vec<Arc<Pod>>,
}

/// Why a Service cannot be released.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreleasable {
    /// Its versions cannot be told.
    #[error(transparent)]
    Versions(#[from] Undiscovered),
    /// Nor which of them is stable.
    #[error(transparent)]
    Roles(#[from] Unclear),
    /// The port to judge is not there.
    #[error("port {wanted:?} of Service {service} is not there, expected one of {known}")]
    Port {
        /// The Service.
        service: Key,
        /// What was asked for; empty where nothing was, and there are several.
        wanted: String,
        /// The ports.
        known: String,
    },
}

/// The Service as it is, with `remembered` as the version that was stable before.
///
/// `trusted` are versions that were stable before: whoever goes back to one of them must not wait for us.
pub fn site(world: &World, ask: &Ask<'_>, remembered: Option<&Name>, trusted: &[Name]) -> Result<Site, Unreleasable> {
    let port = port(world, ask)?;
    let discovery = discover(world, ask.service, ask.label, ask.given_way)?;
    let Roles { stable, canary } = roles(world, &discovery, ask.label, remembered, trusted, ask.stable)?;
    // A version is tried once it has a pod that can take a visitor.
    let canary = canary.filter(|name| ask.unstarted || usable(world, &discovery.versions[name]) > 0);
    let others: Vec<_> =
        discovery.versions.keys().filter(|name| **name != stable && Some(*name) != canary.as_ref()).collect();
    let in_place = matches!(discovery.way, Way::InPlace(_));
    // What was never promoted is held until somebody takes it away.
    let promoted = |name: &Name| *name == stable || remembered == Some(name) || trusted.contains(name);
    let leaving = |name: &Name| in_place && canary.is_none() && others.contains(&name) && promoted(name);
    let version = |(name, found): (&Name, &Found)| {
        let share = if leaving(name) { part(world, &discovery, name) } else { Share::ZERO };
        let endpoints = found.pods.iter().filter(|pod| is_usable(world, pod)).filter_map(|pod| address(pod, port));
        let endpoints = endpoints.map(Address::Ip).collect();
        let revision = Some(found.revision.clone());
        (name.clone(), Version { endpoints, share, revision, refuse: None })
    };
    let capacity = match &canary {
        Some(canary) if !ask.ignores_capacity => capacity(world, &discovery, ask.policy.strategy, canary, &stable),
        _ => Share::ALL,
    };
    let Valve { to_open, to_shut } = valve::of(world, &discovery, ask.opens, promoted);
    let versions = discovery.versions.iter().map(version).collect();
    let stays = |found: &Found| found.pods.iter().any(|pod| pod.metadata.deletion_timestamp.is_none());
    let left = discovery.versions.iter().filter(|(_, found)| stays(found)).map(|(name, _)| name.clone()).collect();
    let rollout = canary.is_some().then(|| ask.policy.clone());
    let (visitor, park) = (ask.visitor.clone(), ask.park);
    let service = Service { stable: Some(stable.clone()), canary, versions, rollout, visitor, park };
    Ok(Site { way: discovery.way, service, left, capacity, to_open, to_shut })
}

fn port<'a>(world: &'a World, ask: &Ask<'_>) -> Result<&'a ServicePort, Unreleasable> {
    let object = world.services.get(ask.service).ok_or_else(|| Undiscovered::NoService(ask.service.clone()))?;
    let name = |port: &ServicePort| port.name.clone().unwrap_or_else(|| port.port.to_string());
    let known = object.spec.iter().flat_map(|spec| spec.ports.iter().flatten()).map(name);
    service_port(object, ask.port).ok_or_else(|| Unreleasable::Port {
        service: ask.service.clone(),
        wanted: ask.port.unwrap_or_default().to_owned(),
        known: known.collect::<Vec<_>>().join(", "),
    })
}

fn usable(world: &World, found: &Found) -> usize {
    found.pods.iter().filter(|pod| is_usable(world, pod)).count()
}

/// The most visitors that the canary's usable pods can take. Of a canary all pods share the visitors, so it is their part in
/// all of them; blue/green brings every visitor to the new ones, so as many as each of the stable version's takes now. Who
/// comes when the stable version is gone shares with nobody.
fn capacity(world: &World, discovery: &Discovery, strategy: Strategy, canary: &Name, stable: &Name) -> Share {
    let count = |name: &Name| discovery.versions.get(name).map_or(0, |found| usable(world, found));
    let (canary, stable) = (count(canary), count(stable));
    match strategy {
        Strategy::Canary => ratio(canary, canary + stable),
        Strategy::Recreate => Share::ALL,
        Strategy::BlueGreen => ratio(canary.min(stable), stable.max(1)),
    }
}

/// The part of a version in all usable pods.
fn part(world: &World, discovery: &Discovery, version: &Name) -> Share {
    let all = discovery.versions.values().map(|found| usable(world, found)).sum();
    discovery.versions.get(version).map_or(Share::ZERO, |found| ratio(usable(world, found), all))
}

fn ratio(part: usize, whole: usize) -> Share {
    let ppm = (part * 1_000_000).checked_div(whole).unwrap_or(0);
    u32::try_from(ppm).ok().and_then(Share::from_ppm).unwrap_or(Share::ZERO)
}

#[cfg(test)]
mod tests;
