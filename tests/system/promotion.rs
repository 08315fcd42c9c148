//! After a promotion the file lags behind. Until it catches up the promoted version stays, whatever happens.

use super::backend::Pair;
use super::clock::until;
use super::site::{Instance, Site};
use super::visitor::Regulars;

const ROLLOUT: &str = "rollout: {strategy: canary, steps: [50%, 100%], soak: 60s, warmUp: 0s, scrapeInterval: 100ms,
              latency: {enabled: false}}";

async fn assert_v2_has_everybody(instance: &Instance) {
    let view = instance.view().await;
    assert_eq!(view.stable.as_str(), "v2");
    let share = view.arms.iter().find(|arm| arm.version.as_str() == "v2").unwrap().share.to_string();
    assert_eq!(share, "100%");
    let seen = Regulars::new(30).visit(instance.address).await;
    assert!(seen.iter().all(|version| version == "v2"), "{seen:?}");
}

#[tokio::test]
async fn a_promoted_version_stays_until_the_file_agrees() {
    let pair = Pair::start().await;
    let site = Site::new(&pair.file(&format!("stable: v1\n    canary: v2\n    {ROLLOUT}")));
    let instance = site.start().await;
    let rollout = instance.report_when("the first step", |report| report.step == 1).await.rollout;
    assert_eq!(site.tidegate(&["promote", "shop", "--full"]).await.code, Some(0));
    until("the promotion in force", async || {
        let overview = instance.overview().await;
        (overview.in_force == Some(overview.generation)).then_some(())
    })
    .await;
    assert_v2_has_everybody(&instance).await;
    let shown = site.tidegate(&["status", "shop"]).await.out;
    assert!(shown.contains("the file still names v1 as stable") && shown.contains("stable: v2"), "{shown}");
    instance.kill().await;

    let instance = site.start().await;
    assert_v2_has_everybody(&instance).await;
    let after = instance.report().await;
    assert_eq!(after.rollout, rollout, "no other rollout began");
    assert!(after.phase.is_over());

    // The file agrees, and has nothing to try any more.
    for agreed in [format!("stable: v2\n    {ROLLOUT}"), "stable: v2".to_owned()] {
        let before = instance.overview().await;
        site.write(&pair.file(&agreed));
        let caught_up = until("the new file in force", async || {
            Some(instance.overview().await).filter(|now| now.generation > before.generation)
        })
        .await;
        let (before, after) = (&before.services[0], &caught_up.services[0]);
        assert_eq!(after.epoch, before.epoch, "no share has changed");
        assert_eq!(after.rollout.as_ref().map(|report| report.rollout), Some(rollout));
        assert!(after.notes.is_empty(), "{:?}", after.notes);
        assert_v2_has_everybody(&instance).await;
    }
}
