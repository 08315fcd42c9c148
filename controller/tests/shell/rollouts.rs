//! Rollouts from the file to their end, and what is left of them.

use std::sync::atomic::Ordering;

use tidegate_controller::engine::Phase;

use crate::setting::{FILE, Setting, config};

#[tokio::test]
async fn a_good_canary_is_promoted_and_stays() {
    let mut it = Setting::new(FILE).await;
    assert_eq!(it.split(), [("v2".into(), "0%".into()), ("v1".into(), "100%".into())]);
    let shares = it.run(600, 1_000, &[]).await;
    assert_eq!(shares, ["10%", "50%", "100%"], "every step, in order");
    let promoted = [("v1".to_owned(), "0%".to_owned()), ("v2".into(), "100%".into())];
    assert_eq!(it.split(), promoted);
    let view = it.view();
    assert_eq!((view.stable.as_str(), view.canary), ("v2", None));
    assert!(view.notes.iter().any(|note| note.contains("the file still names v1")), "{:?}", view.notes);
    let epoch = view.epoch;
    it.open();
    assert_eq!((it.split(), it.view().epoch), (promoted.to_vec(), epoch), "a restart keeps the promoted version");
    it.second(1_000, &[]).await.unwrap();
    assert_eq!(it.report().phase, Phase::Promoted, "the same file starts nothing again");
    // The file catches up.
    let file = FILE.replace("stable: v1", "stable: v2").replace("    canary: v2\n", "");
    let before = it.controller().publications().borrow().splits.clone();
    assert!(it.controller().apply_config(config(&file)).unwrap());
    assert_eq!(it.controller().publications().borrow().splits, before, "and nobody is moved by that");
    assert!(it.view().notes.is_empty());
}

#[tokio::test]
async fn a_bad_canary_is_aborted_and_does_not_come_back() {
    let mut it = Setting::new(FILE).await;
    it.run(120, 1_000, &[("v2", 0.2)]).await;
    assert_eq!(it.report().phase, Phase::Aborted);
    let stable = [("v2".to_owned(), "0%".to_owned()), ("v1".into(), "100%".into())];
    assert_eq!(it.split(), stable);
    it.open();
    it.second(1_000, &[]).await.unwrap();
    assert_eq!((it.split(), it.report().phase), (stable.to_vec(), Phase::Aborted));
    assert!(it.view().notes[0].contains("was aborted"), "{:?}", it.view().notes);
    // A new revision under the same name is a new rollout.
    let first = it.report().rollout;
    let again = FILE.replace("v2: {endpoints: ['127.0.0.1:9002']", "v2: {revision: b, endpoints: ['127.0.0.1:9002']");
    assert!(it.controller().apply_config(config(&again)).unwrap());
    assert_ne!(it.report().rollout, first);
    let shares = it.run(600, 1_000, &[]).await;
    assert_eq!((shares.last().map(String::as_str), it.report().phase), (Some("100%"), Phase::Promoted));
}

#[tokio::test]
async fn evidence_is_what_the_proxy_counted() {
    let mut it = Setting::new(FILE).await;
    for _ in 0..40 {
        it.second(1_000, &[]).await.unwrap();
        let report = it.report();
        for arm in [&report.canary, &report.stable] {
            assert_eq!(arm.visitors, it.proxy.compared(report.rollout, &arm.version), "{}", arm.version);
        }
    }
    assert!(it.report().canary.visitors > 1_000);
}

#[tokio::test]
async fn silence_of_the_proxies_holds_and_loses_nothing() {
    let mut it = Setting::new(FILE).await;
    for _ in 0..4 {
        it.second(1_000, &[]).await.unwrap();
    }
    it.proxy.silence(true);
    let before = it.report();
    for _ in 0..30 {
        it.second(1_000, &[]).await.unwrap();
    }
    let during = it.report();
    assert_eq!((during.share, during.phase), (before.share, Phase::Progressing), "no evidence, no move");
    assert!(during.outage.is_some_and(|outage| outage.reason.contains("503")));
    assert_eq!(it.controller().overview().in_force, None);
    it.proxy.silence(false);
    it.second(1_000, &[]).await.unwrap();
    let after = it.report();
    assert_eq!(after.canary.visitors, it.proxy.compared(after.rollout, &after.canary.version), "caught up");
    it.run(600, 1_000, &[]).await;
    assert_eq!(it.report().phase, Phase::Promoted);
}

#[tokio::test]
async fn a_canary_without_endpoints_is_taken_back() {
    let mut it = Setting::new(FILE).await;
    for _ in 0..4 {
        it.second(10, &[]).await.unwrap();
    }
    it.proxy.lose("v2");
    it.second(10, &[]).await.unwrap();
    assert_eq!(it.report().phase, Phase::Aborted);
}

#[tokio::test]
async fn an_edited_file_changes_what_it_says_and_no_more() {
    let mut it = Setting::new(FILE).await;
    for _ in 0..4 {
        it.second(1_000, &[]).await.unwrap();
    }
    let (rollout, epoch) = (it.report().rollout, it.view().epoch);
    let generation = it.controller().overview().generation;
    assert!(!it.controller().apply_config(config(FILE)).unwrap(), "the same again is no change");
    assert_eq!(it.controller().overview().generation, generation);
    for (from, to, why) in [
        ("127.0.0.1:9002", "127.0.0.1:9003", "an endpoint"),
        ("127.0.0.1:8080", "127.0.0.1:8081", "something unrelated"),
    ] {
        let share = it.report().share;
        assert!(it.controller().apply_config(config(&FILE.replace(from, to))).unwrap(), "{why}");
        assert_eq!((it.report().rollout, it.report().share, it.view().epoch), (rollout, share, epoch), "{why}");
    }
    assert_eq!(it.controller().overview().generation, generation + 2, "each is published");
    // The policy.
    assert!(it.controller().apply_config(config(&FILE.replace("maxHarm: 0.5%", "maxHarm: 1%"))).unwrap());
    let fresh = it.report();
    assert_ne!(fresh.rollout, rollout);
    assert_eq!((fresh.share.ppm(), fresh.canary.visitors), (0, 0), "a new rollout from the start");
    let moves = it.moves();
    let aborted = moves.iter().find(|(_, actor, _)| actor == "configuration");
    assert!(aborted.is_some_and(|(_, _, what)| what == "Abort 10% -> 0%"), "{moves:?}");
    // The service goes.
    let other = FILE.replace("shop", "cart");
    assert!(it.controller().apply_config(config(&other)).unwrap());
    assert!(it.controller().report(&crate::setting::shop()).is_err());
    assert!(it.controller().apply_config(config(&FILE.replace("maxHarm: 0.5%", "maxHarm: 1%"))).unwrap());
    assert_eq!(it.report().phase, Phase::Aborted, "what was aborted with its service is over");
}

#[tokio::test]
async fn the_next_rollout_starts_from_the_promoted_version() {
    let mut it = Setting::new(FILE).await;
    it.run(600, 1_000, &[]).await;
    let third = FILE
        .replace("canary: v2", "canary: v3")
        .replace("    rollout:", "      v3: {endpoints: ['127.0.0.1:9003']}\n    rollout:");
    assert!(it.controller().apply_config(config(&third)).unwrap());
    let view = it.view();
    assert_eq!((view.stable.as_str(), view.canary.as_ref().map(tidegate_config::Name::as_str)), ("v2", Some("v3")));
    for _ in 0..4 {
        it.second(1_000, &[]).await.unwrap();
    }
    let (rollout, share) = (it.report().rollout, it.report().share);
    assert!(share.ppm() > 0);
    // The file catches up in the middle of it.
    assert!(it.controller().apply_config(config(&third.replace("stable: v1", "stable: v2"))).unwrap());
    assert_eq!((it.report().rollout, it.report().share), (rollout, share));
    it.run(600, 1_000, &[]).await;
    assert_eq!(it.view().stable.as_str(), "v3");
}

#[tokio::test]
async fn editing_the_policy_after_a_promotion_moves_nobody() {
    let mut it = Setting::new(FILE).await;
    it.run(600, 1_000, &[]).await;
    let split = it.split();
    assert!(it.controller().apply_config(config(&FILE.replace("maxHarm: 0.5%", "maxHarm: 1%"))).unwrap());
    assert_eq!((it.split(), it.report().phase), (split, Phase::Promoted));
    // Taking the promoted version out is the way back.
    let back = FILE.replace("      v2: {endpoints: ['127.0.0.1:9002']}\n", "").replace("    canary: v2\n", "");
    assert!(it.controller().apply_config(config(&back)).unwrap());
    assert_eq!(it.view().stable.as_str(), "v1");
}

#[tokio::test]
async fn a_fixed_share_only_ever_adds_visitors() {
    let fixed = |share: &str| {
        let rollout = FILE.find("    rollout:").unwrap();
        FILE[..rollout].replace("    canary: v2\n", "").replace("9002']", &format!("9002'], share: {share}"))
    };
    let mut it = Setting::new(&fixed("10%")).await;
    let split = |it: &mut Setting| it.controller().publications().borrow().splits[&crate::setting::shop()].clone();
    let before = split(&mut it);
    assert_eq!((before.rollout, before.canary.is_none(), before.arms[0].share.to_string()), (None, true, "10%".into()));
    it.file = config(&fixed("20%"));
    let file = it.file.clone();
    assert!(it.controller().apply_config(file).unwrap());
    let after = split(&mut it);
    assert_eq!((after.salt, after.epoch), (before.salt, before.epoch + 1), "the same draw, another epoch");
    it.open();
    assert_eq!(split(&mut it), after, "a restart reshuffles nobody");
    it.second(1_000, &[]).await.unwrap();
    assert!(it.view().rollout.is_none());
}

#[tokio::test]
async fn traffic_before_the_rollout_is_its_history() {
    let rollout = FILE.find("    canary:").unwrap();
    let before = format!("{}    versions:\n      v1: {{endpoints: ['127.0.0.1:9001']}}\n", &FILE[..rollout]);
    let mut it = Setting::new(&before).await;
    for _ in 0..20 {
        it.proxy.take(it.controller.as_mut().unwrap().publications().borrow().clone());
        it.proxy.visit(&crate::setting::shop(), 5_000, &[]);
        it.millis.fetch_add(60_000, Ordering::Relaxed);
        it.controller().tick().await.unwrap();
    }
    it.open();
    let file = FILE.replace("maxHarm: 0.5%, ", "");
    assert!(it.controller().apply_config(config(&file)).unwrap());
    let plan = it.report().plan;
    assert!(format!("{:?}", plan.harm_from).contains("History") && plan.expected_seconds.is_some(), "{plan:?}");
}
