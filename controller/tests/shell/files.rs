//! The whole loop on a file that changes.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use tidegate_controller::clock::Clock;
use tidegate_controller::reconcile::{Controller, Handle, asks};
use tidegate_controller::view::Overview;
use tidegate_controller::watch::Watcher;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::proxy::Proxy;
use crate::setting::{FILE, shop};

struct Running {
    handle: Handle,
    publications: watch::Receiver<Arc<tidegate_config::Publication>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    _watcher: Watcher,
}

/// Runs a controller on a file; every publication is in force in the proxy at once.
fn start(directory: &Path, file: &Path, proxy: &Proxy) -> Running {
    let (watcher, seen) = Watcher::start(file).unwrap();
    let first = seen.borrow().config.clone().unwrap();
    let mut controller = Controller::open(&directory.join("state"), first, Clock::System).unwrap();
    controller.follows(file.to_owned());
    controller.scrape_from(vec![proxy.address]);
    let publications = controller.publications();
    let (handle, asks) = asks();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        controller.run(asks, Some(seen), async { drop(stopped.await) }).await.unwrap();
    });
    Running { handle, publications, stop, task, _watcher: watcher }
}

fn replace(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    fs::write(&beside, text).unwrap();
    fs::rename(beside, file).unwrap();
}

async fn wait_for(handle: &Handle, condition: impl Fn(&Overview) -> bool) -> Overview {
    loop {
        let overview = handle.overview().await.unwrap();
        if condition(&overview) {
            return overview;
        }
        tokio::task::yield_now().await;
    }
}

fn without_rollout() -> String {
    let rollout = FILE.find("    rollout:").unwrap();
    FILE[..rollout].replace("    canary: v2\n", "")
}

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

#[tokio::test]
async fn a_bad_file_is_told_and_the_last_good_one_stays() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tidegate.yaml");
    let good = without_rollout();
    fs::write(&file, &good).unwrap();
    let proxy = Proxy::start().await;
    let mut running = start(directory.path(), &file, &proxy);
    let first = running.publications.borrow_and_update().clone();
    proxy.take(first.clone());
    let generation = first.generation;
    let overview = wait_for(&running.handle, |it| it.in_force == Some(generation)).await;
    assert_eq!((overview.config.problems.len(), overview.config.file.as_deref()), (0, Some(file.as_path())));
    replace(&file, &good.replace("stable: v1", "stable: v3").replace("service: shop", "service: shap"));
    let overview = wait_for(&running.handle, |it| !it.config.problems.is_empty()).await;
    assert_eq!(overview.config.problems.len(), 2, "{:?}", overview.config.problems);
    assert!(overview.config.since.is_some());
    assert_eq!((overview.generation, overview.services.len()), (generation, 1), "the last good one stays");
    replace(&file, &good.replace("8080", "8081"));
    running.publications.changed().await.unwrap();
    let overview = wait_for(&running.handle, |it| it.config.problems.is_empty()).await;
    assert_eq!((overview.generation, overview.config.since, overview.config.seen), (generation + 1, None, 3));
    drop(running.stop);
    running.task.await.unwrap();
}

#[tokio::test]
async fn the_loop_takes_a_rollout_on_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tidegate.yaml");
    fs::write(&file, FILE.replace("scrapeInterval: 1s", "scrapeInterval: 100ms")).unwrap();
    let proxy = Proxy::start().await;
    let mut running = start(directory.path(), &file, &proxy);
    let mut share = 0;
    while share == 0 {
        let publication = running.publications.borrow_and_update().clone();
        share = publication.splits[&shop()].arms[0].share.ppm();
        proxy.take(publication);
        proxy.visit(&shop(), 1_000, &[]);
        if share == 0 {
            running.publications.changed().await.unwrap();
        }
    }
    let generation = running.publications.borrow().generation;
    let in_force = |it: &Overview| {
        it.in_force == Some(generation) && it.services[0].rollout.as_ref().is_some_and(|it| it.in_force_since.is_some())
    };
    wait_for(&running.handle, in_force).await;
    proxy.visit(&shop(), 1_000, &[]);
    let counted = |it: &Overview| it.services[0].rollout.as_ref().is_some_and(|it| it.canary.visitors == 200);
    wait_for(&running.handle, counted).await;
    drop(running.stop);
    running.task.await.unwrap();
}

/// Set in the process of a test that must not share it with others.
const ALONE: &str = "TIDEGATE_TEST_ALONE";

/// Runs a test in a process of its own: it measures the memory of the whole process.
fn run_alone(test: &str) {
    let own = std::env::current_exe().unwrap();
    let output =
        std::process::Command::new(own).args(["--exact", test, "--nocapture"]).env(ALONE, "1").output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
async fn ten_thousand_files_grow_nothing() {
    if std::env::var_os(ALONE).is_none() {
        return run_alone("files::ten_thousand_files_grow_nothing");
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tidegate.yaml");
    let good = without_rollout();
    let text = move |i: u32| {
        let share = format!("9002'], share: {}.{:04}%", i / 10_000, i % 10_000);
        good.replace("9002']", &share)
    };
    fs::write(&file, text(1)).unwrap();
    let proxy = Proxy::start().await;
    let mut running = start(directory.path(), &file, &proxy);
    let first = running.publications.borrow_and_update().generation;
    for i in 1..=1_000 {
        replace(&file, &text(i));
    }
    let last_share = |i: u32| move |it: &Overview| it.services[0].arms[0].share.ppm() == i;
    wait_for(&running.handle, last_share(1_000)).await;
    let before = resident();
    let writer = file.clone();
    let written = tokio::task::spawn_blocking(move || (1_001..=10_000).for_each(|i| replace(&writer, &text(i))));
    written.await.unwrap();
    let done = tokio::time::Instant::now();
    let overview = wait_for(&running.handle, last_share(10_000)).await;
    let (grown, lag) = (resident().saturating_sub(before), done.elapsed());
    let config = &overview.config;
    println!(
        "10000 replacements: {} files read, {} generations published, {grown} bytes grown, the last in force after {lag:?}",
        config.seen, config.generations
    );
    assert_eq!(overview.generation, first + config.generations - 1);
    assert!(config.generations <= config.seen && config.seen <= 10_000, "{config:?}");
    assert!(grown < 16 * 1024 * 1024, "{grown} bytes");
    assert!(lag.as_secs() < 5, "{lag:?}");
    let state = fs::metadata(directory.path().join("state/state.redb")).unwrap().len();
    assert!(state < 8 * 1024 * 1024, "{state} bytes of state");
    drop(running.stop);
    running.task.await.unwrap();
}
