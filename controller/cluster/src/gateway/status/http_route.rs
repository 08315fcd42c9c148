//! PURE. The status of an HTTP route, which several controllers share: each has its own parents in it.

use gateway_api::experimental::httproutes::{
    HttpRoute, HttpRouteParentRefs, HttpRouteStatus, HttpRouteStatusParents, HttpRouteStatusParentsParentRef,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Patch, patch};
use crate::gateway::finding::conditions;
use crate::gateway::route::Parent;

/// The types of conditions that are ours at a parent.
const PARENT: [&str; 3] = ["Accepted", "ResolvedRefs", "PartiallyInvalid"];

/// The status of a route whose parents of ours are `parents`; without any, what `controller` said before is taken back.
pub fn http_route(
    object: &HttpRoute,
    parents: &[Parent],
    controller: &str,
    now: &Time,
) -> Option<Patch<HttpRouteStatus>> {
    let before = object.status.as_ref();
    let entries = before.map(|status| status.parents.as_slice()).unwrap_or_default();
    if parents.is_empty() && !entries.iter().any(|entry| entry.controller_name == controller) {
        return None;
    }
    let parent = |parent: &Parent, known: Option<&HttpRouteStatusParents>| {
        let known = known.map(|entry| entry.conditions.as_slice());
        HttpRouteStatusParents {
            conditions: conditions(&parent.findings, &PARENT, object.metadata.generation, known, now),
            controller_name: controller.to_owned(),
            parent_ref: echo(&parent.reference),
        }
    };
    let is_about = |entry: &HttpRouteStatusParents, parent: &Parent| {
        entry.controller_name == controller && entry.parent_ref == echo(&parent.reference)
    };
    // Every entry keeps its place: controllers that each brought theirs to the front would never come to rest.
    let known = entries.iter().filter_map(|entry| {
        if entry.controller_name != controller {
            return Some(entry.clone());
        }
        parents.iter().find(|parent| is_about(entry, parent)).map(|found| parent(found, Some(entry)))
    });
    let is_new = |parent: &&Parent| !entries.iter().any(|entry| is_about(entry, parent));
    let new = parents.iter().filter(is_new).map(|found| parent(found, None));
    let status: Vec<_> = known.chain(new).collect();
    patch(&object.metadata, before, HttpRouteStatus { parents: status })
}

/// The reference as it is written, by which its author finds it again.
fn echo(reference: &HttpRouteParentRefs) -> HttpRouteStatusParentsParentRef {
    let HttpRouteParentRefs { group, kind, name, namespace, port, section_name } = reference.clone();
    HttpRouteStatusParentsParentRef { group, kind, name, namespace, port, section_name }
}
