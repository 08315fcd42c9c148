//! Which service answers, by host and path, over the wire.

use crate::harness::{Backend, TestProxy};

fn three_services() -> (Vec<Backend>, String) {
    let backends: Vec<Backend> = ["any", "shop", "api"].map(Backend::saying).into();
    let service =
        |name: &str, backend: &Backend| format!("{name}: {{versions: {{v1: {{endpoints: ['{}']}}}}}}", backend.address);
    let services: Vec<String> =
        ["any", "shop", "api"].iter().zip(&backends).map(|(name, backend)| service(name, backend)).collect();
    let config = format!(
        "listeners: [{{address: '127.0.0.1:0'}}]\nroutes:\n- {{path: {{prefix: /public}}, service: any}}\n\
         - {{host: shop.example, service: shop}}\n- {{host: shop.example, path: {{prefix: /api}}, service: api}}\n\
         - {{host: shop.example, path: {{exact: /api/public}}, service: any}}\n\
         - {{host: '*.api.example', service: api}}\nservices: {{{}}}\n",
        services.join(", ")
    );
    (backends, config)
}

#[test]
fn the_most_specific_route_takes_a_request() {
    let (_backends, config) = three_services();
    let proxy = TestProxy::start(&config);
    let mut client = proxy.client();
    let rows = [
        ("GET /", "shop.example", "shop"),
        ("GET /", "SHOP.Example:8080", "shop"),
        ("GET /apis", "shop.example", "shop"),
        ("GET /api", "shop.example", "api"),
        ("GET /api/x?y=/public", "shop.example", "api"),
        ("GET /api/public", "shop.example", "any"),
        ("GET /api/public/", "shop.example", "api"),
        ("GET /", "v1.api.example", "api"),
        ("GET /", "a.b.api.example:1", "api"),
        ("GET /public/x", "other.example", "any"),
        ("GET /public", "api.example", "any"),
        ("GET http://shop.example/api", "other.example", "api"),
        ("GET /", "api.example", ""),
        ("GET /", "other.example", ""),
        ("GET /publics", "other.example", ""),
        ("GET /", "shop.example.evil", ""),
        ("GET /", "[::1]:80", ""),
    ];
    for (line, host, service) in rows {
        client.send(format!("{line} HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        let answer = client.answer();
        if service.is_empty() {
            assert_eq!((answer.status, answer.reason()), (404, "no-route"), "{line} {host}");
        } else {
            assert_eq!((answer.status, answer.text()), (200, service), "{line} {host}");
        }
    }
    assert_eq!(rows.len(), 17);
}

#[test]
fn a_changed_route_holds_for_the_next_request_of_a_connection() {
    let (_backends, config) = three_services();
    let proxy = TestProxy::start(&config);
    let mut client = proxy.client();
    assert_eq!(client.get("/").text(), "shop");
    proxy
        .configure(&config.replace("{host: shop.example, service: shop}", "{host: shop.example, service: api}"))
        .unwrap();
    assert_eq!(client.get("/").text(), "api");
    proxy.configure(&config.replace("shop.example, ", "else.example, ")).unwrap();
    assert_eq!(client.get("/").status, 404);
}
