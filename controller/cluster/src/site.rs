//! PURE. A Service that is released by us, as the engine and the proxies are to see it: its versions with the addresses of
//! their usable pods, which of them is stable and which is tried, and how many visitors the canary's pods can take.

mod valve;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, ServicePort};
use tidegate_config::policy::{Policy, Strategy};
use tidegate_config::{Address, Name, Service, Share, Span, Version, Visitor};
use tidegate_controller::service_record::ServiceRecord;

use crate::rollout_object::GivenWay;
use crate::versions::{
    Discovery, Found, Roles, Unclear, Undiscovered, Usable, Way, address, discover, roles, service_port, stays,
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
    /// The versions that are tried at the same time; empty: the newest one.
    pub canaries: &'a [Name],
    /// What is remembered of the rollout under way: a version that it tries is tried also while it has nobody.
    pub under_way: Option<&'a ServiceRecord>,
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
    /// The most visitors that the usable pods of each version can take that is tried; where it is not limited, nothing.
    pub capacity: BTreeMap<Name, Share>,
    /// The versions that are named to be tried and are not there.
    pub missing: Vec<Name>,
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
    let usable = Usable::of(world, discovery.versions.values().flat_map(|found| &found.pods));
    let in_place = matches!(discovery.way, Way::InPlace(_));
    let Roles { stable, canary } = roles(world, &discovery, ask.label, remembered, trusted, ask.stable)?;
    let canary = canary.filter(|_| ask.canaries.is_empty());
    let named = if in_place { &[] } else { ask.canaries };
    let gone = gone(&discovery, ask);
    // A version is tried once it has a pod that can take a visitor.
    let can = |name: &Name| {
        let found = discovery.versions.get(name);
        let remains = ask.under_way.is_some_and(|record| record.tried().any(|it| it.canary == *name));
        remains || found.is_some_and(|found| ask.unstarted || count(usable, found) > 0)
    };
    let missing: Vec<Name> = named.iter().filter(|name| !can(name)).cloned().collect();
    let all = missing.is_empty() && !named.contains(&stable);
    let tried: Vec<Name> = canary.into_iter().filter(can).chain(named.iter().filter(|_| all).cloned()).collect();
    let others: Vec<_> = discovery.versions.keys().filter(|name| **name != stable && !tried.contains(name)).collect();
    // What was never promoted is held until somebody takes it away.
    let promoted = |name: &Name| *name == stable || remembered == Some(name) || trusted.contains(name);
    let leaving = |name: &Name| in_place && tried.is_empty() && others.contains(&name) && promoted(name);
    let version = |(name, found): (&Name, &Found)| {
        let share = if leaving(name) { part(usable, &discovery, name) } else { Share::ZERO };
        let endpoints = found.pods.iter().filter(|pod| usable.has(pod)).filter_map(|pod| address(pod, port));
        let endpoints = endpoints.map(Address::Ip).collect();
        // Whoever restarts what is stable has changed nothing of what it is compared with.
        let revision = Some(if *name == stable { found.made_from.clone() } else { found.revision.clone() });
        (name.clone(), Version { endpoints, share, revision, refuse: None })
    };
    let limited = if ask.ignores_capacity { &[] } else { tried.as_slice() };
    let capacity = capacity(usable, &discovery, ask.policy.strategy, limited, &stable);
    let Valve { to_open, to_shut } = valve::of(world, usable, &discovery, ask.opens, promoted);
    let versions = discovery.versions.iter().map(version).chain(gone).collect();
    let remains = |found: &Found| found.pods.iter().any(|pod| stays(pod));
    let left = discovery.versions.iter().filter(|(_, found)| remains(found)).map(|(name, _)| name.clone()).collect();
    let rollout = (!tried.is_empty()).then(|| ask.policy.clone());
    let (visitor, park) = (ask.visitor.clone(), ask.park);
    let (canary, canaries) = if tried.len() == 1 { (tried.into_iter().next(), Vec::new()) } else { (None, tried) };
    let service = Service { stable: Some(stable.clone()), canary, canaries, versions, rollout, visitor, park };
    Ok(Site { way: discovery.way, service, left, capacity, missing, to_open, to_shut })
}

/// The versions that are tried together with others and are not there any more: it is the same rollout without them.
fn gone<'a>(discovery: &'a Discovery, ask: &Ask<'a>) -> impl Iterator<Item = (Name, Version)> + 'a {
    let tried = ask.under_way.into_iter().flat_map(ServiceRecord::tried);
    let together = tried.filter(|status| !status.rivals.is_empty());
    let gone = together.filter(|status| !discovery.versions.contains_key(&status.canary));
    gone.map(|status| (status.canary.clone(), Version { revision: status.revision.clone(), ..Version::default() }))
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

fn count(usable: Usable<'_>, found: &Found) -> usize {
    found.pods.iter().filter(|pod| usable.has(pod)).count()
}

/// The most visitors that the usable pods can take of each version that is tried. Of canaries all pods share the visitors, so
/// it is their part in all of them; blue/green brings every visitor to the new ones, so as many as each of the stable version's
/// takes now. Who comes when the stable version is gone shares with nobody.
fn capacity(
    usable: Usable<'_>,
    discovery: &Discovery,
    strategy: Strategy,
    tried: &[Name],
    stable: &Name,
) -> BTreeMap<Name, Share> {
    let pods = |name: &Name| discovery.versions.get(name).map_or(0, |found| count(usable, found));
    let (stable, all) = (pods(stable), pods(stable) + tried.iter().map(pods).sum::<usize>());
    let of = |canary: &Name| match strategy {
        Strategy::Canary => ratio(pods(canary), all),
        Strategy::Recreate => Share::ALL,
        Strategy::BlueGreen => ratio(pods(canary).min(stable), stable.max(1)),
    };
    tried.iter().map(|canary| (canary.clone(), of(canary))).collect()
}

/// The part of a version in all usable pods.
fn part(usable: Usable<'_>, discovery: &Discovery, version: &Name) -> Share {
    let all = discovery.versions.values().map(|found| count(usable, found)).sum();
    discovery.versions.get(version).map_or(Share::ZERO, |found| ratio(count(usable, found), all))
}

fn ratio(part: usize, whole: usize) -> Share {
    let ppm = (part * 1_000_000).checked_div(whole).unwrap_or(0);
    u32::try_from(ppm).ok().and_then(Share::from_ppm).unwrap_or(Share::ZERO)
}

#[cfg(test)]
mod tests;
