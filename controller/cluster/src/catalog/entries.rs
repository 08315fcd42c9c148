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
    pub(super) released: Option<Released>,
}

/// What the versions of a released Service follow from.
#[derive(Debug)]
pub(super) struct Released {
    pub(super) asked: Arc<Asked>,
    pub(super) memory: Arc<Memory>,
    pub(super) pods: Arc<List<Pod>>,
    /// The workloads and nodes of the whole cluster: they change seldom.
    pub(super) workloads: World,
}

impl Of {
    /// Whether it is made of the very same objects.
    fn same(&self, other: &Self) -> bool {
        let released = match (&self.released, &other.released) {
            (Some(one), Some(other)) => one.same(other),
            (None, None) => true,
            _ => false,
        };
        released && Arc::ptr_eq(&self.service, &other.service) && same(&self.slices, &other.slices)
    }
}

impl Released {
    fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.asked, &other.asked)
            && Arc::ptr_eq(&self.memory, &other.memory)
            && same(&self.pods, &other.pods)
            && self.workloads.same(&other.workloads)
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
