//! PURE. The objects of one kind. A copy costs nothing, and a change after it copies one namespace: a large cluster changes
//! many times a second, and each time somebody reads a whole world.

use std::collections::BTreeMap;
use std::ops::Index;
use std::sync::Arc;

use super::Key;

/// The objects of one kind, in the order of their keys.
#[derive(Debug)]
pub struct Objects<K>(Arc<BTreeMap<String, Space<K>>>);

/// Those of one namespace; never empty.
type Space<K> = Arc<BTreeMap<Arc<Key>, Arc<K>>>;

/// An object that came, went, or is another now: as it was, and as it is.
pub type Change<'a, K> = (&'a Key, Option<&'a Arc<K>>, Option<&'a Arc<K>>);

impl<K> Objects<K> {
    /// An object.
    pub fn get(&self, key: &Key) -> Option<&Arc<K>> {
        self.get_key_value(key).map(|(_, object)| object)
    }

    /// An object with its key.
    pub fn get_key_value(&self, key: &Key) -> Option<(&Key, &Arc<K>)> {
        self.0.get(&key.namespace)?.get_key_value(key).map(|(key, object)| (&**key, object))
    }

    /// Whether there is such an object.
    pub fn contains_key(&self, key: &Key) -> bool {
        self.get(key).is_some()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Arc<K>)> {
        self.0.values().flat_map(|space| space.iter()).map(|(key, object)| (&**key, object))
    }

    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = &Key> {
        self.iter().map(|(key, _)| key)
    }

    /// All without their keys.
    pub fn values(&self) -> impl Iterator<Item = &Arc<K>> {
        self.iter().map(|(_, object)| object)
    }

    /// Those of a namespace.
    pub fn of(&self, namespace: &str) -> impl Iterator<Item = (&Key, &Arc<K>)> {
        self.0.get(namespace).into_iter().flat_map(|space| space.iter()).map(|(key, object)| (&**key, object))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.values().map(|space| space.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts an object in the place of the one of that key.
    pub fn insert(&mut self, key: Key, object: Arc<K>) {
        let spaces = Arc::make_mut(&mut self.0);
        let space = match spaces.get_mut(&key.namespace) {
            Some(space) => space,
            None => spaces.entry(key.namespace.clone()).or_default(),
        };
        Arc::make_mut(space).insert(Arc::new(key), object);
    }

    /// Takes an object away.
    pub fn remove(&mut self, key: &Key) {
        if self.contains_key(key) {
            let spaces = Arc::make_mut(&mut self.0);
            if let Some(space) = spaces.get_mut(&key.namespace) {
                let space = Arc::make_mut(space);
                space.remove(key);
                if space.is_empty() {
                    spaces.remove(&key.namespace);
                }
            }
        }
    }

    /// Keeps what `stays`.
    pub fn retain(&mut self, mut stays: impl FnMut(&Key, &Arc<K>) -> bool) {
        let spaces = Arc::make_mut(&mut self.0);
        for space in spaces.values_mut() {
            Arc::make_mut(space).retain(|key, object| stays(key, object));
        }
        spaces.retain(|_, space| !space.is_empty());
    }

    /// Takes all away.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether these are the very objects of another copy. May be false for ones that are equal.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.is_empty() && other.is_empty()
    }

    /// What makes `later` of these. What both copies share is not looked at.
    pub fn changes<'a>(&'a self, later: &'a Self) -> impl Iterator<Item = Change<'a, K>> {
        let differs = |(name, space): &(&'a String, &'a Space<K>), other: &'a Self| {
            other.0.get(*name).is_none_or(|known| !Arc::ptr_eq(known, space))
        };
        let gone = self.0.iter().filter(move |it| differs(it, later)).flat_map(|(_, space)| space.iter());
        let gone = gone.filter(|(key, _)| !later.contains_key(key)).map(|(key, object)| (&**key, Some(object), None));
        let set = later.0.iter().filter(move |it| differs(it, self)).flat_map(|(_, space)| space.iter());
        let set = set.map(|(key, object)| (&**key, self.get(key), Some(object)));
        gone.chain(set.filter(|(_, before, now)| before.zip(*now).is_none_or(|(one, other)| !Arc::ptr_eq(one, other))))
    }
}

impl<K> Clone for Objects<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Default for Objects<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K> Extend<(Key, Arc<K>)> for Objects<K> {
    fn extend<T: IntoIterator<Item = (Key, Arc<K>)>>(&mut self, objects: T) {
        objects.into_iter().for_each(|(key, object)| self.insert(key, object));
    }
}

impl<K> FromIterator<(Key, Arc<K>)> for Objects<K> {
    fn from_iter<T: IntoIterator<Item = (Key, Arc<K>)>>(objects: T) -> Self {
        let mut all = Self::default();
        all.extend(objects);
        all
    }
}

impl<K> Index<&Key> for Objects<K> {
    type Output = Arc<K>;

    #[expect(clippy::expect_used, reason = "what indexing is")]
    fn index(&self, key: &Key) -> &Arc<K> {
        self.get(key).expect("an object of that key")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn key((space, name): (u8, u8)) -> Key {
        Key::new(format!("n{space}"), format!("o{name}"))
    }

    fn listed(objects: &Objects<u8>) -> BTreeMap<Key, u8> {
        objects.iter().map(|(key, object)| (key.clone(), **object)).collect()
    }

    proptest! {
        /// Some are put in, some taken away; then a copy is made, and the same is done again.
        #[test]
        fn changes_make_one_copy_of_the_other(
            steps in prop::collection::vec(((0u8..3, 0u8..6), prop::option::of(any::<u8>())), 0..60),
            half in 0usize..60,
        ) {
            let (mut objects, mut plain, mut before) = (Objects::default(), BTreeMap::new(), Objects::default());
            for (number, (at, value)) in steps.into_iter().enumerate() {
                if number == half {
                    before = objects.clone();
                }
                if let Some(value) = value {
                    objects.insert(key(at), Arc::new(value));
                    plain.insert(key(at), value);
                } else {
                    objects.remove(&key(at));
                    plain.remove(&key(at));
                }
            }
            prop_assert_eq!(&listed(&objects), &plain);
            prop_assert_eq!((objects.len(), objects.is_empty()), (plain.len(), plain.is_empty()));
            let mut made = before.clone();
            for (key, was, is) in before.changes(&objects) {
                prop_assert_eq!(was, before.get(key));
                match is {
                    Some(object) => made.insert(key.clone(), Arc::clone(object)),
                    None => made.remove(key),
                }
            }
            prop_assert_eq!(listed(&made), plain);
            prop_assert_eq!(objects.changes(&objects.clone()).count(), 0);
        }
    }

    #[test]
    fn a_copy_stays_as_it_is() {
        let mut objects: Objects<u8> =
            [((0, 0), 1), ((1, 0), 2)].map(|(at, it)| (key(at), Arc::new(it))).into_iter().collect();
        let copy = objects.clone();
        assert!(copy.same(&objects) && Objects::<u8>::default().same(&Objects::default()));
        objects.remove(&key((2, 2)));
        assert!(copy.same(&objects), "nothing was taken away");
        objects.insert(key((0, 0)), Arc::new(3));
        assert!(!copy.same(&objects));
        assert_eq!((*copy[&key((0, 0))], *objects[&key((0, 0))]), (1, 3));
        let changed: Vec<_> = copy.changes(&objects).map(|(key, ..)| key.clone()).collect();
        assert_eq!(changed, [key((0, 0))]);
        objects.retain(|key, _| key.namespace == "n1");
        assert_eq!(objects.of("n0").count() + objects.of("n1").count(), 1);
    }
}
