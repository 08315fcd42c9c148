//! Blue/green: preview, switch, an instant way back, and the end of the standby.

use std::net::SocketAddr;

use tidegate_controller::engine::Phase;

use super::backend::Pair;
use super::clock::{now, unix_millis, until};
use super::crowd::Crowd;
use super::site::{Instance, Site, shop};
use super::visitor::Regulars;
use super::visitor::get;

fn file(pair: &Pair, standby: &str) -> String {
    let rollout = format!("rollout: {{strategy: blueGreen, standby: {standby}, scrapeInterval: 100ms}}");
    pair.file(&format!("stable: v1\n    canary: v2\n    {rollout}")).replace("request: 500ms", "request: 15s")
}

async fn everybody_sees(address: SocketAddr, version: &str) {
    let seen = Regulars::new(50).visit(address).await;
    assert!(seen.iter().all(|seen| seen == version), "{seen:?}");
}

/// A preview, and the switch.
async fn switch(site: &Site, instance: &Instance) {
    let address = instance.address;
    instance.report_when("the preview", |report| report.in_force_since.is_some()).await;
    for (fields, version) in [
        (&[("x-tidegate-version", "canary")][..], "v2"),
        (&[("x-tidegate-version", "v2")], "v2"),
        (&[("x-tidegate-version", "v9")], "v1"),
        (&[("cookie", "tidegate-version=canary")], "v2"),
        (&[], "v1"),
    ] {
        assert_eq!(get(address, "/", fields).await.unwrap().version(), version, "{fields:?}");
    }
    everybody_sees(address, "v1").await;
    let switched = site.tidegate(&["promote", "shop", "-o", "json"]).await.json();
    assert_eq!(switched["rollout"]["phase"], "standby");
    instance.report_when("the switch in force", |report| report.in_force_since.is_some()).await;
    everybody_sees(address, "v2").await;
}

#[tokio::test]
async fn an_abort_during_standby_is_instant() {
    let pair = Pair::start().await;
    let site = Site::new(&file(&pair, "5m"));
    let instance = site.start().await;
    switch(&site, &instance).await;
    let crowd = Crowd::start(instance.address, 400);
    until("people on the new version", async || (crowd.tally().good > 50).then_some(())).await;
    let aborted = site.tidegate(&["abort", "shop", "-o", "json"]).await;
    let answered = unix_millis();
    assert_eq!(aborted.json()["rollout"]["phase"], "aborted");
    let before = crowd.tally().good;
    until("people after the abort", async || (crowd.tally().good > before + 100).then_some(())).await;
    crowd.stop().await.assert_unharmed();
    everybody_sees(instance.address, "v1").await;
    let late = pair.v2.log().last().unwrap().at.saturating_sub(answered);
    assert!(late < 250, "a visitor reached the new version {late} ms after the abort was confirmed");
}

#[tokio::test]
async fn the_end_of_the_standby_promotes() {
    let pair = Pair::start().await;
    let site = Site::new(&file(&pair, "1s"));
    let instance = site.start().await;
    switch(&site, &instance).await;
    let switched = now();
    let over = instance.report_when("the end of the standby", |report| report.phase.is_over()).await;
    assert_eq!(over.phase, Phase::Promoted, "{}", over.verdict);
    assert!(switched.elapsed().as_millis() < 5_000, "{:?}", switched.elapsed());
    everybody_sees(instance.address, "v2").await;
    assert_eq!(instance.client.status(&shop()).await.unwrap().stable.as_str(), "v2");
}
