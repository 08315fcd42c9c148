//! PURE. Whether a version is on its way that no rollout speaks of yet. Between a change of the workload and the rollout that
//! follows from it the object still tells of the last one, and a script that waits must not take that one's end for its own.

use tidegate_cluster::rollout_object::{Memory, RolloutSpec};
use tidegate_cluster::versions::{discover, roles, selects};
use tidegate_cluster::world::{Key, World};
use tidegate_config::Name;

/// Whether the workloads behind a Service have, or are about to have, a version that is neither stable nor was tried last.
pub(crate) fn is_coming(world: &World, service: &Key, spec: &RolloutSpec, memory: &Memory) -> bool {
    if is_unseen(world, service) {
        return true;
    }
    let (label, given_way) = (spec.options.version_label.as_str(), memory.given_way.as_ref());
    let Ok(found) = discover(world, service, label, given_way) else { return false };
    let named = spec.options.stable.clone().map(Name::from);
    let roles = roles(world, &found, label, memory.stable.as_ref(), &memory.trusted, named.as_ref());
    let Ok(roles) = roles else { return false };
    let is_last = |version: &Name| memory.record.tried().any(|status| status.canary == *version);
    if spec.options.canaries.is_empty() {
        return roles.canary.is_some_and(|newest| !is_last(&newest));
    }
    let named: Vec<Name> = spec.options.canaries.iter().cloned().map(Name::from).collect();
    let all = named.iter().all(|version| found.versions.contains_key(version) && *version != roles.stable);
    all && named.iter().any(|version| !is_last(version))
}

/// Whether a Deployment behind a Service was changed, and nobody has made pods of that yet.
fn is_unseen(world: &World, service: &Key) -> bool {
    let Some(service) = world.services.get(service) else { return false };
    world.deployments.values().any(|deployment| {
        let template = deployment.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref());
        let selected = selects(service, template.and_then(|template| template.labels.as_ref()));
        let seen = deployment.status.as_ref().and_then(|status| status.observed_generation);
        selected && seen < deployment.metadata.generation
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
    use k8s_openapi::api::core::v1::{Pod, Service};
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;
    use crate::seen::tests::memory;

    fn object<K: DeserializeOwned>(object: Value) -> Arc<K> {
        Arc::new(serde_json::from_value(object).unwrap())
    }

    /// A Deployment in place with these revisions, each with a pod.
    fn world(revisions: &[&str], generation: i64, observed: i64) -> World {
        let mut world = World::default();
        let labels = json!({"app": "shop"});
        let key = |name: &str| Key::new("web", name);
        let service = json!({"metadata": {"name": "shop", "namespace": "web"}, "spec": {"selector": labels}});
        world.services.insert(key("shop"), object::<Service>(service));
        world.deployments.insert(
            key("shop"),
            object::<Deployment>(json!({
                "metadata": {"name": "shop", "namespace": "web", "generation": generation},
                "spec": {"selector": {}, "template": {"metadata": {"labels": labels}}},
                "status": {"observedGeneration": observed},
            })),
        );
        for (index, revision) in revisions.iter().enumerate() {
            let owner = |kind: &str, name: &str| json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "u", "controller": true}]);
            let labels = json!({"app": "shop", "pod-template-hash": revision});
            let metadata = |owners: Value| {
                json!({"name": revision, "namespace": "web", "labels": labels, "ownerReferences": owners,
                    "annotations": {"deployment.kubernetes.io/revision": (index + 1).to_string()}})
            };
            let set =
                json!({"metadata": metadata(owner("Deployment", "shop")), "spec": {"replicas": 1, "selector": {}}});
            world.replica_sets.insert(key(revision), object::<ReplicaSet>(set));
            world
                .pods
                .insert(key(revision), object::<Pod>(json!({"metadata": metadata(owner("ReplicaSet", revision))})));
        }
        world
    }

    #[test]
    fn a_version_that_nobody_speaks_of_yet_is_coming() {
        let spec: RolloutSpec = serde_json::from_value(json!({"service": "shop", "strategy": "canary"})).unwrap();
        let service = Key::new("web", "shop");
        // v1 is stable, v2 was tried last.
        let memory = memory(&[]);
        for (revisions, generation, observed, coming, why) in [
            (&["v1"][..], 2, 2, false, "nothing but stable"),
            (&["v1"], 3, 2, true, "the change is not seen yet"),
            (&["v1", "v2"], 3, 3, false, "it is the one that is spoken of"),
            (&["v1", "v2", "v3"], 3, 3, true, "a newer one is there"),
            (&["v0", "v1"], 3, 3, false, "an older one is still there"),
        ] {
            let found = is_coming(&world(revisions, generation, observed), &service, &spec, &memory);
            assert_eq!(found, coming, "{why}");
        }
        assert!(!is_coming(&World::default(), &service, &spec, &memory), "there is no Service");
    }
}
