//! Controllers and proxies that stop and start again.

use std::fs;

use tidegate_proxy::subscribe::Kept;

use super::proxy::Running;
use super::site::{Site, any_port, in_force, publication, within};

#[tokio::test]
async fn a_controller_that_is_back_is_found() {
    let mut site = Site::start(publication(40, 4, any_port())).await;
    let proxy = Running::start(site.controller(), &site.file("state"));
    assert_eq!(site.hears().await, in_force(40));
    site.stop().await;
    // It counts anew, and has not heard of epoch 4.
    site.publications.send_replace(publication(3, 2, any_port()));
    site.serve().await;
    assert_eq!(site.hears().await, in_force(3));
    assert_eq!(proxy.now(), (41, 4), "an earlier epoch is not taken");
    site.publications.send_replace(publication(4, 5, any_port()));
    assert_eq!(site.hears().await, in_force(4));
    assert_eq!(proxy.now(), (42, 5));
}

#[tokio::test]
async fn a_feed_that_counts_anew_begins_a_new_stream() {
    let mut site = Site::start(publication(9, 1, any_port())).await;
    let proxy = Running::start(site.controller(), &site.file("state"));
    assert_eq!(site.hears().await, in_force(9));
    site.publications.send_replace(publication(2, 2, any_port()));
    assert_eq!(site.hears().await, in_force(2));
    assert_eq!(proxy.now(), (10, 2));
}

#[tokio::test]
async fn without_a_controller_a_proxy_starts_from_its_disk() {
    let mut site = Site::start(publication(5, 5, any_port())).await;
    let state = site.file("state");
    let proxy = Running::start(site.controller(), &state);
    assert_eq!(site.hears().await, in_force(5));
    let kept = Kept::open(&state).unwrap();
    within(async {
        while kept.read().unwrap().is_none_or(|publication| publication.generation != 5) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(proxy);
    site.stop().await;
    let mut proxy = Running::start(site.controller(), &state);
    assert_eq!(proxy.now(), (0, 0));
    proxy.until((5, 5)).await;
    site.publications.send_replace(publication(1, 4, any_port()));
    site.serve().await;
    assert_eq!(site.hears().await, in_force(1));
    assert_eq!(proxy.now(), (6, 5), "what was kept has epochs, too");
}

#[tokio::test]
async fn a_damaged_file_does_not_matter() {
    let mut site = Site::start(publication(5, 5, any_port())).await;
    let state = site.file("state");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("publication.json"), "{\"publication\":").unwrap();
    let proxy = Running::start(site.controller(), &state);
    assert_eq!(site.hears().await, in_force(5));
    assert_eq!(proxy.now(), (5, 5));
}
