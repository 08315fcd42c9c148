//! PURE. Entries that were made before, each with all that it was made of: in a large cluster most of a moment's services are
//! those of the moment before.

use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use tidegate_config::Name;

use super::Entry;
use crate::lead::Asked;
use crate::rollout_object::Memory;
use crate::world::{Key, List, World};

/// Entries by Service and port.
#[derive(Debug, Default)]
pub struct Entries(HashMap<Key, Vec<(Option<String>, Made)>>);

/// An entry, and what it was made of.
#[derive(Debug)]
struct Made {
    of: Of,
    found: Option<Found>,
    /// Whether it was asked for since the last [`Entries::forget`].
    asked: bool,
}

/// A service as proxies are told of it.
#[derive(Debug, Clone)]
pub struct Found {
    /// What they call it.
    pub name: Name,
    /// The same value as before, where it says the same.
    pub entry: Arc<Entry>,
    /// Whether its shares are written down.
    pub released: bool,
}

/// All that an entry follows from, but for keys that never change.
#[derive(Debug)]
pub(super) struct Of {
    pub(super) service: Arc<Service>,
    pub(super) slices: Arc<List<EndpointSlice>>,
    pub(super) released: Option<(Arc<Asked>, Arc<Memory>)>,
    /// Where it is released, or no slice has an endpoint that takes requests.
    pub(super) pods: Option<Pods>,
}

/// The pods of a Service, and what tells their versions and whether they serve.
#[derive(Debug)]
pub(super) struct Pods {
    pub(super) selected: Arc<List<Pod>>,
    /// The workloads and nodes of the whole cluster: they change seldom.
    pub(super) workloads: World,
}

impl Of {
    /// Whether it is made of the very same objects.
    fn same(&self, other: &Self) -> bool {
        let released = match (&self.released, &other.released) {
            (Some((asked, memory)), Some((other_asked, other_memory))) => {
                Arc::ptr_eq(asked, other_asked) && Arc::ptr_eq(memory, other_memory)
            }
            (one, other) => one.is_none() && other.is_none(),
        };
        let pods = match (&self.pods, &other.pods) {
            (Some(one), Some(other)) => same(&one.selected, &other.selected) && one.workloads.same(&other.workloads),
            (one, other) => one.is_none() && other.is_none(),
        };
        released && pods && Arc::ptr_eq(&self.service, &other.service) && same(&self.slices, &other.slices)
    }
}

fn same<K>(one: &List<K>, other: &List<K>) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| Arc::ptr_eq(one, other))
}

impl Entries {
    /// The entry that is made of this: the one known, where it is made of the same.
    pub(super) fn get(
        &mut self,
        key: &Key,
        port: Option<&str>,
        of: Of,
        make: impl FnOnce() -> Option<Found>,
    ) -> Option<Found> {
        let place = match self.0.get_mut(key) {
            Some(place) => place,
            None => self.0.entry(key.clone()).or_default(),
        };
        let known = place.iter_mut().find(|(known, _)| known.as_deref() == port).map(|(_, made)| made);
        if let Some(known) = known {
            known.asked = true;
            if !known.of.same(&of) {
                let before = known.found.take();
                let found = make();
                known.found = found.map(|found| before.filter(|before| before.says_the_same(&found)).unwrap_or(found));
                known.of = of;
            }
            return known.found.clone();
        }
        let found = make();
        place.push((port.map(str::to_owned), Made { of, found: found.clone(), asked: true }));
        found
    }

    /// Forgets what nobody has asked for since the last time.
    pub fn forget(&mut self) {
        self.0.retain(|_, place| {
            place.retain_mut(|(_, made)| std::mem::take(&mut made.asked));
            !place.is_empty()
        });
    }
}

impl Found {
    fn says_the_same(&self, other: &Self) -> bool {
        (&self.name, &self.entry, self.released) == (&other.name, &other.entry, other.released)
    }
}

#[cfg(test)]
mod tests;
