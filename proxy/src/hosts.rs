//! PURE. What belongs to a host: to its exact name, else to the longest wildcard that has it, else to every host.
//!
//! All by hash, so the time does not grow with the number of hosts.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use tidegate_config::Host;

type Map<V> = HashMap<Box<str>, V, FixedState>;

/// Values by host.
#[derive(Debug)]
pub(crate) struct Hosts<T> {
    exact: Map<T>,
    /// By the suffix with its leading dot.
    suffixes: Map<T>,
    longest_suffix: usize,
    any: Option<T>,
}

impl<T> Default for Hosts<T> {
    fn default() -> Self {
        Self { exact: Map::default(), suffixes: Map::default(), longest_suffix: 0, any: None }
    }
}

impl<T> Hosts<T> {
    /// Sets the value of a host; `None` is every host.
    pub(crate) fn insert(&mut self, host: Option<&Host>, value: T) {
        match host {
            None => self.any = Some(value),
            Some(Host::Exact(name)) => drop(self.exact.insert(name.as_str().into(), value)),
            Some(Host::Suffix(suffix)) => {
                self.longest_suffix = self.longest_suffix.max(suffix.len());
                self.suffixes.insert(suffix.as_str().into(), value);
            }
        }
    }

    /// The value for the host of a request, in lower case and without a port.
    pub(crate) fn get(&self, host: &str) -> Option<&T> {
        if let Some(found) = self.exact.get(host) {
            return Some(found);
        }
        // A wildcard stands for at least one label, so what begins with a dot is not its own suffix.
        if !self.suffixes.is_empty()
            && let Some(found) = self.of_suffixes(host, 1).next()
        {
            return Some(found);
        }
        self.any.as_ref()
    }

    /// The values for whatever has all requests of a host, the most specific first.
    pub(crate) fn covering<'a>(&'a self, host: Option<&'a Host>) -> impl Iterator<Item = &'a T> {
        let (name, from) = match host {
            None => ("", 0),
            Some(Host::Exact(name)) => (name.as_str(), 1),
            Some(Host::Suffix(suffix)) => (suffix.as_str(), 0),
        };
        let exact = host.filter(|host| matches!(host, Host::Exact(_))).and_then(|_| self.exact.get(name));
        exact.into_iter().chain(self.of_suffixes(name, from)).chain(&self.any)
    }

    /// The values for suffixes of a name that begin at a byte from `from` on, the longest first.
    fn of_suffixes<'a, 'b>(&'a self, name: &'b str, from: usize) -> impl Iterator<Item = &'a T> + use<'a, 'b, T> {
        // Only what can be there is looked up: a name may be long, and full of dots.
        let least = name.len().saturating_sub(self.longest_suffix).max(from);
        let dots = name.match_indices('.').map(|(at, _)| at).skip_while(move |at| *at < least);
        dots.filter_map(|at| self.suffixes.get(&name[at..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_host_comes_first() {
        let mut hosts = Hosts::default();
        for host in ["a.b.example", "*.example", "*.b.example"] {
            hosts.insert(Some(&host.parse().unwrap()), host);
        }
        for (name, expected) in [
            ("a.b.example", Some("a.b.example")),
            ("c.b.example", Some("*.b.example")),
            ("b.example", Some("*.example")),
            ("x.y.example", Some("*.example")),
            ("example", None),
            (".example", None),
            ("", None),
        ] {
            assert_eq!(hosts.get(name).copied(), expected, "{name}");
        }
        hosts.insert(None, "any");
        assert_eq!(hosts.get("example"), Some(&"any"));
        let covering = |host: &str| hosts.covering(Some(&host.parse().unwrap())).copied().collect::<Vec<_>>();
        assert_eq!(covering("a.b.example"), ["a.b.example", "*.b.example", "*.example", "any"]);
        assert_eq!(covering("*.a.b.example"), ["*.b.example", "*.example", "any"]);
        assert_eq!(covering("*.b.example"), ["*.b.example", "*.example", "any"]);
        assert_eq!(hosts.covering(None).copied().collect::<Vec<_>>(), ["any"]);
        let long = format!("{}.b.example", "a.".repeat(10_000));
        assert_eq!(hosts.get(&long), Some(&"*.b.example"));
    }
}
