//! A canary that fails is rolled back, soon, and nobody is sent to it afterwards.

use super::backend::Pair;
use super::clock::{unix_millis, until};
use super::crowd::Crowd;
use super::site::{Site, shop};
use tidegate_controller::engine::{Action, Phase, Rule};

/// Between two scrapes about 13 people reach the canary, half of whom it fails.
const VISITORS_PER_SECOND: u32 = 250;
const SCRAPE_MS: u64 = 500;
/// What a busy machine may add to the times below: they are those of an unoptimised build beside other tests.
const SLACK_MS: u64 = 500;

#[tokio::test]
async fn a_bad_canary_is_rolled_back_within_two_scrapes() {
    let pair = Pair::start().await;
    let site = Site::new(&pair.file(
        "stable: v1
    canary: v2
    rollout: {strategy: canary, steps: [10%, 100%], soak: 1m, warmUp: 1s, scrapeInterval: 500ms,
              latency: {enabled: false}}",
    ));
    let instance = site.start().await;
    let crowd = Crowd::start(instance.address, VISITORS_PER_SECOND);
    // Good until the warm-up is over and people are judged.
    instance.report_when("judged visitors", |it| it.shares.iter().any(|row| row.judged && row.canary.units > 0)).await;
    pair.v2.fail_one_of(2);
    let turned_bad = unix_millis();
    let over = instance.report_when("the end", |report| report.phase.is_over()).await;
    assert_eq!(over.phase, Phase::Aborted);

    let explanation = instance.client.explain(&shop()).await.unwrap();
    let last = &explanation.decisions.last().unwrap().logged.record;
    // The proxy's own guard needs about as many failures as the controller, and may be the first to have them.
    assert!(matches!(last.rule, Rule::Regression | Rule::Tripped), "{}", last.text);
    assert_eq!(last.action, Action::Abort, "{}", last.text);
    let decided = last.at.millis();
    let took = decided - turned_bad;
    assert!(took <= 2 * SCRAPE_MS + SLACK_MS, "rolled back after {took} ms");

    // A hundred people later, the last one sent to the canary is history.
    let before = crowd.tally().good;
    until("people after the end", async || (crowd.tally().good > before + 100).then_some(())).await;
    let tally = crowd.stop().await;
    let canary = pair.v2.log();
    let late = canary.last().unwrap().at.saturating_sub(decided);
    let failed = canary.iter().filter(|seen| seen.failed).count();
    println!("rolled back {took} ms after it turned bad, {failed} failures, the last visitor {late} ms after that");
    assert!(late <= SLACK_MS, "a visitor reached the canary {late} ms after the decision");
    assert_eq!(tally.bad.len(), failed, "nobody else failed: {:?}", tally.bad);
    assert!(tally.broken.is_empty(), "{:?}", tally.broken);
}
