//! What rules lead to, one row for each test of the conformance suite that looks at these.

use super::manifests::{add, world};
use super::report::{check, check_world, compiled, only};
use crate::routing::{Backend, Backends};

/// A Gateway and a route of `infra` with these rules.
fn rules(rules: &str) -> String {
    format!(
        "kind: Gateway\nmetadata: {{name: web, namespace: infra}}\nspec: {{gatewayClassName: tidegate, listeners: [{{name: http, port: 80, protocol: HTTP}}]}}
---
kind: HTTPRoute\nmetadata: {{name: r, namespace: infra}}\nspec: {{parentRefs: [{{name: web}}], rules: [{rules}]}}"
    )
}

fn grant(to: &str) -> String {
    let from = "{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: infra}";
    format!("\n---\nkind: ReferenceGrant\nmetadata: {{name: g, namespace: app}}\nspec: {{from: [{from}], to: [{to}]}}")
}

#[test]
fn references_to_services() {
    for (row, reference, reason, answer) in [
        ("a Service", "{name: v1, port: 8080}", "True/ResolvedRefs", "infra/v1"),
        ("HTTPRouteServiceTypes, headless", "{name: v3, port: 8080}", "True/ResolvedRefs", "infra/v3"),
        ("appProtocol http", "{name: v2, port: 8080}", "True/ResolvedRefs", "infra/v2"),
        ("HTTPRouteInvalidNonExistentBackendRef", "{name: absent, port: 8080}", "False/BackendNotFound", "500"),
        ("a port that is not", "{name: v1, port: 8079}", "False/BackendNotFound", "500"),
        ("a port of UDP", "{name: v2, port: 53}", "False/BackendNotFound", "500"),
        ("no port", "{name: v1}", "False/BackendNotFound", "500"),
        (
            "HTTPRouteInvalidBackendRefUnknownKind",
            "{group: unknown.example.com, kind: NonExistent, name: v1, port: 8080}",
            "False/InvalidKind",
            "500",
        ),
        (
            "HTTPRouteInvalidCrossNamespaceBackendRef",
            "{name: v1, namespace: app, port: 8080}",
            "False/RefNotPermitted",
            "500",
        ),
        ("what the proxy does not speak", "{name: v1, port: 8081}", "False/UnsupportedProtocol", "500"),
        ("a name outside the cluster", "{name: outside, port: 8080}", "False/UnsupportedValue", "500"),
    ] {
        check(
            row,
            &rules(&format!("{{backendRefs: [{reference}]}}")),
            &[
                "route infra/r at web Accepted=True/Accepted",
                &format!("route infra/r at web ResolvedRefs={reason}"),
                &format!("get web 80 x /: {answer}"),
            ],
        );
    }
    check(
        "HTTPRouteNoBackendRefs",
        &rules(
            "{matches: [{path: {type: Exact, value: /omitted}}]}, {matches: [{path: {type: Exact, value: /empty}}], backendRefs: []},
             {backendRefs: [{name: v1, port: 8080}]}",
        ),
        &["get web 80 x /omitted: 500", "get web 80 x /empty: 500", "get web 80 x /else: infra/v1",
          "route infra/r at web ResolvedRefs=True/ResolvedRefs"],
    );
}

#[test]
fn grants() {
    let rule =
        "{matches: [{path: {type: PathPrefix, value: /v2}}], backendRefs: [{name: v2, namespace: app, port: 8080}]},
        {backendRefs: [{name: v1, namespace: app, port: 8080}]}";
    let mut world = world(&(rules(rule) + &grant("{group: '', kind: Service}")));
    let resolved = "route infra/r at web ResolvedRefs=True/ResolvedRefs";
    check_world("HTTPRouteReferenceGrant", &world, &[resolved, "get web 80 x /: app/v1", "get web 80 x /v2: app/v2"]);
    add(&mut world, &grant("{group: '', kind: Service, name: v1}"));
    let refused = "route infra/r at web ResolvedRefs=False/RefNotPermitted";
    check_world(
        "HTTPRoutePartiallyInvalidViaInvalidReferenceGrant",
        &world,
        &[refused, "route infra/r at web Accepted=True/Accepted", "get web 80 x /: app/v1", "get web 80 x /v2: 500"],
    );
    add(&mut world, &grant("{group: '', kind: Secret}"));
    check_world("HTTPRouteInvalidReferenceGrant", &world, &[refused, "get web 80 x /: 500"]);
    world.reference_grants.clear();
    check_world("HTTPRouteReferenceGrant, deleted", &world, &[refused, "get web 80 x /: 500", "get web 80 x /v2: 500"]);
}

#[test]
fn a_service_of_another_namespace_is_marked() {
    let rule = "{backendRefs: [{name: v1, namespace: app, port: 8080}, {name: v1, port: 8080}]}";
    let compiled = compiled(&world(&(rules(rule) + &grant("{group: '', kind: Service}"))));
    let Backends::Weighted(weighted) = &only(&compiled).plan.routes[0].backends else { panic!("two backends") };
    let local = weighted.iter().map(|part| match &part.backend {
        Backend::Service(service) => (service.namespace.as_str(), service.local),
        Backend::Failure(failure) => panic!("{failure:?}"),
    });
    assert_eq!(local.collect::<Vec<_>>(), [("app", false), ("infra", true)]);
}

#[test]
fn weights() {
    for (row, references, answer) in [
        (
            "HTTPRouteWeight",
            "{name: v1, port: 8080, weight: 70}, {name: v2, port: 8080, weight: 30}, {name: v3, port: 8080, weight: 0}",
            "70*infra/v1+30*infra/v2",
        ),
        ("the default is 1", "{name: v1, port: 8080}, {name: v2, port: 8080, weight: 3}", "1*infra/v1+3*infra/v2"),
        ("what leads nowhere keeps its part", "{name: v1, port: 8080}, {name: absent, port: 8080}", "1*infra/v1+1*500"),
        ("one left", "{name: v1, port: 8080}, {name: v2, port: 8080, weight: 0}", "infra/v1"),
        ("none left", "{name: v1, port: 8080, weight: 0}", "500"),
        ("one twice", "{name: v1, port: 8080, weight: 2}, {name: v1, port: 8080, weight: 3}", "infra/v1"),
        ("less than nothing", "{name: v1, port: 8080, weight: -2}, {name: v2, port: 8080}", "infra/v2"),
    ] {
        check(row, &rules(&format!("{{backendRefs: [{references}]}}")), &[&format!("get web 80 x /: {answer}")]);
    }
}

/// Every field that the proxy cannot do, in a rule beside a good one and in a rule alone.
#[test]
fn what_cannot_be_done_is_said() {
    let backend = "backendRefs: [{name: v1, port: 8080}]";
    for (field, rule) in [
        (
            "matches[0].headers",
            format!("matches: [{{path: {{value: /x}}, headers: [{{name: version, value: one}}]}}], {backend}"),
        ),
        ("matches[0].method", format!("matches: [{{path: {{value: /x}}, method: GET}}], {backend}")),
        (
            "matches[0].queryParams",
            format!("matches: [{{path: {{value: /x}}, queryParams: [{{name: a, value: b}}]}}], {backend}"),
        ),
        ("matches[0].path.type", format!("matches: [{{path: {{type: RegularExpression, value: /x.*}}}}], {backend}")),
        ("matches[0].path.value", format!("matches: [{{path: {{value: x}}}}], {backend}")),
        (
            "filters[0]",
            format!(
                "matches: [{{path: {{value: /x}}}}], filters: [{{type: RequestRedirect, requestRedirect: {{port: 81}}}}], {backend}"
            ),
        ),
        ("timeouts", format!("matches: [{{path: {{value: /x}}}}], timeouts: {{request: 10s}}, {backend}")),
        ("timeouts", format!("matches: [{{path: {{value: /x}}}}], timeouts: {{backendRequest: 10s}}, {backend}")),
        ("retry", format!("matches: [{{path: {{value: /x}}}}], retry: {{attempts: 2}}, {backend}")),
        (
            "sessionPersistence",
            format!("matches: [{{path: {{value: /x}}}}], sessionPersistence: {{sessionName: s}}, {backend}"),
        ),
        ("filters[0]", format!("matches: [{{path: {{value: /x}}}}], filters: [{{type: ExternalAuth}}], {backend}")),
        (
            "backendRefs[0].filters",
            "matches: [{path: {value: /x}}], backendRefs: [{name: v1, port: 8080, filters: [{type: CORS}]}]".to_owned(),
        ),
    ] {
        let beside = world(&rules(&format!("{{{rule}}}, {{matches: [{{path: {{value: /ok}}}}], {backend}}}")));
        check_world(
            field,
            &beside,
            &[
                "route infra/r at web Accepted=True/Accepted",
                "route infra/r at web PartiallyInvalid=True/UnsupportedValue",
                "get web 80 x /x: 500",
                "get web 80 x /ok: infra/v1",
            ],
        );
        let parents = compiled(&beside).http_routes.into_values().next().unwrap();
        let message = &parents[0].findings[2].message;
        assert!(message.contains(&format!("spec.rules[0].{field}")) && message.contains("allowed: "), "{message}");
        let alone = [
            "route infra/r at web Accepted=False/UnsupportedValue",
            "listener web http attached=0 kinds=HTTPRoute",
            "get web 80 x /x: 404",
        ];
        check(field, &rules(&format!("{{{rule}}}")), &alone);
    }
    check("HTTPRouteNamedRule", &rules(&format!("{{name: a, {backend}}}")), &["get web 80 x /: infra/v1"]);
}

#[test]
fn a_condition_that_cannot_be_checked_gives_way() {
    let rule = "{matches: [{headers: [{name: version, value: two}]}], backendRefs: [{name: v2, port: 8080}]},
        {backendRefs: [{name: v1, port: 8080}]}";
    check(
        "HTTPRouteHeaderMatching, as far as it goes",
        &rules(rule),
        &["get web 80 x /: infra/v1", "route infra/r at web PartiallyInvalid=True/UnsupportedValue"],
    );
}
