//! Several listeners at one address: each has its hosts and its routes, and no request gets from one to another.

use crate::harness::{Backend, Client, Http2, Made, TestProxy, TlsClient, met, request};

/// A service for each listener: at one address those for every host, for one host and for a wildcard.
fn isolated(tls: [&str; 3]) -> (Vec<Backend>, String) {
    let names = ["any", "shop", "wild"];
    let backends: Vec<Backend> = names.map(Backend::saying).into();
    let hosts = ["", "host: shop.example, ", "host: '*.wild.example', "];
    let listener = |i: usize| format!("{{name: {}, {}address: '127.0.0.1:0'{}}}", names[i], hosts[i], tls[i]);
    let route = |i: usize| format!("{{listeners: [{0}], service: {0}}}", names[i]);
    let service = |i: usize| format!("{}: {{versions: {{v1: {{endpoints: ['{}']}}}}}}", names[i], backends[i].address);
    let list = |of: &dyn Fn(usize) -> String| (0..3).map(of).collect::<Vec<_>>().join(", ");
    let config = format!(
        "listeners: [{}]\nroutes: [{}, {{path: {{prefix: /all}}, host: '*.example', service: any}}]\nservices: {{{}}}\n",
        list(&listener),
        list(&route),
        list(&service)
    );
    (backends, config)
}

#[test]
fn a_host_leads_to_its_listener_and_no_further() {
    let (_backends, config) = isolated(["", "", ""]);
    let proxy = TestProxy::start(&config);
    let mut client = proxy.client();
    for (host, path, text) in [
        ("other", "/", "any"),
        ("wild.example", "/", "any"),
        ("shop.example", "/", "shop"),
        ("Shop.Example:80", "/", "shop"),
        ("a.b.wild.example", "/", "wild"),
        ("shop.example", "/all", "any"),
    ] {
        client.send(format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        assert_eq!(client.answer().text(), text, "{host}{path}");
    }
    // Without its own route a listener has none, whatever the others have.
    proxy.configure(&config.replace("{listeners: [shop], service: shop}, ", "")).unwrap();
    client.send("GET / HTTP/1.1\r\nhost: shop.example\r\n\r\n");
    let answer = client.answer();
    assert_eq!((answer.status, answer.reason()), (404, "no-route"));
    assert_eq!(client.get("/all").text(), "any");
}

#[test]
fn an_address_of_its_own_has_its_own_routes() {
    let (_backends, config) = isolated(["", "", ""]);
    let config = config.replace("host: shop.example, address: '127.0.0.1:0'", "address: '127.0.0.2:0'");
    let proxy = TestProxy::with_workers(&config, 2);
    for address in proxy.addresses() {
        let expected = if address.ip().to_string() == "127.0.0.2" { "shop" } else { "any" };
        assert_eq!(Client::connect(address).get("/").text(), expected, "{address}");
    }
    assert_eq!(proxy.addresses().len(), 2);
}

#[test]
fn a_connection_for_one_host_does_not_serve_anothers() {
    let made = ["any.example", "shop.example", "*.wild.example"].map(|name| Made::of(&[name]));
    let tls: Vec<String> = made.iter().map(|made| format!(", tls: {{certificates: [{}]}}", made.yaml())).collect();
    let (_backends, config) = isolated([&tls[0], &tls[1], &tls[2]]);
    let proxy = TestProxy::start(&config);
    let client = TlsClient::offering(&["h2"]);
    for (sni, certificate, rows) in [
        ("unknown.example", 0, [("unknown.example", 200), ("shop.example", 421), ("a.wild.example", 421)]),
        ("shop.example", 1, [("shop.example", 200), ("unknown.example", 421), ("a.wild.example", 421)]),
        ("a.wild.example", 2, [("b.wild.example", 200), ("shop.example", 421), ("unknown.example", 421)]),
        ("a.b.wild.example", 2, [("b.wild.example", 200), ("shop.example", 421), ("unknown.example", 421)]),
    ] {
        assert_eq!(met(&client.connect(proxy.address(), sni).unwrap()), made[certificate].der, "{sni}");
        let connection = Http2::connect_tls(&client, proxy.address(), sni);
        for (host, status) in rows {
            let mut request = request("GET", "/", "");
            *request.uri_mut() = format!("https://{host}/").parse().unwrap();
            let answer = connection.send(request);
            assert_eq!(answer.status(), status, "{sni} {host}");
            let reason = answer.headers().get("x-tidegate-reason").map(|reason| reason.to_str().unwrap());
            assert_eq!(reason, (status == 421).then_some("misdirected"));
        }
    }
    assert_eq!(proxy.samples().count("tidegate_refused_requests_total", &[("reason", "misdirected")]), 8);
}

#[test]
fn a_client_that_names_nobody_reaches_every_host() {
    let made = Made::of(&["shop.example"]);
    let tls = format!(", tls: {{certificates: [{}]}}", made.yaml());
    let (_backends, config) = isolated([&tls, &tls, &tls]);
    let proxy = TestProxy::start(&config);
    // An address is no name, so none is sent.
    let mut client = Client::over(TlsClient::offering(&[]).connect(proxy.address(), "127.0.0.1").unwrap());
    assert_eq!(client.get("/").text(), "shop");
    client.send("GET / HTTP/1.1\r\nhost: a.wild.example\r\n\r\n");
    assert_eq!(client.answer().text(), "wild");
}
