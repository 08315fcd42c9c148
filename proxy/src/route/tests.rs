//! Tables of requests and the routes that take them.

use proptest::prelude::*;

use super::*;

const ADDRESS: &str = "127.0.0.1:0";

fn table(routes: &str) -> RouteTable {
    table_of("{address: '127.0.0.1:0'}", routes)
}

fn table_of(listeners: &str, routes: &str) -> RouteTable {
    let service = |i| format!("s{i}: {{versions: {{v: {{endpoints: ['127.0.0.1:1']}}}}}}");
    let services = (0..8).map(service).collect::<Vec<_>>().join(", ");
    let text = format!("listeners: [{listeners}]\nroutes: [{routes}]\nservices: {{{services}}}");
    let config = Config::parse(&text).unwrap();
    RouteTable::new(&config, |name| name.as_str()[1..].parse().ok())
}

/// The number of the service that takes a request at the only address.
fn find(table: &RouteTable, host: &str, path: &str) -> Option<usize> {
    table.at(ADDRESS.parse().unwrap()).find(host, path, None).ok().map(|target| target.service)
}

fn check(routes: &str, expected: &[(&str, &str, Option<usize>)]) {
    let table = table(routes);
    for (host, path, service) in expected {
        assert_eq!(find(&table, host, path), *service, "{host} {path} in {routes}");
    }
}

#[test]
fn the_most_specific_route_wins() {
    let routes = "{service: s0}, {path: {prefix: /shop}, service: s1}, {path: {prefix: /shop/cart/}, service: s2}, \
         {path: {exact: /shop/cart}, service: s3}, {host: a.example, service: s4}, {host: '*.example', service: s5}, \
         {host: '*.b.example', path: {prefix: /x}, service: s6}";
    check(
        routes,
        &[
            ("other", "/", Some(0)),
            ("other", "/shopping", Some(0)),
            ("other", "/shop", Some(1)),
            ("other", "/shop/", Some(1)),
            ("other", "/shop/cart/1", Some(2)),
            ("other", "/shop/cart", Some(3)),
            ("a.example", "/shop", Some(4)),
            ("c.example", "/shop", Some(5)),
            ("c.b.example", "/x/y", Some(6)),
            ("c.b.example", "/y", Some(5)),
            ("example", "/", Some(0)),
        ],
    );
}

#[test]
fn without_a_match_there_is_no_route() {
    check("{host: a, path: {prefix: /x}, service: s0}", &[("a", "/y", None), ("b", "/x", None), ("a", "", None)]);
}

#[test]
fn a_listener_has_its_own_routes_and_those_for_all() {
    let listeners = "{name: in, address: '127.0.0.1:1'}, {name: out, address: '127.0.0.1:2'}, {address: '127.0.0.1:3'}";
    let routes = "{listeners: [in], service: s0}, {listeners: [out], service: s1}, {path: {prefix: /all}, service: s2}, \
         {listeners: [in, out], host: a, service: s3}, {host: a, path: {exact: /a}, service: s4}";
    let table = table_of(listeners, routes);
    for (port, host, path, service) in [
        (1, "x", "/", Some(0)),
        (2, "x", "/", Some(1)),
        (3, "x", "/", None),
        (1, "x", "/all", Some(2)),
        (3, "x", "/all", Some(2)),
        (1, "a", "/", Some(3)),
        (1, "a", "/a", Some(4)),
        (2, "a", "/all", Some(3)),
        (3, "a", "/a", Some(4)),
        (3, "a", "/all", Some(2)),
        (4, "x", "/all", Some(2)),
        (4, "x", "/", None),
    ] {
        let found = table.at(([127, 0, 0, 1], port).into()).find(host, path, None);
        assert_eq!(found.ok().map(|target| target.service), service, "{port} {host} {path}");
    }
}

/// Four listeners at one address, as the Gateway API's conformance tests have them.
const SHARED: &str = "{address: '127.0.0.1:0'}, {name: second, address: '127.0.0.1:0', host: second.example.org}, \
     {name: wild, address: '127.0.0.1:0', host: '*.wildcard.org'}, \
     {name: fourth, address: '127.0.0.1:0', host: fourth.wildcard.org}";

#[test]
fn a_request_belongs_to_the_most_specific_listener_alone() {
    let routes = "{service: s0}, {listeners: [wild], service: s1, path: {prefix: /w}}, \
         {listeners: [wild], host: '*.a.wildcard.org', service: s2}, {listeners: [second], host: elsewhere.org, service: s3}, \
         {listeners: [fourth], host: '*.org', path: {prefix: /long/path}, service: s4}, \
         {listeners: [fourth], host: fourth.wildcard.org, path: {prefix: /long}, service: s5}, \
         {listeners: [wild], host: fourth.wildcard.org, service: s6}";
    let table = table_of(SHARED, routes);
    for (host, path, service) in [
        ("x", "/", Some(0)),
        ("elsewhere.org", "/", Some(0)),
        ("second.example.org", "/", Some(0)),
        ("b.wildcard.org", "/w", Some(1)),
        ("b.wildcard.org", "/", Some(0)),
        ("b.a.wildcard.org", "/", Some(2)),
        ("b.a.wildcard.org", "/w", Some(2)),
        ("fourth.wildcard.org", "/", Some(0)),
        ("fourth.wildcard.org", "/w", Some(0)),
        // The more specific host wins over the longer path.
        ("fourth.wildcard.org", "/long/path", Some(5)),
        ("wildcard.org", "/w", Some(0)),
    ] {
        assert_eq!(find(&table, host, path), service, "{host} {path}");
    }
    let alone = table_of(SHARED, "{listeners: [second], service: s0}");
    assert_eq!((find(&alone, "second.example.org", "/"), find(&alone, "fourth.wildcard.org", "/")), (Some(0), None));
}

#[test]
fn a_connection_for_one_listener_is_not_for_another() {
    let table = table_of(SHARED, "{listeners: [second, wild, fourth], service: s0}");
    let door = table.at(ADDRESS.parse().unwrap());
    for (sni, host, expected) in [
        ("x.org", "second.example.org", Err(Missed::Misdirected)),
        ("x.org", "unknown.org", Err(Missed::NoRoute)),
        ("second.example.org", "second.example.org", Ok(0)),
        ("second.example.org", "unknown.org", Err(Missed::Misdirected)),
        ("second.example.org", "third.wildcard.org", Err(Missed::Misdirected)),
        ("third.wildcard.org", "fifth.wildcard.org", Ok(0)),
        ("third.wildcard.org", "fourth.wildcard.org", Err(Missed::Misdirected)),
        ("fourth.wildcard.org", "third.wildcard.org", Err(Missed::Misdirected)),
        ("fourth.wildcard.org", "fourth.wildcard.org", Ok(0)),
    ] {
        let found = door.find(host, "/", Some(sni)).map(|target| target.service);
        assert_eq!(found, expected, "{sni} {host}");
    }
    // One listener is never another one.
    let single = table_of("{address: '127.0.0.1:0', host: '*.org'}", "{service: s0}");
    let door = single.at(ADDRESS.parse().unwrap());
    assert_eq!(door.find("a.org", "/", Some("b.org")).map(|target| target.service), Ok(0));
    assert_eq!(door.find("a.com", "/", Some("b.org")), Err(Missed::NoRoute));
    assert_eq!(door.find("a.org", "/", Some("b.com")), Err(Missed::Misdirected));
}

#[test]
fn a_thousand_listeners_with_ten_thousand_routes_are_built_once() {
    let listener = |i| format!("{{address: '127.0.0.1:{}', name: l{i}}}", i + 1);
    let listeners = (0..1_000).map(listener).collect::<Vec<_>>().join(", ");
    let routes = (0..10_000).map(|i| format!("{{host: h{i}, service: s{}}}", i % 8)).collect::<Vec<_>>().join(", ");
    let table = table_of(&listeners, &routes);
    assert!(table.doors.iter().all(|(_, door)| Arc::ptr_eq(door, &table.elsewhere)));
    assert_eq!(table.at(([127, 0, 0, 1], 1_000).into()).find("h9", "/", None).map(|target| target.service), Ok(1));
}

proptest! {
    #[test]
    fn finds_what_a_plain_search_finds(path in "(/[ab]{0,2}){0,4}", prefixes in proptest::collection::btree_set("(/[ab]{1,2}){0,3}", 1..6)) {
        let prefixes: Vec<String> = prefixes.into_iter().take(8).collect();
        let routes: Vec<String> = prefixes.iter().enumerate()
            .map(|(i, p)| format!("{{path: {{prefix: '{}'}}, service: s{i}}}", if p.is_empty() { "/" } else { p })).collect();
        let matches = |p: &String| format!("{path}/").starts_with(&format!("{p}/"));
        let longest = prefixes.iter().enumerate().filter(|(_, p)| matches(p)).max_by_key(|(_, p)| p.len()).map(|(i, _)| i);
        prop_assert_eq!(find(&table(&routes.join(", ")), "h", &path), longest);
    }
}
