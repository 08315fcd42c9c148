//! PURE. The rollout objects that the annotations of Services ask for: which are to be made, changed or taken away.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::{Resource, ResourceExt};
use tidegate_config::{Label, Problems};

use super::object::is_of_annotations;
use crate::rollout_object::{Rollout, RolloutSpec};
use crate::world::{Key, World};

/// The label of rollout objects that says where they come from.
pub(super) const MADE_FROM: &str = "tidegate.dev/made-from";
/// Its value for those that follow from annotations.
pub(super) const ANNOTATIONS: &str = "annotations";

/// What is to be done so that rollout objects say what annotations ask for.
#[derive(Debug, Default)]
pub struct Annotated {
    /// To be made.
    pub create: Vec<Rollout>,
    /// To be replaced: each names the state that it follows from.
    pub replace: Vec<Rollout>,
    /// To be taken away, with uid and version.
    pub delete: Vec<(Key, String, String)>,
    /// Services whose annotations say nothing that could be done, with their uid, and what is wrong.
    pub wrong: Vec<(Key, String, Problems)>,
}

/// What follows from the annotations of a world.
pub fn annotated(world: &World) -> Annotated {
    let mut all = Annotated::default();
    let mut asked: BTreeSet<&Key> = BTreeSet::new();
    for (key, service) in &world.services {
        let Ok(name) = key.name.parse::<Label>() else { continue };
        let spec = match RolloutSpec::of_annotations(&name, service.annotations()) {
            Ok(Some(spec)) => spec,
            Ok(None) => continue,
            // What is there stays as it is, and says what is wrong.
            Err(problems) => {
                // Where somebody made an object of that name, it counts.
                if world.rollouts.get(key).is_none_or(|object| is_of_annotations(object)) {
                    all.wrong.push((key.clone(), service.uid().unwrap_or_default(), problems));
                }
                asked.insert(key);
                continue;
            }
        };
        asked.insert(key);
        let owner = OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Service".to_owned(),
            name: key.name.clone(),
            uid: service.uid().unwrap_or_default(),
            controller: Some(true),
            block_owner_deletion: None,
        };
        match world.rollouts.get(key).map(|object| (object, &**object)) {
            None => all.create.push(rollout(key, spec, &owner)),
            // Somebody made one of that name: it counts, and the annotations do not.
            Some((object, _)) if !is_of_annotations(object) => {}
            Some((_, DeserializeGuard(Ok(there))))
                if there.spec == spec && there.owner_references() == [owner.clone()] => {}
            Some((_, there)) => {
                let mut next = rollout(key, spec, &owner);
                next.metadata = ObjectMeta { owner_references: Some(vec![owner]), ..there.meta().clone() };
                all.replace.push(next);
            }
        }
    }
    let left = world.rollouts.iter().filter(|(key, object)| is_of_annotations(object) && !asked.contains(key));
    all.delete = left
        .map(|(key, object)| {
            (key.clone(), object.uid().unwrap_or_default(), object.resource_version().unwrap_or_default())
        })
        .collect();
    all
}

fn rollout(key: &Key, spec: RolloutSpec, owner: &OwnerReference) -> Rollout {
    let mut rollout = Rollout::new(&key.name, spec);
    rollout.metadata.namespace = Some(key.namespace.clone());
    rollout.metadata.labels = Some(BTreeMap::from([(MADE_FROM.to_owned(), ANNOTATIONS.to_owned())]));
    rollout.metadata.owner_references = Some(vec![owner.clone()]);
    rollout
}
