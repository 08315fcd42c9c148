//! HTTP routes and their parents, one row for each test of the conformance suite that looks at these.

use super::manifests::{add, world};
use super::report::{check, check_world};

/// A Gateway `web` with these listeners.
fn gateway(listeners: &str) -> String {
    format!(
        "\n---\nkind: Gateway\nmetadata: {{name: web, namespace: infra}}\nspec: {{gatewayClassName: tidegate, listeners: [{listeners}]}}"
    )
}

/// A route with this reference to a parent and more of a specification.
fn route(namespace: &str, name: &str, parent: &str, more: &str) -> String {
    let backends = "rules: [{backendRefs: [{name: v1, port: 8080}]}]";
    format!(
        "\n---\nkind: HTTPRoute\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{parentRefs: [{parent}], {more}{backends}}}"
    )
}

const HTTP: &str = "{name: http, port: 80, protocol: HTTP}";

#[test]
fn namespaces() {
    let from = |from: &str| {
        gateway(&format!("{{name: http, port: 80, protocol: HTTP, allowedRoutes: {{namespaces: {from}}}}}"))
    };
    let here = route("infra", "r", "{name: web}", "");
    let there = route("web", "r", "{name: web, namespace: infra}", "");
    let team = "{from: Selector, selector: {matchLabels: {team: backend}}}";
    let expression = "{from: Selector, selector: {matchExpressions: [{key: team, operator: NotIn, values: [infra]}]}}";
    for (row, from, route, attached) in [
        ("HTTPRouteSimpleSameNamespace", from("{from: Same}"), &here, true),
        ("the default is Same", gateway(HTTP), &here, true),
        ("HTTPRouteInvalidCrossNamespaceParentRef", gateway(HTTP), &there, false),
        ("HTTPRouteCrossNamespace", from("{from: All}"), &there, true),
        ("a selector that fits", from(team), &there, true),
        ("a selector that does not", from(team), &here, false),
        ("expressions of a selector", from(expression), &there, true),
        ("expressions that do not fit", from(expression), &here, false),
        (
            "a selector of another operator",
            from("{from: Selector, selector: {matchExpressions: [{key: a, operator: Gt, values: ['1']}]}}"),
            &there,
            false,
        ),
    ] {
        let place = if route == &here { "infra" } else { "web" };
        let accepted = if attached { "True/Accepted" } else { "False/NotAllowedByListeners" };
        check(
            row,
            &(from + route),
            &[
                &format!("route {place}/r at web Accepted={accepted}"),
                &format!("listener web http attached={} kinds=HTTPRoute", u8::from(attached)),
            ],
        );
    }
    // The backend is of the namespace `web`, which has no such Service: that is found whether it is attached or not.
    check(
        "ResolvedRefs beside NotAllowedByListeners",
        &(gateway(HTTP) + &there),
        &["route web/r at web ResolvedRefs=False/BackendNotFound"],
    );
}

#[test]
fn sections_and_ports() {
    let two = gateway("{name: http, port: 80, protocol: HTTP}, {name: other, port: 8080, protocol: HTTP}");
    for (row, parent, at, accepted, attached) in [
        (
            "GatewayWithAttachedRoutesWithPort8080",
            "{name: web, sectionName: other}",
            "web#other",
            "True/Accepted",
            (0, 1),
        ),
        ("HTTPRouteListenerPortMatching", "{name: web, port: 80}", "web", "True/Accepted", (1, 0)),
        ("both", "{name: web}", "web", "True/Accepted", (1, 1)),
        (
            "HTTPRouteInvalidParentRefNotMatchingSectionName",
            "{name: web, port: 80, sectionName: http1}",
            "web#http1",
            "False/NoMatchingParent",
            (0, 0),
        ),
        (
            "HTTPRouteInvalidParentRefNotMatchingListenerPort",
            "{name: web, port: 81}",
            "web",
            "False/NoMatchingParent",
            (0, 0),
        ),
        (
            "HTTPRouteInvalidParentRefSectionNameNotMatchingPort",
            "{name: web, port: 80, sectionName: other}",
            "web#other",
            "False/NoMatchingParent",
            (0, 0),
        ),
        (
            "two parents, one listener twice",
            "{name: web}, {name: web, sectionName: http}",
            "web#http",
            "True/Accepted",
            (1, 1),
        ),
    ] {
        check(
            row,
            &(two.clone() + &route("infra", "r", parent, "")),
            &[
                &format!("route infra/r at {at} Accepted={accepted}"),
                &format!("listener web http attached={} kinds=HTTPRoute", attached.0),
                &format!("listener web other attached={} kinds=HTTPRoute", attached.1),
            ],
        );
    }
    let unsupported = gateway("{name: http, port: 80, protocol: HTTP}, {name: tls, port: 443, protocol: TLS}");
    check(
        "HTTPRouteDisallowedKind, turned round",
        &(unsupported + &route("infra", "r", "{name: web, sectionName: tls}", "")),
        &["route infra/r at web#tls Accepted=False/NotAllowedByListeners"],
    );
}

#[test]
fn only_parents_of_ours() {
    let foreign = gateway(HTTP).replace("gatewayClassName: tidegate", "gatewayClassName: foreign");
    for (row, manifests) in [
        ("of another controller", foreign + &route("infra", "r", "{name: web}", "")),
        ("a Gateway that does not exist", gateway(HTTP) + &route("infra", "r", "{name: absent}", "")),
        ("a Service", gateway(HTTP) + &route("infra", "r", "{group: '', kind: Service, name: web}", "")),
    ] {
        assert!(super::report::compiled(&world(&manifests)).http_routes.is_empty(), "{row}");
    }
}

#[test]
fn attached_routes_are_counted() {
    let selector = "allowedRoutes: {kinds: [{kind: HTTPRoute}], namespaces: {from: Selector, selector: {matchLabels: {team: infra}}}}";
    let listener = gateway(&format!("{{name: http, port: 80, protocol: HTTP, hostname: foo.example.com, {selector}}}"));
    let manifests = listener
        + &route("infra", "r1", "{kind: Gateway, name: web, namespace: infra}", "")
        + &route("infra", "r2", "{name: web}", "")
        + &route("infra", "r3", "{name: web}", "hostnames: [not-accepted.test.com], ");
    check(
        "GatewayWithAttachedRoutes",
        &manifests,
        &[
            "listener web http attached=2 kinds=HTTPRoute",
            "route infra/r3 at web Accepted=False/NoMatchingListenerHostname",
            "route infra/r3 at web ResolvedRefs=True/ResolvedRefs",
        ],
    );
    let tls = "{name: tls, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: absent}]}}";
    let unresolved = route("infra", "r", "{name: web, sectionName: tls}", "").replace("name: v1", "name: absent");
    check(
        "GatewayWithAttachedRoutes, unresolved",
        &(gateway(tls) + &unresolved),
        &[
            "listener web tls attached=1 kinds=HTTPRoute",
            "listener web tls Programmed=False/Invalid",
            "listener web tls ResolvedRefs=False/InvalidCertificateRef",
            "route infra/r at web#tls Accepted=True/Accepted",
        ],
    );
}

#[test]
fn a_full_gateway_takes_no_more() {
    // 64 hosts, which no API server would let pass, make it 6400 routes each.
    let hosts = (0..64).map(|i| format!("h{i}.example")).collect::<Vec<_>>().join(", ");
    let hosts = format!("hostnames: [{hosts}], ");
    let matches = (0..100).map(|i| format!("{{path: {{value: /p{i}}}}}")).collect::<Vec<_>>().join(", ");
    let large = |name: &str, second: u32| {
        let made = format!("creationTimestamp: '2026-01-01T00:00:0{second}Z'");
        let route = route("infra", name, "{name: web}", &hosts)
            .replace("rules: [{", &format!("rules: [{{matches: [{matches}], "));
        route.replace("metadata: {", &format!("metadata: {{{made}, "))
    };
    let manifests = gateway(HTTP) + &large("a", 2) + &large("b", 1) + &route("infra", "c", "{name: web}", "");
    check(
        "TooManyRoutes",
        &manifests,
        &[
            "route infra/a at web Accepted=False/TooManyRoutes",
            "route infra/a at web ResolvedRefs=True/ResolvedRefs",
            "route infra/b at web Accepted=True/Accepted",
            "route infra/c at web Accepted=True/Accepted",
            "listener web http attached=2 kinds=HTTPRoute",
            "get web 80 h1.example /p1: infra/v1",
        ],
    );
}

#[test]
fn listeners_come_and_go() {
    let first = gateway("{name: one, port: 81, protocol: HTTP, hostname: secure.test.com}");
    let mut world = world(&(first + &route("infra", "r", "{name: web}", "")));
    let one = "listener web one attached=1 kinds=HTTPRoute";
    check_world("GatewayModifyListeners", &world, &[one, "get web 81 secure.test.com /: infra/v1"]);
    add(
        &mut world,
        &gateway(
            "{name: one, port: 81, protocol: HTTP, hostname: secure.test.com}, {name: two, port: 80, protocol: HTTP}",
        ),
    );
    let two = "listener web two attached=1 kinds=HTTPRoute";
    check_world("GatewayModifyListeners, added", &world, &[one, two, "get web 80 x /: infra/v1"]);
    add(&mut world, &gateway("{name: two, port: 80, protocol: HTTP}"));
    check_world("GatewayModifyListeners, removed", &world, &[two, "get web 81 secure.test.com /: 404"]);
}
