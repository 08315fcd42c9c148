//! An A/B/n test: real people, three versions, of which one sells best.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tidegate_controller::engine::{Phase, Rule};
use tidegate_controller::view::ServiceView;
use tokio::task::JoinSet;

use super::backend::Backend;
use super::clock::until;
use super::site::{Instance, Site, shop};
use super::visitor::Connection;

/// Of a hundred people who see a version, so many buy.
const BUYERS: [(&str, u64); 3] = [("a", 10), ("b", 70), ("c", 35)];

fn file(backends: &[Backend; 3]) -> String {
    let [a, b, c] = backends.each_ref().map(|backend| backend.address);
    format!(
        "listeners: [{{address: '127.0.0.1:0'}}]
admin: {{address: '127.0.0.1:0'}}
workers: 2
timeouts: {{request: 1s}}
routes: [{{service: shop}}]
services:
  shop:
    stable: a
    canaries: [b, c]
    versions:
      a: {{endpoints: ['{a}']}}
      b: {{endpoints: ['{b}']}}
      c: {{endpoints: ['{c}']}}
    visitor: {{header: x-user-id}}
    rollout: {{strategy: canary, steps: [10%, 30%, 100%], soak: 1100ms, warmUp: 0s, scrapeInterval: 100ms, maxHarm: 10%,
              deadline: 10m, latency: {{enabled: false}}, conversion: {{path: {{exact: /buy}}}}}}
"
    )
}

/// People who come once, look, and perhaps buy.
struct Shoppers {
    over: Arc<AtomicBool>,
    /// Answers that were not good, and connections that ended.
    lost: Arc<AtomicU64>,
    members: JoinSet<()>,
}

impl Shoppers {
    fn start(address: SocketAddr) -> Self {
        let (over, lost) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut members = JoinSet::new();
        for member in 0..4_u64 {
            members.spawn(shop_until(Arc::clone(&over), Arc::clone(&lost), address, member));
        }
        Self { over, lost, members }
    }

    /// How many requests had no good answer.
    async fn stop(mut self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        while self.members.join_next().await.is_some() {}
        self.lost.load(Ordering::Relaxed)
    }
}

async fn shop_until(over: Arc<AtomicBool>, lost: Arc<AtomicU64>, address: SocketAddr, member: u64) {
    let mut connection = None;
    for number in 0_u64.. {
        if over.load(Ordering::Relaxed) {
            return;
        }
        let kept = match connection.take() {
            Some(kept) => kept,
            // A killed instance takes nobody until its successor does.
            None => match Connection::open(address).await {
                Ok(opened) => opened,
                Err(_) => continue,
            },
        };
        match visit(kept, &format!("visitor-{member}-{number}"), number).await {
            Ok(kept) => connection = Some(kept),
            Err(_) => {
                lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

async fn visit(mut connection: Connection, name: &str, number: u64) -> Result<Connection, String> {
    let fields = [("x-user-id", name)];
    let seen = connection.get("/", &fields).await?;
    let buyers = BUYERS.iter().find(|(version, _)| *version == seen.version()).ok_or(seen.status.to_string())?.1;
    if number * 37 % 100 < buyers {
        let sold = connection.get("/buy", &fields).await?;
        (sold.status == 200).then_some(()).ok_or(sold.status.to_string())?;
    }
    Ok(connection)
}

fn phases(view: &ServiceView) -> Vec<(String, Phase)> {
    let mut all: Vec<_> =
        view.rollout.iter().chain(&view.rivals).map(|it| (it.canary.version.to_string(), it.phase)).collect();
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    all
}

async fn view_when(instance: &Instance, what: &str, wanted: impl Fn(&ServiceView) -> bool) -> ServiceView {
    until(what, async || Some(instance.view().await).filter(|view| wanted(view))).await
}

#[tokio::test]
async fn the_version_that_sells_best_is_promoted_and_nobody_is_turned_away() {
    let backends = [Backend::start("a").await, Backend::start("b").await, Backend::start("c").await];
    let site = Site::new(&file(&backends));
    let instance = site.start().await;
    let shoppers = Shoppers::start(instance.address);
    let began = view_when(&instance, "both to have visitors", |view| {
        view.arms.iter().filter(|arm| arm.version.as_str() != "a").all(|arm| arm.share.ppm() >= 100_000)
    })
    .await;
    assert_eq!(phases(&began), [("b".to_owned(), Phase::Progressing), ("c".to_owned(), Phase::Progressing)]);
    let refused = site.tidegate(&["promote", "shop"]).await;
    refused.assert_refused(&["several versions are tried", "possible: to say which: b or c"]);
    let shown = site.tidegate(&["status", "shop"]).await.out;
    assert!(shown.contains("c converts better: ") && shown.contains("b converts better: "), "{shown}");
    assert_eq!(shown.matches("canary").count(), 4, "two shares and two reports: {shown}");

    let over =
        view_when(&instance, "the best one", |view| view.rollout.as_ref().is_some_and(|it| it.phase.is_over())).await;
    assert_eq!(phases(&over), [("b".to_owned(), Phase::Promoted), ("c".to_owned(), Phase::Aborted)], "{over:#?}");
    let lost = over.rivals[0].recent.last().unwrap();
    assert_eq!((lost.rule, over.stable.as_str()), (Rule::Beaten, "b"), "{}", lost.text);
    assert_eq!(shoppers.stop().await, 0, "requests without a good answer");
    let explained = site.tidegate(&["explain", "shop"]).await.out;
    assert!(explained.contains("c: Rolled back after") && explained.contains("b converts better"), "{explained}");
    assert!(explained.contains("b: Promoted after"), "{explained}");
    let shown = site.tidegate(&["status", "shop"]).await.out;
    assert!(shown.contains("  b: Promoted after") && shown.contains("  c: Rolled back after"), "{shown}");
    assert_eq!(site.tidegate(&["status", "shop", "--watch"]).await.code, Some(0));
}

#[tokio::test]
async fn a_killed_instance_goes_on_with_all_of_them() {
    let backends = [Backend::start("a").await, Backend::start("b").await, Backend::start("c").await];
    let site = Site::new(&file(&backends));
    let instance = site.start().await;
    let shoppers = Shoppers::start(instance.address);
    view_when(&instance, "visitors", |view| view.rollout.iter().chain(&view.rivals).all(|it| it.step > 0)).await;
    assert_eq!(site.tidegate(&["pause", "shop", "--version", "c"]).await.code, Some(0));
    let before = instance.view().await;
    instance.kill().await;
    shoppers.stop().await;
    let instance = site.start().await;
    let after = instance.view().await;
    let told = |view: &ServiceView| {
        let all: Vec<_> =
            view.rollout.iter().chain(&view.rivals).map(|it| (it.rollout, it.canary.version.clone())).collect();
        (all, phases(view)[1].clone(), view.stable.clone())
    };
    assert_eq!(told(&after), told(&before));
    assert_eq!(told(&after).1, ("c".to_owned(), Phase::Paused));
    let shoppers = Shoppers::start(instance.address);
    assert_eq!(site.tidegate(&["abort", "shop", "--version", "c"]).await.code, Some(0));
    let over = view_when(&instance, "the end", |view| view.rollout.as_ref().is_some_and(|it| it.phase.is_over())).await;
    assert_eq!(phases(&over), [("b".to_owned(), Phase::Promoted), ("c".to_owned(), Phase::Aborted)], "{over:#?}");
    assert_eq!(shoppers.stop().await, 0);
    assert_eq!(instance.client.status(&shop()).await.unwrap().stable.as_str(), "b");
}
