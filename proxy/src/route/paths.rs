//! PURE. The routes of one host: an exact path before the longest prefix.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use tidegate_config::PathMatch;

use super::Target;

type Map<V> = HashMap<Box<str>, V, FixedState>;

/// The routes of one host.
#[derive(Debug, Default)]
pub(super) struct Paths {
    exact: Map<Target>,
    /// Without a trailing slash; "" takes every path.
    prefixes: Map<Target>,
    longest_prefix: usize,
}

impl Paths {
    /// Adds a route.
    pub(super) fn add(&mut self, path: &PathMatch, target: Target) {
        match path {
            PathMatch::Exact(path) => {
                self.exact.insert(path.as_str().into(), target);
            }
            PathMatch::Prefix(path) => {
                let prefix = path.as_str().trim_end_matches('/');
                self.longest_prefix = self.longest_prefix.max(prefix.len());
                self.prefixes.insert(prefix.into(), target);
            }
        }
    }

    /// The target of a path.
    pub(super) fn find(&self, path: &str) -> Option<Target> {
        if !self.exact.is_empty()
            && let Some(found) = self.exact.get(path)
        {
            return Some(*found);
        }
        if self.prefixes.is_empty() {
            return None;
        }
        // Every prefix ends where a segment does. The longest is tried first; nothing beyond the longest known one.
        let mut end = path.len();
        while end > self.longest_prefix {
            end = path[..end].rfind('/')?;
        }
        loop {
            if let Some(found) = self.prefixes.get(&path[..end]) {
                return Some(*found);
            }
            end = path[..end].rfind('/')?;
        }
    }
}
