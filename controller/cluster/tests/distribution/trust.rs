//! Who is trusted, on both sides, and what happens when that changes.

use std::fs;

use tidegate_cluster::ca::{Authorities, Authority};
use tokio::net::TcpListener;

use super::proxy::Running;
use super::site::{STRANGER, Site, TOKEN, any_port, in_force, publication, within};

/// Waits until a proxy has come and has been turned away, by being in between.
async fn came_and_went(site: &mut Site) {
    site.stop().await;
    let listener = TcpListener::bind(site.address).await.unwrap();
    within(listener.accept()).await.unwrap();
    drop(listener);
    site.serve().await;
}

#[tokio::test]
async fn another_authority_is_not_trusted_until_its_bundle_says_so() {
    let mut site = Site::start(publication(1, 1, any_port())).await;
    let other = Authority::create(1_780_000_000).unwrap();
    fs::write(site.file("ca.pem"), other.certificate()).unwrap();
    let proxy = Running::start(site.controller(), &site.file("state"));
    for _ in 0..2 {
        came_and_went(&mut site).await;
    }
    assert!(site.shown.try_recv().is_err(), "the proxy has shown its token to somebody");
    assert_eq!(proxy.now(), (0, 0));
    let ours = Authority::read(site.authority.certificate(), site.authority.key()).unwrap();
    let bundle = Authorities::of(vec![other, ours]).unwrap().bundle();
    fs::write(site.file("ca.pem"), bundle).unwrap();
    assert_eq!(site.hears().await, in_force(1));
}

#[tokio::test]
async fn a_token_that_is_not_known_gets_nothing_until_another_is_there() {
    let mut site = Site::start(publication(1, 1, any_port())).await;
    for (index, wrong) in ["nobody", STRANGER].into_iter().enumerate() {
        fs::write(site.file("token"), wrong).unwrap();
        let proxy = Running::start(site.controller(), &site.file(&format!("state-{index}")));
        for _ in 0..2 {
            site.is_shown(wrong).await;
        }
        assert!(site.heard.try_recv().is_err(), "{wrong}");
        assert_eq!(proxy.now(), (0, 0), "{wrong}");
        fs::write(site.file("token"), TOKEN).unwrap();
        assert_eq!(site.hears().await, in_force(1), "{wrong}");
    }
}

#[tokio::test]
async fn a_controller_that_knows_nothing_yet_is_asked_again() {
    let mut site = Site::start(publication(0, 1, any_port())).await;
    let proxy = Running::start(site.controller(), &site.file("state"));
    for _ in 0..2 {
        site.is_shown(TOKEN).await;
    }
    assert_eq!(proxy.now(), (0, 0));
    site.publications.send_replace(publication(1, 1, any_port()));
    assert_eq!(site.hears().await, in_force(1));
}
