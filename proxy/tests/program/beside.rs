//! The application beside a proxy: first of its version's endpoints, while it answers.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use tidegate_config::{Config, Key, Publication};
use tidegate_proxy::{Proxy, fixed, initial};

use super::running::{Application, get};

/// A proxy that is told of a version whose endpoints are `published` and another; `published` is reached at `own`.
fn proxy(published: SocketAddr, own: SocketAddr, other: SocketAddr) -> Proxy {
    let text = format!(
        "listeners: [{{address: '127.0.0.1:0'}}]\nroutes: [{{service: s}}]\n\
         services: {{s: {{versions: {{v: {{endpoints: ['{other}', '{published}']}}}}}}}}\n"
    );
    let publication: Publication = fixed::publication(Config::parse(&text).unwrap(), None, || Key([0; 16])).unwrap();
    let proxy = Proxy::start(&initial::publication(&[]), &BTreeMap::new(), 1).unwrap();
    proxy.prefer(BTreeMap::from([(published, own)]));
    proxy.apply(&Arc::new(publication), &BTreeMap::new()).unwrap();
    proxy
}

fn seen(proxy: &Proxy) -> Vec<String> {
    let address = proxy.addresses()[0];
    (0..20).map(|_| get(address, "/", "a")).map(|(status, text)| format!("{status} {text}")).collect()
}

#[test]
fn the_application_beside_a_proxy_answers_for_its_version() {
    let (own, other) = (Application::start("own"), Application::start("other"));
    // An address of nobody: what leads there comes to the application.
    let published = SocketAddr::from(([192, 0, 2, 1], own.address.port()));
    assert_eq!(seen(&proxy(published, own.address, other.address)), ["200 own"; 20]);
}

#[test]
fn others_answer_when_it_has_ended() {
    let other = Application::start("other");
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let published = SocketAddr::from(([192, 0, 2, 1], gone.port()));
    assert_eq!(seen(&proxy(published, gone, other.address)), ["200 other"; 20]);
}
