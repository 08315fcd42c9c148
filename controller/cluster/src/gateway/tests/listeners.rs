//! Gateways and their listeners, one row for each test of the conformance suite that looks at these.

use super::manifests::{certificate, secret, world};
use super::report::{check, check_world, only};
use crate::gateway::{CONTROLLER_NAME, Installation, compile, references};

const HTTP: &str = "
kind: Gateway
metadata: {name: web, namespace: infra, generation: 3}
spec: {gatewayClassName: tidegate, listeners: [{name: http, port: 80, protocol: HTTP}]}";

/// A Gateway with these listeners.
fn listeners(listeners: &str) -> String {
    format!(
        "\nkind: Gateway\nmetadata: {{name: web, namespace: infra}}\nspec: {{gatewayClassName: tidegate, listeners: [{listeners}]}}"
    )
}

/// An HTTPS listener with this reference to a certificate.
fn https(reference: &str) -> String {
    listeners(&format!("{{name: https, port: 443, protocol: HTTPS, tls: {{certificateRefs: [{reference}]}}}}"))
}

#[test]
fn classes_and_gateways_of_ours_are_accepted() {
    check("GatewayClassObservedGenerationBump", HTTP, &["class tidegate Accepted=True/Accepted"]);
    let parameters = "
kind: GatewayClass
metadata: {name: tidegate}
spec: {controllerName: tidegate.dev/gateway-controller, parametersRef: {group: x, kind: Parameters, name: z}}";
    check("a class with parameters", parameters, &["class tidegate Accepted=False/InvalidParameters"]);
    let accepted = [
        "gateway web Accepted=True/Accepted",
        "gateway web Programmed=True/Programmed",
        "listener web http Accepted=True/Accepted",
        "listener web http Programmed=True/Programmed",
        "listener web http ResolvedRefs=True/ResolvedRefs",
        "listener web http Conflicted=False/NoConflicts",
        "listener web http attached=0 kinds=HTTPRoute",
    ];
    check("GatewayObservedGenerationBump", HTTP, &accepted);
    let foreign = world(&HTTP.replace("gatewayClassName: tidegate", "gatewayClassName: foreign"));
    assert!(super::report::compiled(&foreign).gateways.is_empty());
}

#[test]
fn kinds_of_routes() {
    let allowed = |kinds: &str| {
        listeners(&format!("{{name: http, port: 80, protocol: HTTP, allowedRoutes: {{kinds: [{kinds}]}}}}"))
    };
    check(
        "GatewayInvalidRouteKind, invalid alone",
        &allowed("{kind: InvalidRoute}"),
        &[
            "listener web http ResolvedRefs=False/InvalidRouteKinds",
            "listener web http attached=0 kinds=",
            "listener web http Programmed=False/Invalid",
        ],
    );
    check(
        "GatewayInvalidRouteKind, with a valid one",
        &allowed("{kind: InvalidRoute}, {kind: HTTPRoute}"),
        &["listener web http ResolvedRefs=False/InvalidRouteKinds", "listener web http attached=0 kinds=HTTPRoute"],
    );
    check(
        "a kind of another group",
        &allowed("{group: example.com, kind: HTTPRoute}"),
        &["listener web http ResolvedRefs=False/InvalidRouteKinds"],
    );
}

#[test]
fn protocols() {
    check(
        "GatewayListenerUnsupportedProtocol, alone",
        &listeners("{name: invalid, port: 1111, protocol: INVALID}"),
        &[
            "gateway web Accepted=False/ListenersNotValid",
            "gateway web Programmed=False/Invalid",
            "listener web invalid Accepted=False/UnsupportedProtocol",
            "listener web invalid attached=0 kinds=",
        ],
    );
    check(
        "GatewayListenerUnsupportedProtocol, with another",
        &listeners("{name: http, port: 80, protocol: HTTP}, {name: invalid, port: 1111, protocol: INVALID}"),
        &[
            "gateway web Accepted=True/ListenersNotValid",
            "gateway web Programmed=True/Programmed",
            "listener web http Accepted=True/Accepted",
            "listener web invalid Accepted=False/UnsupportedProtocol",
            "listener web invalid attached=0 kinds=",
        ],
    );
}

#[test]
fn listeners_in_each_others_way() {
    for (row, written, expected) in [
        (
            "two protocols on a port",
            "{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: HTTPS, hostname: x}",
            &[
                "listener web a Conflicted=True/ProtocolConflict",
                "listener web b Conflicted=True/ProtocolConflict",
                "listener web a Accepted=False/ProtocolConflict",
                "gateway web Accepted=False/ListenersNotValid",
            ][..],
        ),
        (
            "one that is not supported counts",
            "{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: TCP}",
            &["listener web a Conflicted=True/ProtocolConflict", "listener web b Conflicted=True/ProtocolConflict"],
        ),
        (
            "one host twice",
            "{name: a, port: 80, protocol: HTTP, hostname: X.y}, {name: b, port: 80, protocol: HTTP, hostname: x.Y}, {name: c, port: 80, protocol: HTTP}",
            &[
                "listener web a Conflicted=True/HostnameConflict",
                "listener web b Accepted=False/HostnameConflict",
                "listener web c Conflicted=False/NoConflicts",
                "gateway web Accepted=True/ListenersNotValid",
            ],
        ),
        (
            "other hosts, ports and UDP do not",
            "{name: a, port: 80, protocol: HTTP, hostname: x.y}, {name: b, port: 80, protocol: HTTP}, {name: c, port: 81, protocol: HTTP}, {name: d, port: 80, protocol: UDP}",
            &[
                "listener web a Conflicted=False/NoConflicts",
                "listener web b Conflicted=False/NoConflicts",
                "listener web d Accepted=False/UnsupportedProtocol",
            ],
        ),
    ] {
        check(row, &listeners(written), expected);
    }
}

#[test]
fn ports_that_cannot_be_opened() {
    for (row, written, expected) in [
        (
            "the lower of two ports has the socket",
            "{name: a, port: 80, protocol: HTTP}, {name: b, port: 10080, protocol: HTTP}",
            &[
                "listener web a Accepted=True/Accepted",
                "listener web b Accepted=False/PortUnavailable",
                "listener web b Conflicted=False/NoConflicts",
            ][..],
        ),
        (
            "an upper port alone is fine",
            "{name: b, port: 10080, protocol: HTTP}",
            &["listener web b Accepted=True/Accepted"],
        ),
        (
            "the proxy's own port",
            "{name: a, port: 9900, protocol: HTTP}",
            &["listener web a Accepted=False/PortUnavailable"],
        ),
        (
            "no port",
            "{name: a, port: 65536, protocol: HTTP}, {name: b, port: 0, protocol: HTTP}",
            &["listener web a Accepted=False/PortUnavailable", "listener web b Accepted=False/PortUnavailable"],
        ),
    ] {
        check(row, &listeners(written), expected);
    }
}

#[test]
fn certificates() {
    let (chain, key) = certificate();
    let (_, other) = certificate();
    let tls = "kubernetes.io/tls";
    let secrets = [
        secret("infra", "good", tls, (&chain, &key)),
        secret("infra", "opaque", "Opaque", (&chain, &key)),
        secret("infra", "malformed", tls, ("Hello world\n", "Hello world\n")),
        secret("infra", "mismatch", tls, (&chain, &other)),
        secret("infra", "keyless", tls, (&chain, &chain)),
        secret("infra", "broken", tls, ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &key)),
        secret("web", "foreign", tls, (&chain, &key)),
    ]
    .concat();
    for (reference, reason) in [
        ("{name: good}", None),
        ("{group: '', kind: Secret, name: good}", None),
        ("{name: absent}", Some("InvalidCertificateRef")),
        ("{group: example.com, kind: Secret, name: good}", Some("InvalidCertificateRef")),
        ("{group: '', kind: WrongKind, name: good}", Some("InvalidCertificateRef")),
        ("{name: malformed}", Some("InvalidCertificateRef")),
        ("{name: opaque}", Some("InvalidCertificateRef")),
        ("{name: mismatch}", Some("InvalidCertificateRef")),
        ("{name: keyless}", Some("InvalidCertificateRef")),
        ("{name: broken}", Some("InvalidCertificateRef")),
        ("", Some("InvalidCertificateRef")),
        ("{name: foreign, namespace: web}", Some("RefNotPermitted")),
    ] {
        let resolved = reason.map_or("True/ResolvedRefs".to_owned(), |reason| format!("False/{reason}"));
        let programmed = if reason.is_none() { "True/Programmed" } else { "False/Invalid" };
        let expected = [
            format!("listener web https ResolvedRefs={resolved}"),
            format!("listener web https Programmed={programmed}"),
            "listener web https Accepted=True/Accepted".to_owned(),
            "listener web https attached=0 kinds=HTTPRoute".to_owned(),
        ];
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        check(&format!("GatewayInvalidTLSConfiguration: {reference}"), &(https(reference) + &secrets), &expected);
    }
    let both = https("{name: absent}, {name: good}") + &secrets;
    check(
        "one certificate is enough",
        &both,
        &[
            "listener web https ResolvedRefs=False/InvalidCertificateRef",
            "listener web https Programmed=True/Programmed",
        ],
    );
}

#[test]
fn certificates_of_other_namespaces() {
    let (chain, key) = certificate();
    let base =
        https("{name: foreign, namespace: web}") + &secret("web", "foreign", "kubernetes.io/tls", (&chain, &key));
    let grant = |namespace: &str, from: &str, to: &str| {
        format!(
            "\n---\nkind: ReferenceGrant\nmetadata: {{name: g, namespace: {namespace}}}\nspec: {{from: [{from}], to: [{to}]}}"
        )
    };
    let from = "{group: gateway.networking.k8s.io, kind: Gateway, namespace: infra}";
    for (row, grant, permitted) in [
        ("GatewaySecretReferenceGrantSpecific", grant("web", from, "{group: '', kind: Secret, name: foreign}"), true),
        ("GatewaySecretReferenceGrantAllInNamespace", grant("web", from, "{group: '', kind: Secret}"), true),
        ("GatewaySecretInvalidReferenceGrant: namespace", grant("app", from, "{group: '', kind: Secret}"), false),
        ("from group", grant("web", &from.replace("gateway.net", "x."), "{group: '', kind: Secret}"), false),
        (
            "from kind",
            grant("web", &from.replace("kind: Gateway", "kind: HTTPRoute"), "{group: '', kind: Secret}"),
            false,
        ),
        ("from namespace", grant("web", &from.replace("infra", "app"), "{group: '', kind: Secret}"), false),
        ("to group", grant("web", from, "{group: x, kind: Secret, name: foreign}"), false),
        ("to kind", grant("web", from, "{group: '', kind: Service, name: foreign}"), false),
        ("to name", grant("web", from, "{group: '', kind: Secret, name: other}"), false),
    ] {
        let resolved = if permitted { "True/ResolvedRefs" } else { "False/RefNotPermitted" };
        check(row, &(base.clone() + &grant), &[&format!("listener web https ResolvedRefs={resolved}")]);
    }
    check("GatewaySecretMissingReferenceGrant", &base, &["listener web https ResolvedRefs=False/RefNotPermitted"]);
}

#[test]
fn only_secrets_that_may_be_read_are_asked_for() {
    let (chain, key) = certificate();
    let world = world(&(https("{name: good}") + &secret("infra", "good", "kubernetes.io/tls", (&chain, &key))));
    for (readable, followed) in [(vec!["infra"], 1), (vec!["app", "web"], 0), (vec![], 0)] {
        let named = readable.iter().map(|&namespace| namespace.to_owned()).collect();
        let installation = Installation { secret_namespaces: named, ..Installation::default() };
        assert_eq!(references(&world, &installation).0.len(), followed, "{readable:?}");
        let compiled = compile(&world, CONTROLLER_NAME, &installation);
        let resolved = &only(&compiled).listeners[0].findings[2];
        assert_eq!((resolved.about, resolved.holds), ("ResolvedRefs", followed == 1));
        let place = format!("allowed: [{}], as secretNamespaces", readable.join(", "));
        assert!(resolved.holds || resolved.message.contains(&place), "{}", resolved.message);
    }
}

#[test]
fn what_would_be_ignored_is_refused() {
    let (chain, key) = certificate();
    let certificate = secret("infra", "good", "kubernetes.io/tls", (&chain, &key));
    let refused = ["listener web https Accepted=False/UnsupportedValue", "listener web https Programmed=False/Invalid"];
    for tls in ["mode: Passthrough", "options: {example.com/min-version: '1.3'}"] {
        let written = https("{name: good}").replace("tls: {", &format!("tls: {{{tls}, "));
        check(tls, &(written + &certificate), &refused);
    }
    let validation = "validation: {caCertificateRefs: [{group: '', kind: ConfigMap, name: ca}]}";
    for (frontend, here) in [
        (format!("default: {{{validation}}}"), true),
        (format!("default: {{}}, perPort: [{{port: 443, tls: {{{validation}}}}}]"), true),
        (format!("default: {{}}, perPort: [{{port: 444, tls: {{{validation}}}}}]"), false),
        (format!("default: {{{validation}}}, perPort: [{{port: 443, tls: {{}}}}]"), false),
    ] {
        let written = https("{name: good}").replace("spec: {", &format!("spec: {{tls: {{frontend: {{{frontend}}}}}, "));
        let accepted = ["listener web https Accepted=True/Accepted", "listener web https Programmed=True/Programmed"];
        check(&frontend, &(written + &certificate), if here { &refused } else { &accepted });
    }
    for (row, written, expected) in [
        (
            "no selector",
            "{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector}}}",
            "listener web http Accepted=False/UnsupportedValue",
        ),
        (
            "a label that is no host",
            &format!("{{name: http, port: 80, protocol: HTTP, hostname: {}}}", "a".repeat(64)),
            "listener web http Accepted=False/UnsupportedValue",
        ),
    ] {
        check(row, &listeners(written), &[expected]);
    }
    let backend = HTTP.replace("spec: {", "spec: {tls: {backend: {clientCertificateRef: {name: c}}}, ");
    check(
        "spec.tls.backend",
        &backend,
        &["gateway web Accepted=False/Invalid", "gateway web Programmed=False/Invalid"],
    );
}

#[test]
fn addresses() {
    for (written, accepted, programmed) in [
        (
            "{type: test/fake-invalid-type, value: 'fake address'}, {value: 10.96.0.9}",
            "False/UnsupportedAddress",
            "False/Invalid",
        ),
        ("{type: Hostname, value: a.example}", "False/UnsupportedAddress", "False/Invalid"),
        ("{type: IPAddress, value: a.example}", "False/UnsupportedAddress", "False/Invalid"),
        (
            "{type: IPAddress, value: 192.0.2.1}, {type: IPAddress, value: 10.96.0.9}",
            "True/Accepted",
            "False/AddressNotUsable",
        ),
        ("{type: IPAddress, value: 10.96.0.9}", "True/Accepted", "True/Programmed"),
        ("{value: 10.96.0.9}", "True/Accepted", "True/Programmed"),
        ("{type: IPAddress}", "True/Accepted", "True/Programmed"),
    ] {
        let gateway = world(&HTTP.replace("spec: {", &format!("spec: {{addresses: [{written}], ")));
        let expected = [format!("gateway web Accepted={accepted}"), format!("gateway web Programmed={programmed}")];
        check_world(&format!("GatewayStaticAddresses: {written}"), &gateway, &[&expected[0], &expected[1]]);
    }
}
