//! A power cut in the middle of a rollout takes nothing away.

use std::time::Duration;

use tidegate_controller::engine::{Action, ArmReport, Phase, Report, Status};
use tidegate_controller::store::Store;

use super::backend::Pair;
use super::clock::now;
use super::crowd::Crowd;
use super::site::{Instance, Site, shop};
use super::visitor::Regulars;

const SEED: u64 = 20_260_101;
const KILLS: usize = 5;

/// Every step by evidence, as a healthy canary goes.
const STEPS: &str = "
    stable: v1
    canary: v2
    rollout: {strategy: canary, steps: [10%, 20%, 30%, 40%, 50%, 100%], soak: 600ms, warmUp: 0s, deadline: 2m,
              scrapeInterval: 100ms, maxHarm: 10%, latency: {enabled: false}}
";

/// Numbers without a pattern, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// What was last seen of a rollout, which only ever goes forward.
#[derive(Default)]
struct Story {
    last: Option<Report>,
}

fn totals(arm: &ArmReport) -> [u64; 5] {
    [arm.requests, arm.failures, arm.visitors, arm.failed, arm.first_seen]
}

impl Story {
    /// Checks a report against the one before.
    fn goes_on(&mut self, report: Report) {
        if let Some(last) = &self.last {
            assert_eq!(report.rollout, last.rollout);
            assert!(report.step >= last.step, "step {} after {}", report.step, last.step);
            assert!(report.share >= last.share, "{} after {}", report.share, last.share);
            for (now, before) in [(&report.canary, &last.canary), (&report.stable, &last.stable)] {
                let grown = totals(now).iter().zip(totals(before)).all(|(now, before)| *now >= before);
                assert!(grown, "evidence shrank: {now:?} after {before:?}");
            }
        }
        self.last = Some(report);
    }

    /// Watches until a moment that has nothing to do with what the instance is doing.
    async fn watch(&mut self, instance: &Instance, moment: Duration) {
        let start = now();
        while start.elapsed() < moment {
            self.goes_on(instance.report().await);
        }
    }
}

/// What a dead instance left.
fn stored(site: &Site) -> Status {
    let (_store, stored) = Store::open(&site.state()).unwrap();
    stored.services[&shop()].rollout.clone().unwrap()
}

#[tokio::test]
async fn a_killed_instance_goes_on_where_it_was() {
    let pair = Pair::start().await;
    let site = Site::new(&pair.file(STEPS));
    let mut instance = site.start().await;
    let crowd = Crowd::start(instance.address, 400);
    let (mut regulars, mut random, mut story) = (Regulars::new(60), Random(SEED), Story::default());
    for kill in 0..KILLS {
        let before = regulars.visit(instance.address).await;
        story.watch(&instance, Duration::from_millis(150 + random.below(700))).await;
        instance.kill().await;
        let left = stored(&site);
        let told = story.last.as_ref().unwrap().share;
        assert!(left.share >= told, "told {told} and stored {} at kill {kill}", left.share);

        instance = site.start().await;
        crowd.move_to(instance.address);
        story.goes_on(instance.report().await);
        let again = story.last.as_ref().unwrap().share;
        assert!(again >= left.share, "stored {} and went on with {again} at kill {kill}", left.share);
        let after = regulars.visit(instance.address).await;
        let sent_back = before.iter().zip(&after).filter(|(before, after)| *before == "v2" && *after == "v1").count();
        assert_eq!(sent_back, 0, "visitors of the canary are kept at kill {kill}");
    }
    let promoted = instance.report_when("the promotion", |report| report.phase.is_over()).await;
    assert_eq!(promoted.phase, Phase::Promoted, "{}", promoted.verdict);
    let tally = crowd.stop().await;
    assert!(tally.bad.is_empty(), "only a dead instance may fail anybody: {:?}", tally.bad);
    assert_every_step_was_taken_once(&instance).await;
}

async fn assert_every_step_was_taken_once(instance: &Instance) {
    let explanation = instance.client.explain(&shop()).await.unwrap();
    let mut numbers = Vec::new();
    let mut shares = Vec::new();
    for decision in &explanation.decisions {
        numbers.push(decision.logged.number);
        let record = &decision.logged.record;
        if matches!(record.action, Action::Advance | Action::Promote) {
            shares.push(format!("{} {}", record.from, record.to));
        }
    }
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "no decision is lost or told twice");
    assert_eq!(shares, ["0% 10%", "10% 20%", "20% 30%", "30% 40%", "40% 50%", "50% 100%"]);
}

/// Everything that can be compared exactly is, where nothing moves.
#[tokio::test]
async fn a_paused_rollout_survives_a_kill_to_the_last_visitor() {
    let pair = Pair::start().await;
    let site = Site::new(&pair.file(
        "stable: v1
    canary: v2
    rollout: {strategy: canary, steps: [50%, 100%], pace: time, soak: 30s, warmUp: 0s, deadline: 2m,
              scrapeInterval: 100ms, latency: {enabled: false}}",
    ));
    let instance = site.start().await;
    instance.report_when("the first step in force", |report| report.step == 1 && report.in_force_since.is_some()).await;
    assert_eq!(site.tidegate(&["pause", "shop"]).await.code, Some(0));
    let mut regulars = Regulars::new(100);
    let before = regulars.visit(instance.address).await;
    assert!(before.iter().any(|version| version == "v1") && before.iter().any(|version| version == "v2"));
    let last = instance.report_when("all visitors counted", |it| it.canary.visitors + it.stable.visitors == 100).await;
    instance.kill().await;

    let instance = site.start().await;
    let again = instance.report_when("the next scrape", |report| report.at > last.at).await;
    assert_eq!((again.rollout, again.phase, again.step), (last.rollout, Phase::Paused, 1));
    assert_eq!((again.share, &again.canary, &again.stable), (last.share, &last.canary, &last.stable));
    assert_eq!(regulars.visit(instance.address).await, before, "everybody sees what they saw");
    // They are known by their cookies: nobody is counted a second time.
    let metrics = instance.metrics().await;
    assert!(metrics.contains("tidegate_requests_total{"), "{metrics}");
    assert!(!metrics.contains("tidegate_visitors_total{"), "{metrics}");
    assert!(!metrics.contains("tidegate_visitors_exposed_total{"), "{metrics}");
}
