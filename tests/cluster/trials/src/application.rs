//! One application of a trial, released again and again.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use tidegate_cluster::rollout_object::{self, Rollout};
use tidegate_config::Name;
use tidegate_controller::engine::Phase;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::chronicle::Run;
use crate::cluster::kubectl;
use crate::crowd::{Crowd, Seen};
use crate::outcome::Outcome;
use crate::stage::{NAMESPACE, Stage, stable};
use crate::{Fault, say};

/// Longer than any release of a trial takes, controllers that die included.
const PATIENCE_S: u64 = 300;

/// How an application is released, and to what end.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// The YAML of its Rollout's policy.
    pub(crate) policy: &'static str,
    /// The part of requests that a new version fails.
    pub(crate) fails: &'static str,
    /// How every release is to end.
    pub(crate) end: Phase,
}

/// One of each way that a rollout can go by itself.
pub(crate) const KINDS: [Kind; 4] = [
    Kind {
        name: "judged",
        policy: "{strategy: canary, steps: ['10%', '30%', '50%', '100%'], soak: 2s, warmUp: 1s, scrapeInterval: 1s,
            latency: {enabled: false}, maxHarm: 2%}",
        fails: "0",
        end: Phase::Promoted,
    },
    Kind {
        name: "bad",
        policy: "{strategy: canary, steps: ['5%', '30%', '50%', '100%'], soak: 2s, warmUp: 1s, scrapeInterval: 1s,
            latency: {enabled: false}}",
        fails: "0.1",
        end: Phase::Aborted,
    },
    Kind {
        name: "timed",
        policy: "{strategy: canary, pace: time, scrapeInterval: 1s, soak: 3s, warmUp: 1s, latency: {enabled: false},
            steps: ['5%', '10%', '15%', '20%', '25%', '30%', '35%', '40%', '45%', '50%', '100%']}",
        fails: "0",
        end: Phase::Promoted,
    },
    Kind {
        name: "switched",
        policy: "{strategy: blueGreen, switchAfter: 5s, standby: 10s}",
        fails: "0",
        end: Phase::Promoted,
    },
];

impl Kind {
    /// The policy as fields of a `spec`.
    pub(crate) fn fields(&self) -> String {
        self.policy.trim_start_matches('{').trim_end_matches('}').to_owned()
    }
}

/// An application with its visitors.
pub(crate) struct Application {
    kind: &'static Kind,
    stage: Rc<Stage>,
    crowd: Crowd,
    version: u32,
    /// What its stable version calls itself.
    stable: u32,
}

impl Application {
    /// An application of the stage, as its first version.
    pub(crate) fn new(kind: &'static Kind, stage: Rc<Stage>, shop: &Path, rate: u32) -> Result<Self, Fault> {
        let host = format!("{}.example.com", kind.name);
        let crowd = Crowd::gather(shop, &stage.address, &host, rate)?;
        Ok(Self { kind, stage, crowd, version: 1, stable: 1 })
    }

    /// Releases until it is told to end; the release that has begun is waited for. Returns what the releases came to, and
    /// what visitors saw.
    pub(crate) async fn run(mut self, end: watch::Receiver<bool>) -> Result<(Vec<Outcome>, Seen), Fault> {
        let mut outcomes = Vec::new();
        while !*end.borrow() {
            let outcome = self.release().await?;
            say(&outcome);
            outcomes.push(outcome);
        }
        Ok((outcomes, self.crowd.seen()))
    }

    async fn release(&mut self) -> Result<Outcome, Fault> {
        let (name, began) = (self.kind.name, Instant::now());
        self.version += 1;
        let before = self.last().map(|(canary, _)| canary);
        self.set(self.version, self.kind.fails).await?;
        let over = |rollout: &Rollout| {
            let Some(status) = &rollout.status else { return false };
            let is_over =
                matches!(status.phase, Some(rollout_object::Phase::Promoted | rollout_object::Phase::Aborted));
            is_over && status.canary.as_ref().map(Name::as_str) != before.as_deref()
        };
        self.stage.wait(name, PATIENCE_S, over).await?;
        let came = self.crowd.seen().visitors.get(&self.version.to_string()).copied().unwrap_or_default();
        let seconds = began.elapsed().as_secs();
        let (_, run) = self.last().ok_or("no rollout was seen")?;
        let outcome = Outcome {
            application: name.to_owned(),
            version: self.version,
            expected: self.kind.end,
            phase: run.phase,
            shares: run.shares(),
            seconds,
            evidence: (run.judged(), came),
        };
        if run.phase == Phase::Promoted {
            self.stable = self.version;
        } else {
            self.set(self.stable, "0").await?;
        }
        self.settle().await?;
        Ok(outcome)
    }

    /// The rollout that was seen last, with its canary.
    fn last(&self) -> Option<(String, Run)> {
        let chronicles = self.stage.chronicles.borrow();
        let run = chronicles.get(self.kind.name)?.rollouts.last()?.clone();
        Some((run.canary.as_str().to_owned(), run))
    }

    async fn set(&self, version: u32, fails: &str) -> Result<(), Fault> {
        // A version that was good once stays so.
        let fails = if version == self.stable { "0" } else { fails };
        let deployment = format!("deployment/{}", self.kind.name);
        let (version, fails) = (format!("SHOP_VERSION={version}"), format!("SHOP_FAILS={fails}"));
        kubectl(&["-n", NAMESPACE, "set", "env", &deployment, &version, &fails], "").await.map(drop)
    }

    /// Waits until the Deployment is complete and its version is the stable one.
    async fn settle(&self) -> Result<(), Fault> {
        let deployment = format!("deployment/{}", self.kind.name);
        let timeout = format!("--timeout={PATIENCE_S}s");
        kubectl(&["-n", NAMESPACE, "rollout", "status", &deployment, &timeout], "").await?;
        self.stage.wait(self.kind.name, PATIENCE_S, |rollout| stable(rollout).is_some()).await?;
        // So that a look at the Service without a rollout lies between two of them.
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(())
    }
}
