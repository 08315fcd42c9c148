//! PURE. The rollout objects that the annotations of Services ask for: which are to be made, changed or taken away.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::{Resource, ResourceExt};
use tidegate_config::{Label, Problems};

use super::object::is_of_annotations;
use crate::rollout_object::{Rollout, RolloutSpec};
use crate::world::{Key, Objects, World};

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

/// What the annotations of Services say, read once for each state of a Service.
#[derive(Debug, Default)]
pub struct Annotations {
    services: Objects<Service>,
    /// Of Services that say anything.
    said: BTreeMap<Key, Result<RolloutSpec, Problems>>,
}

impl Annotations {
    fn read(&mut self, services: &Objects<Service>) {
        for (key, _, now) in self.services.changes(services) {
            let name = key.name.parse::<Label>().ok();
            let read = now.zip(name).map(|(service, name)| RolloutSpec::of_annotations(&name, service.annotations()));
            match read.and_then(Result::transpose) {
                Some(said) => drop(self.said.insert(key.clone(), said)),
                None => drop(self.said.remove(key)),
            }
        }
        self.services = services.clone();
    }
}

/// What follows from the annotations of a world.
pub fn annotated(world: &World, annotations: &mut Annotations) -> Annotated {
    annotations.read(&world.services);
    let asked = &annotations.said;
    let mut all = Annotated::default();
    for (key, said) in asked {
        let Some(service) = world.services.get(key) else { continue };
        let spec = match said {
            Ok(spec) => spec,
            // What is there stays as it is, and says what is wrong.
            Err(problems) => {
                // Where somebody made an object of that name, it counts.
                if world.rollouts.get(key).is_none_or(|object| is_of_annotations(object)) {
                    all.wrong.push((key.clone(), service.uid().unwrap_or_default(), problems.clone()));
                }
                continue;
            }
        };
        let owner = OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Service".to_owned(),
            name: key.name.clone(),
            uid: service.uid().unwrap_or_default(),
            controller: Some(true),
            block_owner_deletion: None,
        };
        match world.rollouts.get(key).map(|object| (object, &**object)) {
            None => all.create.push(rollout(key, spec.clone(), &owner)),
            // Somebody made one of that name: it counts, and the annotations do not.
            Some((object, _)) if !is_of_annotations(object) => {}
            Some((_, DeserializeGuard(Ok(there))))
                if there.spec == *spec && there.owner_references() == [owner.clone()] => {}
            Some((_, there)) => {
                let mut next = rollout(key, spec.clone(), &owner);
                next.metadata = ObjectMeta { owner_references: Some(vec![owner]), ..there.meta().clone() };
                all.replace.push(next);
            }
        }
    }
    let left = world.rollouts.iter().filter(|(key, object)| is_of_annotations(object) && !asked.contains_key(key));
    let stays = left.filter(|(_, object)| object.meta().deletion_timestamp.is_none());
    all.delete = stays
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifests::{SERVICE, add, world};

    #[test]
    fn annotations_are_those_of_the_service_as_it_is_now() {
        let mut annotations = Annotations::default();
        let annotated_by =
            |text: &str| SERVICE.replace("metadata: {", &format!("metadata: {{uid: u1, annotations: {{{text}}}, "));
        let mut world = world(SERVICE);
        let mut steps = |world: &World| {
            let now = annotated(world, &mut annotations);
            let fresh = annotated(world, &mut Annotations::default());
            assert_eq!((now.create.len(), now.wrong.len()), (fresh.create.len(), fresh.wrong.len()));
            let said = now.create.first().map(|rollout| rollout.spec.policy.soak.to_string());
            assert_eq!(said, fresh.create.first().map(|rollout| rollout.spec.policy.soak.to_string()));
            (said, now.wrong.len())
        };
        assert_eq!(steps(&world), (None, 0));
        let rows = [
            ("tidegate.dev/strategy: canary, tidegate.dev/soak: 3m", (Some("3m".to_owned()), 0)),
            ("tidegate.dev/strategy: canary, tidegate.dev/soak: 4m", (Some("4m".to_owned()), 0)),
            ("tidegate.dev/strategy: canary, tidegate.dev/soak: soon", (None, 1)),
            ("example.com/team: shop", (None, 0)),
        ];
        for (text, expected) in rows {
            add(&mut world, &annotated_by(text));
            assert_eq!(steps(&world), expected, "{text}");
            assert_eq!(steps(&world), expected, "{text} once more");
        }
        add(&mut world, &annotated_by("tidegate.dev/strategy: canary"));
        assert!(steps(&world).0.is_some());
        world.services.clear();
        assert_eq!(steps(&world), (None, 0), "gone");
    }
}
