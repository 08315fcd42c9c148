//! Recreate: one version stops, then the other one starts, and nobody who comes in between is turned away.

use std::net::SocketAddr;

use tidegate_controller::engine::Phase;

use super::backend::{Backend, Reserved};
use super::clock::until;
use super::crowd::Crowd;
use super::site::{Instance, Site, shop};
use super::visitor::Regulars;

fn file(v1: SocketAddr, v2: SocketAddr, start_within: &str) -> String {
    format!(
        "listeners: [{{address: '127.0.0.1:0'}}]
admin: {{address: '127.0.0.1:0'}}
workers: 2
routes: [{{service: shop}}]
services:
  shop:
    stable: v1
    canary: v2
    versions:
      v1: {{endpoints: ['{v1}']}}
      v2: {{endpoints: ['{v2}']}}
    rollout: {{strategy: recreate, startWithin: {start_within}, scrapeInterval: 100ms}}
"
    )
}

async fn everybody_sees(instance: &Instance, version: &str) {
    let seen = Regulars::new(50).visit(instance.address).await;
    assert!(seen.iter().all(|seen| seen == version), "{seen:?}");
}

#[tokio::test]
async fn requests_wait_between_the_two_versions() {
    let (v1, reserved) = (Backend::start("v1").await, Reserved::new());
    let site = Site::new(&file(v1.address, reserved.address, "1m"));
    let instance = site.start().await;
    instance.report_when("the switch", |report| report.phase == Phase::Recreating).await;
    everybody_sees(&instance, "v1").await;
    let crowd = Crowd::start(instance.address, 200);
    until("people", async || (crowd.tally().good > 50).then_some(())).await;
    drop(v1);
    until("all of them to wait", async || {
        instance.metrics().await.contains("tidegate_parked_requests_waiting 8").then_some(())
    })
    .await;
    let before = crowd.tally().good;
    let _v2 = Backend::start_at("v2", reserved);
    let over = instance.report_when("the new version", |report| report.phase.is_over()).await;
    assert_eq!(over.phase, Phase::Promoted, "{}", over.verdict);
    until("people after it", async || (crowd.tally().good > before + 50).then_some(())).await;
    crowd.stop().await.assert_unharmed();
    everybody_sees(&instance, "v2").await;
    assert_eq!(instance.client.status(&shop()).await.unwrap().stable.as_str(), "v2");
}

#[tokio::test]
async fn a_version_that_does_not_come_harms_nobody() {
    let (v1, reserved) = (Backend::start("v1").await, Reserved::new());
    let site = Site::new(&file(v1.address, reserved.address, "1s"));
    let instance = site.start().await;
    let crowd = Crowd::start(instance.address, 200);
    let over = instance.report_when("the return", |report| report.phase.is_over()).await;
    assert_eq!(over.phase, Phase::Aborted, "{}", over.verdict);
    assert!(over.verdict.contains("Nobody of v2 could be reached within 1s"), "{}", over.verdict);
    crowd.stop().await.assert_unharmed();
    everybody_sees(&instance, "v1").await;
    assert_eq!(site.tidegate(&["status", "shop", "--watch"]).await.code, Some(3));
}
