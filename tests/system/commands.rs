//! What operators type: what it does, what it says, and the exit codes that scripts rely on.

use super::backend::Pair;
use super::crowd::Crowd;
use super::site::{Site, tidegate};

/// Steps that nobody takes but the operator.
const STEPS: &str = "
    stable: v1
    canary: v2
    rollout: {strategy: canary, steps: [10%, 50%, 100%], soak: 60s, warmUp: 0s, scrapeInterval: 100ms,
              latency: {enabled: false}}
";

#[tokio::test]
async fn commands_do_what_they_say_and_refusals_name_what_is_possible() {
    let pair = Pair::start().await;
    let site = Site::new(&pair.file(STEPS));
    let instance = site.start().await;
    instance.report_when("the first step", |report| report.step == 1).await;

    site.tidegate(&["resume", "shop"]).await.assert_refused(&["it is not paused", "promote, pause or abort"]);
    let paused = site.tidegate(&["pause", "shop", "-o", "json"]).await.json();
    assert_eq!((&paused["rollout"]["phase"], &paused["rollout"]["step"]), (&"paused".into(), &1.into()));
    site.tidegate(&["pause", "shop"]).await.assert_refused(&["paused already", "resume, promote or abort"]);
    let resumed = site.tidegate(&["resume", "shop", "-o", "json"]).await.json();
    assert_eq!(resumed["rollout"]["phase"], "progressing");
    let further = site.tidegate(&["promote", "shop", "-o", "json"]).await.json();
    assert_eq!((&further["rollout"]["step"], &further["rollout"]["share"]), (&2.into(), &"50%".into()));
    let promoted = site.tidegate(&["promote", "shop", "--full", "-o", "json"]).await.json();
    assert_eq!((&promoted["rollout"]["phase"], &promoted["stable"]), (&"promoted".into(), &"v2".into()));
    for verb in ["promote", "abort", "pause", "resume"] {
        site.tidegate(&[verb, "shop"]).await.assert_refused(&["the rollout is over", "a new rollout"]);
    }
    site.tidegate(&["abort", "shoop"]).await.assert_refused(&["there is no service \"shoop\"", "possible: shop"]);
    site.tidegate(&["status", "shoop"]).await.assert_refused(&["possible: shop"]);
    assert_eq!(site.tidegate(&["abort", "no name"]).await.code, Some(2));
    assert_eq!(site.tidegate(&["abort"]).await.code, Some(2));

    let actors = site.tidegate(&["explain", "shop", "-o", "json"]).await.json();
    let actors: Vec<_> = actors["decisions"].as_array().unwrap().iter().map(|it| &it["record"]["actor"]).collect();
    let user = actors.last().unwrap().as_str().unwrap();
    assert!(!user.is_empty() && user != "tidegate", "decisions name who took them: {actors:?}");
}

#[tokio::test]
async fn every_format_can_be_read_again() {
    let pair = Pair::start().await;
    let site = Site::new(&pair.file(STEPS));
    let instance = site.start().await;
    instance.report_when("the first step", |report| report.step == 1).await;
    let overview = site.tidegate(&["status", "-o", "json"]).await.json();
    assert_eq!(overview["services"][0]["service"], "shop");
    assert_eq!(site.tidegate(&["status", "shop", "-o", "json"]).await.json()["stable"], "v1");
    assert!(site.tidegate(&["explain", "shop", "-o", "json"]).await.json()["words"].is_string());
    for command in
        [&["status", "-o", "yaml"][..], &["status", "shop", "-o", "yaml"], &["explain", "shop", "-o", "yaml"]]
    {
        let shown = site.tidegate(command).await;
        let value: serde_json::Value = serde_saphyr::from_str(&shown.out).unwrap();
        assert!(value.is_object(), "{}", shown.out);
    }
    for (command, words) in [
        (&["status"][..], &["shop", "progressing", "10%", "in force"][..]),
        (&["status", "shop"], &["v2", "canary", "step 1 of 3"]),
        (&["explain", "shop"], &["v2"]),
    ] {
        let shown = site.tidegate(command).await;
        assert!(words.iter().all(|word| shown.out.contains(word)), "{words:?} should be in: {}", shown.out);
        assert!(!shown.out.contains('\x1b'), "no colours but on a terminal");
    }
}

#[tokio::test]
async fn a_watched_rollout_ends_with_its_outcome() {
    let pair = Pair::start().await;
    for (verb, code) in [(&["promote", "shop", "--full"][..], 0), (&["abort", "shop"], 3)] {
        let site = Site::new(&pair.file(STEPS));
        let instance = site.start().await;
        instance.report_when("the first step", |report| report.step == 1).await;
        let end = async {
            instance.report_when("a look of the watcher", |report| report.step == 1).await;
            assert_eq!(site.tidegate(verb).await.code, Some(0));
        };
        let (watched, ()) = tokio::join!(site.tidegate(&["status", "--watch", "shop"]), end);
        assert_eq!(watched.code, Some(code), "{}", watched.err);
    }
}

#[tokio::test]
async fn a_watched_rollout_that_reaches_its_deadline_ends_undecided() {
    let pair = Pair::start().await;
    let file = pair.file(STEPS).replace("soak: 60s", "soak: 600ms, deadline: 1300ms");
    let site = Site::new(&file);
    // Too few people to learn anything from before the deadline.
    let instance = site.start().await;
    let crowd = Crowd::start(instance.address, 16);
    let watched = site.tidegate(&["status", "--watch", "shop", "-o", "json"]).await;
    assert_eq!(watched.code, Some(4), "{}", watched.err);
    assert!(watched.out.contains("\"undecided\""));
    crowd.stop().await;
    let promoted = site.tidegate(&["promote", "shop", "--full"]).await;
    assert_eq!(promoted.code, Some(0), "somebody may still decide: {promoted:?}");
}

#[tokio::test]
async fn without_an_instance_commands_say_how_to_get_one() {
    let site = Site::new("");
    for command in [&["status"][..], &["status", "--watch", "shop"], &["explain", "shop"], &["abort", "shop"]] {
        site.tidegate(command).await.assert_refused(&["no instance answers", "tidegate run", "--state-dir"]);
    }
    let missing = tidegate(&["run", "-c", "/nowhere/tidegate.yaml"]).await;
    missing.assert_refused(&["cannot read /nowhere/tidegate.yaml"]);
    site.write("listeners: []\n");
    site.start_in_vain(&site.state()).await.assert_refused(&["3 problems", "routes: missing", "services: missing"]);
}

#[tokio::test]
async fn a_second_instance_is_refused_and_disturbs_nobody() {
    let pair = Pair::start().await;
    let site = Site::new(&pair.file(STEPS));
    let mut instance = site.start().await;
    let crowd = Crowd::start(instance.address, 400);
    let same_state = site.start_in_vain(&site.state()).await;
    same_state.assert_refused(&["in use by another instance", "--state-dir"]);

    // The same addresses with a state of its own, as by a start in the wrong directory.
    let listening = "listeners: [{address: '127.0.0.1:0'}]\nadmin: {address: '127.0.0.1:0'}";
    let (address, admin) = (instance.address, instance.admin);
    let same_addresses = format!("listeners: [{{address: '{address}'}}]\nadmin: {{address: '{admin}'}}");
    let other = Site::new(&pair.file(STEPS).replace(listening, &same_addresses));
    for _ in 0..5 {
        let refused = other.start_in_vain(&other.state()).await;
        refused.assert_refused(&[&admin.to_string(), "admin.address"]);
    }
    crowd.stop().await.assert_unharmed();
    // New clients would be the ones that a listener of the second instance takes away.
    for _ in 0..50 {
        assert_eq!(super::visitor::get(address, "/", &[]).await.unwrap().status, 200);
    }
    assert!(instance.process.is_running());
}
