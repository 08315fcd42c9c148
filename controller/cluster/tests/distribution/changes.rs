//! What is published comes into force, and is acknowledged then.

use std::net::TcpListener;

use super::proxy::Running;
use super::site::{Site, any_port, in_force, large, publication};

#[tokio::test]
async fn publications_and_changes_come_into_force_and_are_acknowledged_then() {
    let mut site = Site::start(publication(1, 1, any_port())).await;
    let proxy = Running::start(site.controller(), &site.file("state"));
    assert_eq!(site.hears().await, in_force(1));
    assert_eq!(proxy.now(), (1, 1));
    for (generation, epoch) in [(2, 2), (3, 2), (7, 5)] {
        site.publications.send_replace(publication(generation, epoch, any_port()));
        assert_eq!(site.hears().await, in_force(generation));
        assert_eq!(proxy.now(), (generation, epoch), "said before it was so");
    }
}

#[tokio::test]
async fn many_services_come_and_go() {
    let mut site = Site::start(large(1, 1, any_port(), 2_000)).await;
    let proxy = Running::start(site.controller(), &site.file("state"));
    assert_eq!(site.hears().await, in_force(1));
    site.publications.send_replace(large(2, 2, any_port(), 3));
    assert_eq!(site.hears().await, in_force(2));
    assert_eq!(proxy.now(), (2, 2));
}

#[tokio::test]
async fn what_cannot_come_into_force_is_refused_with_its_reason() {
    let mut site = Site::start(publication(1, 1, any_port())).await;
    let proxy = Running::start(site.controller(), &site.file("state"));
    assert_eq!(site.hears().await, in_force(1));
    let taken = TcpListener::bind(any_port()).unwrap();
    site.publications.send_replace(publication(2, 2, taken.local_addr().unwrap()));
    let heard = site.hears().await;
    assert_eq!(heard.generation, 2);
    assert!(heard.refused.is_some_and(|why| why.contains("cannot listen on")));
    assert_eq!(proxy.now(), (1, 1), "the last good one stays");
    drop(taken);
    assert_eq!(site.hears().await, in_force(2), "it is tried again");
    assert_eq!(proxy.now(), (2, 2));

    let mut broken = (*publication(3, 3, any_port())).clone();
    broken.splits.values_mut().for_each(|split| split.arms.clear());
    site.publications.send_replace(broken.into());
    let heard = site.hears().await;
    assert!(heard.generation == 3 && heard.refused.is_some_and(|why| why.contains("splits.s0.arms")));
    site.publications.send_replace(publication(4, 4, any_port()));
    assert_eq!(site.hears().await, in_force(4));
}
