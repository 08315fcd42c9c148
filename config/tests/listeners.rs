//! What listeners may share, what routes may name, and what a certificate must be to be tried.

use tidegate_config::{Certificate, Config, Host, PrivateKey, Tls};

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
const KEY: &str = "-----BEGIN PRIVATE KEY-----";

/// A file with these listeners and routes.
fn file(listeners: &str, routes: &str) -> String {
    format!(
        "listeners: [{listeners}]\nroutes: [{routes}]\n\
         services: {{shop: {{versions: {{v1: {{endpoints: ['127.0.0.1:9001']}}}}}}}}"
    )
}

/// What is wrong with a file; "" where nothing is.
fn told(listeners: &str, routes: &str) -> String {
    Config::parse(&file(listeners, routes)).err().map(|problems| problems.to_string()).unwrap_or_default()
}

#[track_caller]
fn check(listeners: &str, routes: &str, expected: &str) {
    let told = told(listeners, routes);
    assert!(
        if expected.is_empty() { told.is_empty() } else { told.contains(expected) },
        "{listeners}, {routes}: {told}"
    );
}

#[test]
fn listeners_share_an_address_where_their_hosts_tell_them_apart() {
    let tls = "tls: {certificates: [{certificateFile: a, keyFile: b}]}";
    let https = |host: &str| format!("{{address: '127.0.0.1:80', host: '{host}', {tls}}}");
    let http = |host: &str| format!("{{address: '127.0.0.1:80', host: '{host}'}}");
    let any = "{address: '127.0.0.1:80'}";
    for (listeners, expected) in [
        ([http("a.example"), http("*.example")], ""),
        ([https("a.example"), https("b.example")], ""),
        ([any.to_owned(), http("a.example")], ""),
        (
            [http("a.example"), http("a.example")],
            "listeners[1].address: 127.0.0.1:80 is the address of listeners[0], too, and both are for a.example; allowed: ",
        ),
        (
            [any.to_owned(), any.to_owned()],
            "listeners[1].address: 127.0.0.1:80 is the address of listeners[0], too, and both are for every host",
        ),
        (
            [http("a.example"), https("b.example")],
            "listeners[1].address: HTTPS on 127.0.0.1:80, where listeners[0] is HTTP; allowed: an address of its own, or",
        ),
        (
            [https("a.example"), http("b.example")],
            "listeners[1].address: HTTP on 127.0.0.1:80, where listeners[0] is HTTPS",
        ),
        (
            ["{name: a, address: '127.0.0.1:80'}".into(), "{name: a, address: '127.0.0.1:81'}".into()],
            "listeners[1].name: a is",
        ),
        (
            [any.to_owned(), "{address: '127.0.0.1:81', host: 'a:80'}".into()],
            "listeners[1].host: \"a:80\" is not a host",
        ),
    ] {
        check(&listeners.join(", "), "{service: shop}", expected);
    }
    let many = |count: u32| (0..count).map(|i| format!("{{address: '127.0.0.1:0', host: h{i}}}")).collect::<Vec<_>>();
    check(&many(1_000).join(", "), "{service: shop}", "");
    check(&many(1_001).join(", "), "{service: shop}", "listeners: 1001 listeners; allowed: at most 1000");
}

#[test]
fn routes_name_the_listeners_they_are_for() {
    let two = "{name: in, address: '127.0.0.1:80'}, {name: out, address: '127.0.0.1:81'}";
    for (routes, expected) in [
        ("{service: shop, listeners: [in]}, {service: shop, listeners: [out]}", ""),
        ("{service: shop, listeners: [in, out]}, {service: shop, host: a, listeners: [out]}", ""),
        ("{service: shop, listeners: [up]}", "routes[0].listeners: \"up\" is not a listener; allowed: in, out"),
        ("{service: shop, listeners: []}", "routes[0].listeners: no listener; allowed: the names of listeners, or"),
        (
            "{service: shop, listeners: [in]}, {service: shop, listeners: [out, in]}",
            "routes[1]: the same host and path as routes[0]; allowed: one route for each host and path of a listener",
        ),
        ("{service: shop, listeners: [in]}, {service: shop}", "routes[1]: the same host and path as routes[0]"),
        ("{service: shop}, {service: shop, listeners: [out]}", "routes[1]: the same host and path as routes[0]"),
    ] {
        check(two, routes, expected);
    }
    check("{address: '127.0.0.1:80'}", "{service: shop, listeners: [a]}", "allowed: a listener with this name");
    // A listener that is wrong in itself is not missed as well.
    let wrong = told("{name: in, address: nowhere}", "{service: shop, listeners: [in]}");
    assert!(wrong.starts_with("listeners[0].address") && wrong.lines().count() == 1, "{wrong}");
}

#[test]
fn a_certificate_is_two_files_or_two_texts() {
    let listener = |tls: &str| format!("{{address: '127.0.0.1:80', tls: {tls}}}");
    let certificate = |it: &str| listener(&format!("{{certificates: [{it}]}}"));
    let texts = |certificate: &str, key: &str| format!("{{certificate: '{certificate}', key: '{key}'}}");
    let at = "listeners[0].tls.certificates";
    for (listener, expected) in [
        (certificate("{certificateFile: a.pem, keyFile: b.pem}"), String::new()),
        (certificate(&texts(CERTIFICATE, KEY)), String::new()),
        (
            certificate(&texts(KEY, CERTIFICATE)),
            format!("{at}[0].certificate: no certificate in it; allowed: PEM text"),
        ),
        (certificate(&texts(CERTIFICATE, "no")), format!("{at}[0].key: no private key in it; allowed: PEM text")),
        (certificate("{certificateFile: a.pem}"), format!("{at}[0]: neither two files nor two texts; allowed: ")),
        (certificate("{certificateFile: a.pem, keyFile: b.pem, key: c}"), format!("{at}[0]: neither two files nor")),
        (
            certificate("a.pem"),
            format!("{at}[0]: the text \"a.pem\"; allowed: {{certificateFile: PATH, keyFile: PATH}}"),
        ),
        (certificate(""), format!("{at}: 0 certificates; allowed: 1 to 1000")),
        (listener("{}"), format!("{at}: missing")),
        (
            certificate(&texts(CERTIFICATE, &KEY.repeat(2_500))),
            format!("{at}[0].key: 67500 bytes long; allowed: at most "),
        ),
    ] {
        check(&listener, "{service: shop}", &expected);
    }
}

#[test]
fn files_are_read_or_named() {
    let tls = "tls: {certificates: [{certificateFile: good.pem, keyFile: good.key}, {certificateFile: gone, keyFile: good.key}]}";
    let config = Config::parse(&file(&format!("{{address: '127.0.0.1:80', {tls}}}"), "{service: shop}")).unwrap();
    let read = |file: &std::path::Path| match file.to_str() {
        Some("good.pem") => Ok(CERTIFICATE.to_owned()),
        Some("good.key") => Ok(KEY.to_owned()),
        _ => Err("no such file".to_owned()),
    };
    let problems = config.clone().load_certificates(&read).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "listeners[0].tls.certificates[1].certificateFile: gone: no such file; allowed: a readable file of at most 65536 bytes"
    );
    let found = config.clone().load_certificates(&|_| Ok(CERTIFICATE.to_owned())).unwrap_err().to_string();
    assert!(found.starts_with("listeners[0].tls.certificates[0].keyFile: no private key in it"), "{found}");
    let loaded = config.load_certificates(&|file| read(file).or(Ok(format!("{CERTIFICATE}{KEY}")))).unwrap();
    let Some(Tls { certificates }) = &loaded.listeners[0].tls else { panic!("no tls") };
    let inline = |key: &str| Certificate::Inline { certificate: CERTIFICATE.into(), key: PrivateKey(key.into()) };
    assert_eq!(certificates[0], inline(KEY));
}

/// Neither where it belongs nor where it does not.
#[test]
fn a_key_is_never_shown() {
    let secret = "MC4CAQAwBQYDK2VwBCIEIA";
    let key = format!("{KEY}{secret}");
    let listener = |certificate: &str| format!("{{address: '127.0.0.1:80', tls: {{certificates: [{certificate}]}}}}");
    let good = listener(&format!("{{certificate: '{CERTIFICATE}', key: '{key}'}}"));
    let config = Config::parse(&file(&good, "{service: shop}")).unwrap();
    assert!(!format!("{config:?}").contains(secret) && serde_json::to_string(&config).unwrap().contains(secret));
    let shown = serde_json::to_string(&config.clone().without_keys()).unwrap();
    assert!(!shown.contains(secret) && shown.contains("(not shown)"), "{shown}");
    let back: Config = serde_json::from_str(&serde_json::to_string(&config).unwrap()).unwrap();
    assert_eq!(back, config);
    for wrong in [
        listener(&format!("'{key}'")),
        listener(&format!("{{certificate: ['{key}']}}")),
        listener(&format!("{{certificate: '{CERTIFICATE}', key: {{a: '{key}'}}}}")),
        format!("{{address: '{key}'}}"),
        format!("'{key}'"),
        format!("{{address: '127.0.0.1:80', host: '{key}'}}"),
        format!("{{address: '127.0.0.1:80', name: '{key}'}}"),
    ] {
        let told = told(&wrong, "{service: shop}");
        assert!(!told.is_empty() && !told.contains(&secret[..4]), "{told}");
    }
}

#[test]
fn a_wildcard_has_the_hosts_below_it() {
    let host = |text: &str| text.parse::<Host>().unwrap();
    for (inner, outer, is) in [
        ("a.example", "a.example", true),
        ("a.example", "*.example", true),
        ("b.a.example", "*.example", true),
        ("example", "*.example", false),
        ("*.a.example", "*.example", true),
        ("*.example", "*.example", true),
        ("*.example", "*.a.example", false),
        ("*.example", "a.example", false),
        ("aexample", "*.example", false),
    ] {
        assert_eq!(host(inner).is_within(&host(outer)), is, "{inner} in {outer}");
    }
}
