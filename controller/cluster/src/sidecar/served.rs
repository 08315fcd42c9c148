//! PURE. Which released Services are served by sidecars.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tidegate_config::{Name, Timeouts};
use tidegate_inject::ADMIN_PORT;

use crate::lead::{Asked, Served};
use crate::rollout_object::Memory;
use crate::versions::{ip, is_ready, owner, selected, service_port, stays, takeovers};
use crate::world::World;

/// Adds what sidecars serve: a Service's traffic passes us where all pods of its stable version have one that has taken over
/// the port that is judged. Until that is remembered, all of its pods.
pub fn served<'a>(
    world: &World,
    asked: impl IntoIterator<Item = (&'a Asked, Option<&'a Arc<Memory>>)>,
    all: &mut BTreeMap<Name, Served>,
) {
    for (asked, memory) in asked {
        let Some(name) = target(world, asked) else { continue };
        let pods = selected(world, &asked.service);
        let has = |pod: &Arc<Pod>| takeovers(pod).is_some_and(|taken| taken.iter().any(|port| port.name == name));
        if !pods.iter().any(has) {
            continue;
        }
        let stable = memory.and_then(|memory| memory.stable.as_ref());
        let mut first: Vec<_> = pods.iter().filter(|pod| stays(pod) && is_of(world, asked, pod, stable)).collect();
        let behind = first.len();
        first.retain(|pod| has(pod));
        if behind == 0 || first.len() < behind {
            continue;
        }
        let entry = all.entry(asked.name.clone()).or_default();
        entry.managed = true;
        entry.request_timeout = entry.request_timeout.max(Timeouts::default().request);
        entry.targets.extend(pods.iter().filter(|pod| has(pod)).filter_map(|pod| admin(pod)));
        entry.targets.sort_unstable();
        entry.targets.dedup();
    }
}

/// The name of the port that is judged.
fn target(world: &World, asked: &Asked) -> Option<String> {
    let service = world.services.get(&asked.service)?;
    match service_port(service, asked.port.as_deref())?.target_port.as_ref()? {
        IntOrString::String(name) => Some(name.clone()),
        IntOrString::Int(_) => None,
    }
}

/// Whether a pod is of a version: by the label that tells versions, or by its revision.
fn is_of(world: &World, asked: &Asked, pod: &Pod, version: Option<&Name>) -> bool {
    let Some(version) = version else { return true };
    let label = pod.metadata.labels.as_ref().and_then(|labels| labels.get(&asked.label));
    let revision = owner(world, pod).map(|owner| owner.revision);
    label.map(String::as_str) == Some(version.as_str()) || revision.as_deref() == Some(version.as_str())
}

/// Where the sidecar of a pod that gets visitors is read.
fn admin(pod: &Pod) -> Option<SocketAddr> {
    is_ready(pod).then(|| Some(SocketAddr::new(ip(pod)?, ADMIN_PORT)))?
}
