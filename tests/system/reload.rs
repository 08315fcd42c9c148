//! A changed file: taken over while people are served, or refused whole.

use std::net::TcpListener;

use tidegate_config::Share;

use super::backend::{HELD, Pair};
use super::clock::until;
use super::crowd::Crowd;
use super::site::{Instance, Site};
use super::visitor::{Connection, get};

const ROUTE: &str = "{service: shop}";

/// Two versions, without a rollout.
fn split(pair: &Pair, share: &str) -> String {
    pair.routed(ROUTE, share, "stable: v1")
}

/// Waits until the workers serve a share of v2.
async fn in_force(instance: &Instance, share: &str) {
    let share: Share = share.parse().unwrap();
    let line = format!("tidegate_share_ratio{{service=\"shop\",version=\"v2\"}} {:?}\n", share.fraction());
    until("the share in force", async || instance.metrics().await.contains(&line).then_some(())).await;
}

#[tokio::test]
async fn a_valid_change_comes_into_force_under_load_without_harm() {
    let pair = Pair::start().await;
    let site = Site::new(&split(&pair, "0%"));
    let instance = site.start().await;
    let crowd = Crowd::start(instance.address, 800);
    let mut kept = Connection::open(instance.address).await.unwrap();
    assert_eq!(kept.get("/", &[]).await.unwrap().version(), "v1");
    for share in ["10%", "50%", "90%", "0%", "100%"] {
        let before = crowd.tally().good;
        site.write(&split(&pair, share));
        in_force(&instance, share).await;
        until("people after the change", async || (crowd.tally().good > before + 50).then_some(())).await;
    }
    assert_eq!(kept.get("/", &[]).await.unwrap().version(), "v2", "on the connection from before");
    crowd.stop().await.assert_unharmed();
}

#[tokio::test]
async fn an_invalid_file_is_refused_whole_and_a_fixed_one_recovers() {
    let pair = Pair::start().await;
    let site = Site::new(&split(&pair, "0%"));
    let instance = site.start().await;
    let before = instance.overview().await;
    // Three faults beside a route that would be good by itself.
    let routes = "{service: shop}, {path: {exact: /more}, service: shop}, {path: {exact: /x}, service: nothing}";
    site.write(&pair.routed(routes, "101%", "stable: v1").replace("workers: 2", "wrokers: 2"));
    let refused = until("the refusal", async || {
        Some(instance.overview().await).filter(|overview| !overview.config.problems.is_empty())
    })
    .await;
    let problems = &refused.config.problems;
    let places = ["wrokers", "services.shop.versions.v2.share"];
    for place in places {
        assert!(problems.iter().any(|problem| problem.contains(place)), "{place} should be in {problems:?}");
    }
    assert_eq!((refused.generation, refused.config.generations), (before.generation, before.config.generations));
    let shown = site.tidegate(&["status"]).await;
    assert!(problems.iter().all(|problem| shown.out.contains(problem)), "{}", shown.out);
    assert!(shown.out.contains("refused, the last good one is in force"), "{}", shown.out);
    assert_eq!(get(instance.address, "/more", &[]).await.unwrap().version(), "v1");
    site.check().await.assert_refused(&places);

    site.write(&split(&pair, "100%"));
    in_force(&instance, "100%").await;
    let fixed = instance.overview().await;
    assert!(fixed.config.problems.is_empty() && fixed.config.since.is_none(), "{:?}", fixed.config);
    assert_eq!(get(instance.address, "/", &[]).await.unwrap().version(), "v2");
    assert_eq!(site.check().await.code, Some(0));
}

/// The file is taken all the same, and both the log and the status name what waits, until the file says the old value again.
#[tokio::test]
async fn a_setting_that_is_read_at_start_says_that_it_needs_a_restart() {
    let pair = Pair::start().await;
    let file = split(&pair, "0%");
    let site = Site::new(&file);
    let instance = site.start().await;
    let admin = ("admin: {address: '127.0.0.1:0'}", "admin: {address: '127.0.0.1:9901'}", "127.0.0.1:9901");
    let workers = ("workers: 2", "workers: 3", "takes effect at the next start; until then it is 2");
    for (path, (from, to, detail)) in [("admin.address: ", admin), ("workers: ", workers)] {
        assert!(file.contains(from), "{from} should be in {file}");
        site.write(&split(&pair, "50%").replace(from, to));
        in_force(&instance, "50%").await;
        let told = until("the setting in the status", async || {
            Some(instance.overview().await.config.needs_restart).filter(|settings| settings.len() == 1)
        })
        .await;
        assert!(told[0].starts_with(path) && told[0].contains(detail), "{told:?}");
        let line = format!("tidegate: needs a restart: {}\n", told[0]);
        until("the line", async || instance.process.err().contains(&line).then_some(())).await;
        let shown = site.tidegate(&["status"]).await.out;
        assert!(shown.contains(&format!(": in force\n  needs a restart: {}\n", told[0])), "{shown}");

        site.write(&file);
        in_force(&instance, "0%").await;
        assert_eq!(instance.overview().await.config.needs_restart, Vec::<String>::new(), "the old value again");
    }
    let ends = || instance.process.err().matches("nothing needs a restart any more").count();
    until("the end of the wait", async || (ends() == 2).then_some(())).await;
    assert_eq!(get(instance.admin, "/healthz", &[]).await.unwrap().status, 200, "where it was");
}

#[tokio::test]
async fn a_removed_route_is_gone_for_new_requests_only() {
    let pair = Pair::start().await;
    let kept_route = "{path: {exact: /kept}, service: shop}";
    let both = format!("{kept_route}, {{path: {{exact: {HELD}}}, service: shop, requestTimeout: 30s}}");
    let site = Site::new(&pair.routed(&both, "0%", "stable: v1"));
    let instance = site.start().await;
    let mut waiting = Connection::open(instance.address).await.unwrap();
    let mut other = Connection::open(instance.address).await.unwrap();
    let under_way = async {
        let held = waiting.get(HELD, &[]).await.unwrap();
        (held.status, held.body, waiting.get(HELD, &[]).await.unwrap())
    };
    let meanwhile = async {
        until("the request at its version", async || (pair.v1.arrived(HELD) == 1).then_some(())).await;
        site.write(&pair.routed(kept_route, "0%", "stable: v1"));
        // Those that come before the change wait, too; so ask for what only the change can answer.
        until("the change", async || instance.overview().await.in_force.filter(|in_force| *in_force > 1)).await;
        assert_eq!(other.get(HELD, &[]).await.unwrap().status, 404);
        assert_eq!(other.get("/kept", &[]).await.unwrap().status, 200, "on the same connection");
        pair.v1.release();
    };
    let ((status, body, next), ()) = tokio::join!(under_way, meanwhile);
    assert_eq!((status, body.as_str()), (200, "v1"), "the request under way ends well");
    assert_eq!((next.status, next.field("x-tidegate-reason")), (404, "no-route"), "the next one finds no route");
}

/// At any share, and without a rollout.
#[tokio::test]
async fn a_tester_sees_the_version_they_ask_for() {
    let pair = Pair::start().await;
    let site = Site::new(&split(&pair, "0%"));
    let instance = site.start().await;
    for share in ["0%", "50%", "100%"] {
        site.write(&split(&pair, share));
        in_force(&instance, share).await;
        for version in ["v1", "v2"] {
            for fields in [("x-tidegate-version", version), ("cookie", &format!("tidegate-version={version}"))] {
                let answer = get(instance.address, "/", &[fields]).await.unwrap();
                assert_eq!(answer.version(), version, "{fields:?} at {share}");
                assert_eq!(answer.field("set-cookie"), "", "a tester is no visitor");
            }
        }
    }
}

/// An address that somebody else uses is a fault of the file like any other: nothing of that file comes into force, and
/// what is decided meanwhile does.
#[tokio::test]
async fn a_file_with_an_address_in_use_is_refused_and_holds_nothing_up() {
    let pair = Pair::start().await;
    let rollout = "stable: v1
    canary: v2
    rollout: {strategy: canary, steps: [50%, 100%], pace: time, soak: 20s, warmUp: 0s, scrapeInterval: 100ms,
              latency: {enabled: false}}";
    let site = Site::new(&pair.file(rollout));
    let instance = site.start().await;
    instance.report_when("the first step in force", |report| report.step == 1 && report.in_force_since.is_some()).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ours = "{address: '127.0.0.1:0'}]\nadmin";
    let file =
        pair.file(rollout).replace(ours, &format!("{{address: '127.0.0.1:0'}}, {{address: '{address}'}}]\nadmin"));
    site.write(&file);
    let refused = until("the refusal", async || {
        Some(instance.overview().await.config).filter(|config| !config.problems.is_empty())
    })
    .await;
    assert!(refused.problems[0].contains(&address), "{:?}", refused.problems);
    assert_eq!(instance.report().await.step, 1, "the rollout goes on");
    assert_eq!(site.tidegate(&["abort", "shop"]).await.code, Some(0));
    in_force(&instance, "0%").await;

    // What was in the way goes, and nobody has to touch the file.
    drop(taken);
    until("the address", async || get(address.parse().unwrap(), "/", &[]).await.ok()).await;
    assert!(instance.overview().await.config.problems.is_empty());
}
