//! The controller dies at every arrow of the life of a weight change, and goes on as if it had not.

use tidegate_config::Publication;
use tidegate_controller::crash::Crash;
use tidegate_controller::engine::{Command, Phase, Verb};
use tidegate_controller::reconcile::ReconcileError;
use tidegate_controller::store::StoreError;

use crate::setting::{FILE, Setting, config, shop};

#[tokio::test]
async fn a_crash_at_any_point_of_any_turn_skips_and_repeats_nothing() {
    let mut undisturbed = Setting::new(FILE).await;
    let shares = undisturbed.run(600, 1_000, &[]).await;
    let moves = undisturbed.moves();
    let rollout = undisturbed.report().rollout;
    let points = Crash::ALL.into_iter().flat_map(|point| [0, 1, 2].map(|turn| (point, turn)));
    for (point, every_third) in points {
        let mut it = Setting::new(FILE).await;
        let (mut seen, mut generation, mut crashes) = (Vec::new(), 0, 0);
        for turn in 0..600 {
            if turn % 3 == every_third {
                it.crash(point, 1_000).await;
                crashes += 1;
            } else {
                it.second(1_000, &[]).await.unwrap();
            }
            let (report, published) = (it.report(), it.controller().overview().generation);
            assert_eq!(report.rollout, rollout, "{point:?}: the same rollout");
            assert!(published >= generation, "{point:?}: generations only rise");
            generation = published;
            // After a turn that was lost the next scrape brings its visitors too.
            if turn % 3 != every_third {
                let counted = it.proxy.compared(rollout, &report.canary.version);
                assert_eq!(report.canary.visitors, counted, "{point:?} turn {turn}: the same evidence");
            }
            let share = report.share.to_string();
            if seen.last() != Some(&share) {
                seen.push(share);
            }
            if report.phase == Phase::Promoted {
                break;
            }
        }
        // The first turn of a rollout may end at 0%, where the undisturbed one went on at once.
        seen.retain(|share| share != "0%");
        assert_eq!(seen, shares, "{point:?}: every step once");
        assert_eq!(it.moves(), moves, "{point:?}: every decision once");
        assert!(crashes >= 4, "{point:?}: {crashes} crashes");
    }
}

#[tokio::test]
async fn what_was_published_was_stored() {
    for point in Crash::ALL {
        let mut it = Setting::new(FILE).await;
        let mut publications = it.controller().publications();
        let before = publications.borrow_and_update().clone();
        it.controller().crash_at(Some(point));
        let error =
            it.controller().command(&shop(), Command::new(Verb::Promote { full: false }, "ada".into())).unwrap_err();
        assert!(error.to_string().contains("on purpose") || point == Crash::WhilePersisting, "{error}");
        let told = publications.has_changed().unwrap();
        assert_eq!(told, point == Crash::AfterPublish, "{point:?}");
        let last = publications.borrow_and_update().clone();
        it.open();
        let now = it.controller().publications().borrow().clone();
        let stored = matches!(point, Crash::BeforePublish | Crash::AfterPublish);
        let share = it.report().share.to_string();
        assert_eq!(share, if stored { "10%" } else { "0%" }, "{point:?}");
        assert_eq!(now.splits[&shop()].arms[0].share.to_string(), share, "{point:?}: what is stored is published");
        assert!(now.generation > last.generation, "{point:?}: never reused");
        assert_eq!(now.splits[&shop()].salt, before.splits[&shop()].salt, "{point:?}: nobody is drawn anew");
        let began = |publication: &Publication| publication.splits[&shop()].rollout_began;
        assert_eq!((began(&now), began(&before)), (1_800_000_000, 1_800_000_000), "{point:?}: it began when it began");
        assert_eq!(it.moves().len(), if stored { 2 } else { 1 }, "{point:?}");
        if told {
            assert_eq!(now.splits, last.splits, "{point:?}: the same shares in the same epoch");
        }
    }
}

#[tokio::test]
async fn a_second_instance_is_refused() {
    let it = Setting::new(FILE).await;
    let clock = tidegate_controller::clock::Clock::System;
    let second = tidegate_controller::reconcile::Controller::open(it.directory.path(), it.file.clone(), clock);
    assert!(matches!(second, Err(ReconcileError::Store(StoreError::InUse { .. }))));
}

#[tokio::test]
async fn what_could_not_be_stored_is_tried_again() {
    let mut it = Setting::new(FILE).await;
    let mut publications = it.controller().publications();
    let generation = publications.borrow_and_update().generation;
    let other = config(&FILE.replace("9002", "9003"));
    // A disk that is full looks like this: the turn ends there, and the controller lives on.
    it.controller().crash_at(Some(Crash::WhilePersisting));
    it.controller().apply_config(other.clone()).unwrap_err();
    it.controller().command(&shop(), Command::new(Verb::Promote { full: false }, "ada".into())).unwrap_err();
    it.second(1_000, &[]).await.unwrap_err();
    assert!(!publications.has_changed().unwrap(), "nobody was told");
    assert_eq!((it.report().share.ppm(), it.moves().len()), (0, 1), "and nothing was done");
    it.controller().crash_at(None);
    it.second(1_000, &[]).await.unwrap();
    let last = publications.borrow_and_update().clone();
    assert_eq!((&last.config, last.generation > generation), (&other, true), "the file is not forgotten");
    it.run(600, 1_000, &[]).await;
    assert_eq!(it.report().phase, Phase::Promoted);
}
