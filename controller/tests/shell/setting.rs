//! An instance under test: a controller, one proxy, and a clock that is set by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;
use tidegate_config::{Config, Name};
use tidegate_controller::clock::Clock;
use tidegate_controller::crash::Crash;
use tidegate_controller::engine::{Action, Phase, Report};
use tidegate_controller::reconcile::{Controller, ReconcileError};
use tidegate_controller::view::ServiceView;

use crate::proxy::Proxy;

/// A service with a canary; the demo's policy without its latency.
pub(crate) const FILE: &str = "
listeners: [{address: '127.0.0.1:8080'}]
routes: [{service: shop}]
timeouts: {request: 1s}
services:
  shop:
    stable: v1
    canary: v2
    versions:
      v1: {endpoints: ['127.0.0.1:9001']}
      v2: {endpoints: ['127.0.0.1:9002']}
    rollout: {strategy: canary, steps: [10%, 50%, 100%], soak: 5s, warmUp: 0s, deadline: 10m, scrapeInterval: 1s,
              maxHarm: 0.5%, latency: {enabled: false}}
";

pub(crate) fn config(text: &str) -> Arc<Config> {
    Arc::new(Config::parse(text).unwrap())
}

pub(crate) fn shop() -> Name {
    "shop".parse().unwrap()
}

pub(crate) struct Setting {
    pub(crate) directory: TempDir,
    pub(crate) proxy: Proxy,
    pub(crate) millis: Arc<AtomicU64>,
    pub(crate) file: Arc<Config>,
    pub(crate) controller: Option<Controller>,
}

impl Setting {
    pub(crate) async fn new(text: &str) -> Self {
        let millis = Arc::new(AtomicU64::new(1_800_000_000_000));
        let directory = tempfile::tempdir().unwrap();
        let proxy = Proxy::start().await;
        let mut this = Self { directory, proxy, millis, file: config(text), controller: None };
        this.open();
        this
    }

    /// Opens the state again, as after a restart.
    pub(crate) fn open(&mut self) {
        self.controller = None;
        let clock = Clock::Hand(self.millis.clone());
        let mut controller = Controller::open(self.directory.path(), self.file.clone(), clock).unwrap();
        controller.scrape_from(vec![self.proxy.address]);
        self.controller = Some(controller);
    }

    pub(crate) fn controller(&mut self) -> &mut Controller {
        self.controller.as_mut().unwrap()
    }

    /// A second with so many new visitors, and one turn at its end.
    pub(crate) async fn second(&mut self, visitors: u64, failing: &[(&str, f64)]) -> Result<(), ReconcileError> {
        let publication = self.controller().publications().borrow().clone();
        self.proxy.take(publication);
        self.proxy.visit(&shop(), visitors, failing);
        self.millis.fetch_add(1_000, Ordering::Relaxed);
        self.controller().tick().await
    }

    /// Seconds until the rollout is over, at most `max`; the shares it went through.
    pub(crate) async fn run(&mut self, max: usize, visitors: u64, failing: &[(&str, f64)]) -> Vec<String> {
        let mut shares = Vec::new();
        for _ in 0..max {
            self.second(visitors, failing).await.unwrap();
            let report = self.report();
            let share = report.share.to_string();
            if shares.last() != Some(&share) {
                shares.push(share);
            }
            if matches!(report.phase, Phase::Promoted | Phase::Aborted) {
                return shares;
            }
        }
        panic!("not over after {max} s: {}", self.report().verdict);
    }

    /// Stops the controller at a point of its next turn, and opens the state again.
    pub(crate) async fn crash(&mut self, point: Crash, visitors: u64) {
        self.controller().crash_at(Some(point));
        self.second(visitors, &[]).await.unwrap_err();
        self.open();
    }

    pub(crate) fn view(&mut self) -> ServiceView {
        self.controller().report(&shop()).unwrap()
    }

    pub(crate) fn report(&mut self) -> Report {
        self.view().rollout.unwrap()
    }

    /// The shares in force, by version.
    pub(crate) fn split(&mut self) -> Vec<(String, String)> {
        self.view().arms.iter().map(|arm| (arm.version.to_string(), arm.share.to_string())).collect()
    }

    /// What was decided that moves something: number, actor, action and the shares.
    pub(crate) fn moves(&mut self) -> Vec<(u64, String, String)> {
        let decisions = self.controller().explain(&shop()).unwrap().decisions;
        let numbers: Vec<u64> = decisions.iter().map(|it| it.logged.number).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "no decision is missing or told twice");
        let mut moves = Vec::new();
        for decision in decisions {
            let record = decision.logged.record;
            if !matches!(record.action, Action::Hold(_)) {
                let what = format!("{:?} {} -> {}", record.action, record.from, record.to);
                moves.push((record.seq, record.actor, what));
            }
        }
        moves
    }
}
