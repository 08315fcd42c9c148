//! PURE. Sets of hosts: `None` is every host, a wildcard every host below it.

use tidegate_config::Host;

/// Whether every host of `inner` is one of `outer`.
pub fn covers(outer: Option<&Host>, inner: Option<&Host>) -> bool {
    match (outer, inner) {
        (None, _) => true,
        (Some(_), None) | (Some(Host::Exact(_)), Some(Host::Suffix(_))) => false,
        (Some(Host::Exact(outer)), Some(Host::Exact(inner))) => outer == inner,
        // A wildcard stands for at least one label: its suffix, which begins with a dot, is no host.
        (Some(Host::Suffix(outer)), Some(Host::Exact(inner))) => inner.len() > outer.len() && inner.ends_with(outer),
        (Some(Host::Suffix(outer)), Some(Host::Suffix(inner))) => inner.ends_with(outer),
    }
}

/// The hosts of both; the outer `None`: there are none.
#[expect(
    clippy::option_option,
    reason = "the outer one is whether there is a set, the inner one is the set of all hosts"
)]
pub fn intersect(one: Option<&Host>, other: Option<&Host>) -> Option<Option<Host>> {
    // Of two such sets one holds the other, or they have nothing in common.
    if covers(one, other) { Some(other.cloned()) } else { covers(other, one).then(|| one.cloned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_listener_and_route() {
        let host = |text: &str| (!text.is_empty()).then(|| text.parse::<Host>().unwrap());
        for (listener, route, both) in [
            ("", "", Some("")),
            ("", "a.example", Some("a.example")),
            ("*.example", "", Some("*.example")),
            ("a.example", "a.example", Some("a.example")),
            ("a.example", "b.example", None),
            ("*.example", "a.example", Some("a.example")),
            ("*.example", "a.b.example", Some("a.b.example")),
            ("*.example", "example", None),
            ("*.example", "aexample", None),
            ("a.example", "*.example", Some("a.example")),
            ("*.example", "*.b.example", Some("*.b.example")),
            ("*.b.example", "*.example", Some("*.b.example")),
            ("*.b.example", "*.cb.example", None),
            ("*.example", "*.example", Some("*.example")),
        ] {
            let found = intersect(host(listener).as_ref(), host(route).as_ref());
            assert_eq!(found, both.map(host), "{listener} and {route}");
            assert_eq!(found, intersect(host(route).as_ref(), host(listener).as_ref()), "{route} and {listener}");
        }
    }
}
