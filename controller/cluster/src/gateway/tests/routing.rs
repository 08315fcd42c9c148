//! Which of several routes takes a request, one row for each test of the conformance suite that looks at this.

use super::manifests::{add, certificate, secret, world};
use super::report::{check, check_world};

fn gateway(listeners: &str) -> String {
    format!(
        "kind: Gateway\nmetadata: {{name: web, namespace: infra}}\nspec: {{gatewayClassName: tidegate, listeners: [{listeners}]}}"
    )
}

fn listener(name: &str, host: &str) -> String {
    format!("{{name: {name}, port: 80, protocol: HTTP, hostname: '{host}'}}")
}

/// A route to a Service, made at a second of the first minute of 2026.
fn route(name: &str, second: u32, section: &str, hosts: &str, paths: &[&str], service: &str) -> String {
    let section = if section.is_empty() { String::new() } else { format!(", sectionName: {section}") };
    let matches = paths.iter().map(|path| match path.strip_prefix('=') {
        Some(exact) => format!("{{path: {{type: Exact, value: {exact}}}}}"),
        None => format!("{{path: {{type: PathPrefix, value: {path}}}}}"),
    });
    let matches = matches.collect::<Vec<_>>().join(", ");
    format!(
        "\n---\nkind: HTTPRoute\nmetadata: {{name: {name}, namespace: infra, creationTimestamp: '2026-01-01T00:00:{second:02}Z'}}
spec: {{parentRefs: [{{name: web{section}}}], hostnames: [{hosts}], rules: [{{matches: [{matches}], backendRefs: [{{name: {service}, port: 8080}}]}}]}}"
    )
}

#[test]
fn paths() {
    let base = gateway(&listener("http", ""));
    let manifests = base.clone()
        + &route("a", 0, "", "", &["=/match", "=/match/exact/one"], "v1")
        + &route("b", 0, "", "", &["=/match/exact", "/match/prefix/one"], "v2")
        + &route("c", 0, "", "", &["/match/"], "v3")
        + &route("d", 0, "", "", &["/match/prefix/"], "v1");
    check(
        "HTTPRoutePathMatchOrder",
        &manifests,
        &[
            "get web 80 x /match: infra/v1",
            "get web 80 x /match/exact: infra/v2",
            "get web 80 x /match/exact/one: infra/v1",
            "get web 80 x /match/any: infra/v3",
            "get web 80 x /match/prefix/any: infra/v1",
            "get web 80 x /match/prefix/one/any: infra/v2",
            "get web 80 x /matching: 404",
            "get web 80 x /: 404",
        ],
    );
    check(
        "HTTPRouteExactPathMatching",
        &(base + &route("a", 0, "", "", &["=/one"], "v1")),
        &[
            "get web 80 x /one: infra/v1",
            "get web 80 x /one/: 404",
            "get web 80 x /ONE: 404",
            "get web 80 x /one/two: 404",
        ],
    );
}

#[test]
fn equals_are_told_apart_by_age_and_name() {
    let base = gateway(&listener("http", ""));
    for (row, first, second, service) in [
        ("the oldest", route("b", 1, "", "", &["/"], "v1"), route("a", 2, "", "", &["/"], "v2"), "v1"),
        ("the first name", route("b", 1, "", "", &["/"], "v1"), route("a", 1, "", "", &["/"], "v2"), "v2"),
        ("with and without a slash", route("a", 2, "", "", &["/x/"], "v1"), route("b", 1, "", "", &["/x"], "v2"), "v2"),
    ] {
        check(row, &(base.clone() + &first + &second), &[&format!("get web 80 x /x: infra/{service}")]);
    }
    let rules =
        "\n---\nkind: HTTPRoute\nmetadata: {name: r, namespace: infra}\nspec: {parentRefs: [{name: web}], rules: [
        {backendRefs: [{name: v3, port: 8080}]}, {backendRefs: [{name: v1, port: 8080}]}]}";
    check("the first rule", &(base + rules), &["get web 80 x /: infra/v3"]);
    let across = gateway(&listener("http", ""))
        + &route("part1", 0, "", "example.com, example.net", &["/"], "v1")
        + &route("part2", 0, "", "example.com", &["/v2"], "v2");
    check(
        "HTTPRouteMatchingAcrossRoutes",
        &across,
        &[
            "get web 80 example.com /: infra/v1",
            "get web 80 example.com /v2: infra/v2",
            "get web 80 example.net /v2: infra/v1",
        ],
    );
}

#[test]
fn hosts_of_listener_and_route() {
    let listeners = [
        listener("one", "very.specific.com"),
        listener("two", "'*.wildcard.io'".trim_matches('\'')),
        listener("three", "*.anotherwildcard.io"),
    ];
    let manifests = gateway(&listeners.join(", "))
        + &route("a", 0, "", "non.matching.com, '*.nonmatching.io', very.specific.com", &["/s1"], "v1")
        + &route("b", 0, "", "wildcard.io, foo.wildcard.io, foo.bar.wildcard.io", &["/s2"], "v2")
        + &route("c", 0, "", "'*.specific.com'", &["/s3"], "v3")
        + &route("d", 0, "", "'*.anotherwildcard.io'", &["/s4"], "v1")
        + &route("e", 0, "", "specific.but.wrong.com, wildcard.io", &["/s5"], "v2");
    check(
        "HTTPRouteHostnameIntersection",
        &manifests,
        &[
            "get web 80 very.specific.com /s1: infra/v1",
            "get web 80 non.matching.com /s1: 404",
            "get web 80 foo.wildcard.io /s2: infra/v2",
            "get web 80 foo.bar.wildcard.io /s2: infra/v2",
            "get web 80 bar.wildcard.io /s2: 404",
            "get web 80 wildcard.io /s2: 404",
            "get web 80 very.specific.com /s3: infra/v3",
            "get web 80 other.specific.com /s3: 404",
            "get web 80 one.anotherwildcard.io /s4: infra/v1",
            "get web 80 one.two.anotherwildcard.io /s4: infra/v1",
            "get web 80 anotherwildcard.io /s4: 404",
            "route infra/e at web Accepted=False/NoMatchingListenerHostname",
            "listener web one attached=2 kinds=HTTPRoute",
            "listener web two attached=1 kinds=HTTPRoute",
            "listener web three attached=1 kinds=HTTPRoute",
        ],
    );
    let listeners = [
        listener("one", "bar.com"),
        listener("two", "foo.bar.com"),
        listener("three", "*.bar.com"),
        listener("four", "*.foo.com"),
    ];
    let manifests = gateway(&listeners.join(", "))
        + &route("a", 0, "one", "", &["/"], "v1")
        + &route("b", 0, "two", "", &["/"], "v2")
        + &route("c", 0, "three", "", &["/"], "v3")
        + &route("d", 0, "four", "", &["/"], "v3");
    check(
        "HTTPRouteListenerHostnameMatching",
        &manifests,
        &[
            "get web 80 bar.com /: infra/v1",
            "get web 80 foo.bar.com /: infra/v2",
            "get web 80 baz.bar.com /: infra/v3",
            "get web 80 multiple.prefixes.foo.com /: infra/v3",
            "get web 80 foo.com /: 404",
            "get web 80 no.matching.host /: 404",
        ],
    );
}

/// Every host and path of four listeners that hold each other.
#[test]
fn a_request_belongs_to_one_listener() {
    let listeners =
        [("empty", ""), ("example", "*.example.com"), ("foo", "*.foo.example.com"), ("abc", "abc.foo.example.com")];
    let base = gateway(&listeners.map(|(name, host)| listener(name, host)).join(", "));
    let hosts = [
        ("bar.com", "empty"),
        ("bar.example.com", "example"),
        ("bar.foo.example.com", "foo"),
        ("abc.foo.example.com", "abc"),
    ];
    let every = "'*.com', bar.com, '*.example.com', '*.foo.example.com', abc.foo.example.com";
    for hostnames in ["", every] {
        let mut manifests = base.clone();
        for (name, _) in listeners {
            manifests += &route(name, 0, name, hostnames, &[&format!("/{name}")], "v1");
        }
        let world = world(&manifests);
        for (host, own) in hosts {
            for (path, _) in listeners {
                let answer = if path == own { "infra/v1" } else { "404" };
                let row = format!("GatewayHTTPListenerIsolation, {hostnames}");
                check_world(&row, &world, &[&format!("get web 80 {host} /{path}: {answer}")]);
            }
        }
    }
}

#[test]
fn ports_are_apart() {
    let (chain, key) = certificate();
    let manifests = gateway(
        "{name: http, port: 80, protocol: HTTP}, {name: https, port: 443, protocol: HTTPS, hostname: a.example, tls: {certificateRefs: [{name: good}]}}",
    ) + &secret("infra", "good", "kubernetes.io/tls", (&chain, &key))
        + &route("a", 0, "http", "", &["/"], "v1")
        + &route("b", 0, "https", "", &["/"], "v2");
    let mut world = world(&manifests);
    check_world(
        "HTTPRouteHTTPSListener",
        &world,
        &[
            "get web 80 a.example /: infra/v1",
            "get web 443 a.example /: infra/v2",
            "get web 443 b.example /: 404",
            "listener web https Programmed=True/Programmed",
        ],
    );
    // A second Gateway with the same ports, and routes of its own.
    add(&mut world, &gateway(&listener("http", "")).replace("name: web", "name: other"));
    add(&mut world, &route("c", 0, "", "", &["/"], "v3").replace("name: web", "name: other"));
    check_world(
        "HTTPRouteMultipleGateways",
        &world,
        &["get web 80 x /: infra/v1", "get other 80 x /: infra/v3", "listener other http attached=1 kinds=HTTPRoute"],
    );
}
