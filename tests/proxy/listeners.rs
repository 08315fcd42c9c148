//! Addresses that come and go while the proxy runs.

use std::net::{SocketAddr, TcpListener};

use crate::harness::{After, Backend, Client, Gate, TestProxy, one, until};

/// The configuration of one backend, listening on these loopback addresses with a free port each.
fn listening(backend: &Backend, addresses: &[&str]) -> String {
    let listeners: Vec<String> = addresses.iter().map(|address| format!("{{address: '{address}'}}")).collect();
    one(backend, "").replace("{address: '127.0.0.1:0'}", &listeners.join(", "))
}

/// The proxy's address on a loopback IP.
fn on(proxy: &TestProxy, ip: &str) -> SocketAddr {
    let mut addresses = proxy.addresses().into_iter();
    addresses.find(|address| address.ip().to_string() == ip).expect("a listener there")
}

#[test]
fn an_added_address_is_served_and_the_others_go_on() {
    let backend = Backend::saying("ok");
    let proxy = TestProxy::with_workers(&listening(&backend, &["127.0.0.1:0"]), 2);
    let mut before = proxy.client();
    assert_eq!(before.get("/").status, 200);
    let first = proxy.address();
    proxy.configure(&listening(&backend, &["127.0.0.1:0", "127.0.0.2:0"])).unwrap();
    assert_eq!(on(&proxy, "127.0.0.1"), first, "an address that stays keeps its port");
    for _ in 0..20 {
        assert_eq!(Client::connect(on(&proxy, "127.0.0.2")).get("/").text(), "ok");
    }
    assert_eq!((before.get("/").status, Client::connect(first).get("/").status), (200, 200));
}

#[test]
fn a_removed_address_takes_nobody_and_ends_what_it_has() {
    let gate = Gate::default();
    let shut = gate.clone();
    let backend = Backend::start(move |exchange| {
        exchange.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no");
        shut.pass();
        exchange.send("k");
        After::Keep
    });
    let proxy = TestProxy::with_workers(&listening(&backend, &["127.0.0.1:0", "127.0.0.2:0"]), 2);
    let removed = on(&proxy, "127.0.0.2");
    let mut client = Client::connect(removed);
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    until("a response is under way", || gate.arrived() == 1);
    proxy.configure(&listening(&backend, &["127.0.0.1:0"])).unwrap();
    until("the port is closed", || Client::is_refused(removed));
    gate.open();
    assert_eq!(client.answer().text(), "ok");
    assert_eq!(proxy.client().get("/").text(), "ok");
}

#[test]
fn an_address_in_use_refuses_the_whole_change() {
    let (old, new) = (Backend::saying("old"), Backend::saying("new"));
    let proxy = TestProxy::start(&one(&old, ""));
    let taken = TcpListener::bind("127.0.0.3:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let error = proxy.configure(&listening(&new, &["127.0.0.1:0", &address])).unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot listen on {address}: ")), "{error}");
    assert_eq!((proxy.get("/").text(), proxy.addresses().len()), ("old", 1));
    drop(taken);
    proxy.configure(&listening(&new, &["127.0.0.1:0", &address])).unwrap();
    assert_eq!(Client::connect(address.parse().unwrap()).get("/").text(), "new");
}
