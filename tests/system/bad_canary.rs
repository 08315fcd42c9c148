//! A canary that fails is rolled back, soon, and nobody is sent to it afterwards.

use super::backend::Pair;
use super::clock::{unix_millis, until};
use super::crowd::Crowd;
use super::site::{Site, shop};
use tidegate_controller::engine::{Action, Phase, Rule};

const VISITORS_PER_SECOND: u32 = 250;
/// So many people reach the canary between two scrapes, half of whom it fails.
const PEOPLE_OF_A_SCRAPE: usize = 13;
/// Those of two scrapes, and of the one that was under way when it turned bad: 20, and three standard deviations. People are
/// counted, and not seconds: a busy machine brings fewer of them.
const FAILURES_MAX: usize = 33;

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
    // A hundred people later, the last one sent to the canary is history.
    let before = crowd.tally().good;
    until("people after the end", async || (crowd.tally().good > before + 100).then_some(())).await;
    let tally = crowd.stop().await;
    let canary = pair.v2.log();
    let failed = canary.iter().filter(|seen| seen.failed).count();
    let (earlier, after): (Vec<_>, Vec<_>) = canary.iter().partition(|seen| seen.at <= decided);
    let met = earlier.iter().filter(|seen| seen.failed).count();
    println!("rolled back {} ms after it turned bad, when {met} people had met a failure", decided - turned_bad);
    assert!(met <= FAILURES_MAX, "{met} people met a failure before the end");
    assert!(after.len() <= PEOPLE_OF_A_SCRAPE, "{} people were sent to the canary after the end", after.len());
    assert_eq!(tally.bad.len(), failed, "nobody else failed: {:?}", tally.bad);
    assert!(tally.broken.is_empty(), "{:?}", tally.broken);
}
