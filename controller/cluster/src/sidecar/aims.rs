//! PURE. Which Services that are released by us aim at a port of a pod by its name.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::catalog::Catalog;
use crate::versions::selects;
use crate::world::{Key, World};

/// The Services, by their namespace and one of the labels that each selects: a pod is compared with few of them.
#[derive(Debug, Default)]
pub(super) struct Aims<'a>(HashMap<Label<'a>, Vec<(&'a Key, &'a Service)>>);

/// A namespace, and a label in it.
type Label<'a> = (&'a str, &'a str, &'a str);

impl<'a> Aims<'a> {
    /// The released Services of a world.
    pub(super) fn of(world: &'a World, catalog: &Catalog<'a>) -> Self {
        let mut all = Self::default();
        for key in catalog.services() {
            let Some((key, service)) = world.services.get_key_value(key) else { continue };
            let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
            if let Some((name, value)) = selector.and_then(|selector| selector.first_key_value()) {
                all.0.entry((&key.namespace, name, value)).or_default().push((key, service));
            }
        }
        all
    }

    /// The ports of Services that select a pod and aim at one of its ports, by the order of their names. A rollout has a
    /// workload alone, so there is one Service at most in nearly every cluster.
    pub(super) fn at(&self, pod: &Pod, namespace: &str, name: &str) -> impl Iterator<Item = (Key, String)> {
        let labels = pod.metadata.labels.as_ref();
        let mut found = Vec::new();
        for (label, value) in labels.into_iter().flatten() {
            for (key, service) in self.0.get(&(namespace, label.as_str(), value.as_str())).into_iter().flatten() {
                if selects(service, labels) {
                    let aims = |target: &Option<IntOrString>| *target == Some(IntOrString::String(name.to_owned()));
                    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
                    let ports = ports.filter(|port| aims(&port.target_port));
                    found.extend(ports.map(|port| (Key::clone(key), port.port.to_string())));
                }
            }
        }
        found.sort();
        found.into_iter()
    }
}
