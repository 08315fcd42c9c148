//! One application of a trial, released again and again.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Container, Pod};
use tidegate_cluster::rollout_object::{self, Rollout};
use tidegate_config::{Name, Share};
use tidegate_controller::clock::Clock;
use tidegate_controller::engine::{Phase, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::chronicle::Run;
use crate::cluster::kubectl;
use crate::crowd::{Crowd, Seen};
use crate::outcome::Outcome;
use crate::split::split;
use crate::stage::{NAMESPACE, Stage, stable};
use crate::way::{Through, Way};
use crate::{Fault, say};

/// Longer than any release of a trial takes, controllers that die included.
const PATIENCE_S: u64 = 1_200;

/// The most that a version takes whose pods are as many as the other's.
const HALF: Share = match Share::from_ppm(500_000) {
    Some(half) => half,
    None => Share::ALL,
};

/// What somebody does while a release is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Waits,
    /// The next version comes.
    Supersedes,
    /// The old version is asked for again.
    Undoes,
}

/// How an application is released, and to what end.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// Fields of its Rollout's `spec`.
    pub(crate) policy: &'static str,
    /// The part of requests that a new version fails.
    fails: &'static str,
    then: Then,
    /// How every release is to end.
    end: Phase,
}

/// The kinds of releases that versions of this way, reached like that, can have.
pub(crate) fn kinds(way: Way, through: Through) -> impl Iterator<Item = &'static Kind> {
    // Proxies that outlive pods, and a workload for each version.
    let recreates = way != Way::InPlace && through == Through::Gateway;
    KINDS.iter().filter(move |kind| recreates || kind.name != RECREATED)
}

const RECREATED: &str = "recreated";

/// One of each way that a rollout can go by itself.
const KINDS: [Kind; 7] = [
    Kind {
        name: "judged",
        policy: "strategy: canary
  steps: ['10%', '30%', '50%', '100%']
  soak: 2s
  warmUp: 1s
  scrapeInterval: 1s
  latency: {enabled: false}
  maxHarm: 2%",
        fails: "0",
        then: Then::Waits,
        end: Phase::Promoted,
    },
    Kind {
        name: "bad",
        policy: "strategy: canary
  steps: ['5%', '30%', '50%', '100%']
  soak: 2s
  warmUp: 1s
  scrapeInterval: 1s
  latency: {enabled: false}",
        fails: "0.1",
        then: Then::Waits,
        end: Phase::Aborted,
    },
    Kind { name: "timed", policy: TIMED, fails: "0", then: Then::Waits, end: Phase::Promoted },
    Kind { name: "superseded", policy: TIMED, fails: "0", then: Then::Supersedes, end: Phase::Promoted },
    Kind { name: "undone", policy: TIMED, fails: "0", then: Then::Undoes, end: Phase::Aborted },
    Kind {
        name: "switched",
        policy: "strategy: blueGreen
  switchAfter: 5s
  standby: 10s",
        fails: "0",
        then: Then::Waits,
        end: Phase::Promoted,
    },
    Kind { name: RECREATED, policy: "strategy: recreate", fails: "0", then: Then::Waits, end: Phase::Promoted },
];

const TIMED: &str = "strategy: canary
  pace: time
  steps: ['5%', '10%', '20%', '30%', '40%', '50%', '100%']
  soak: 4s
  warmUp: 1s
  scrapeInterval: 1s
  latency: {enabled: false}";

/// An application with its visitors.
pub(crate) struct Application {
    kind: &'static Kind,
    stage: Rc<Stage>,
    crowd: Crowd,
    version: u32,
    /// What its stable version calls itself.
    stable: u32,
    /// Whether the numbers of pods change by more than releases.
    unsteady: bool,
}

impl Application {
    /// An application of the stage, as its first version.
    pub(crate) fn new(
        kind: &'static Kind,
        stage: Rc<Stage>,
        shop: &Path,
        rate: u32,
        unsteady: bool,
    ) -> Result<Self, Fault> {
        let host = format!("{}.example.com", kind.name);
        let crowd = Crowd::gather(shop, &stage.address(kind.name), &host, rate)?;
        Ok(Self { kind, stage, crowd, version: 1, stable: 1, unsteady })
    }

    /// Releases until it is told to end; the release that has begun is waited for. Returns what the releases came to, and
    /// what visitors saw.
    pub(crate) async fn run(mut self, end: watch::Receiver<bool>) -> Result<(Vec<Outcome>, Seen), Fault> {
        let mut outcomes = Vec::new();
        while !*end.borrow() {
            if let Some(outcome) = self.release().await? {
                say(&outcome);
                outcomes.push(outcome);
            }
        }
        // What came in the last second is told at its end.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let seen = self.crowd.seen();
        for outcome in &mut outcomes {
            outcome.note_hurt(&seen.hurt);
        }
        Ok((outcomes, seen))
    }

    /// One release; `None` where it was an ordinary update, because nobody answered when its pods were created.
    async fn release(&mut self) -> Result<Option<Outcome>, Fault> {
        let began = Instant::now();
        let was = self.now_stable();
        let mut before = self.last().map(|(canary, _)| canary);
        self.version += 1;
        self.set(self.version, self.kind.fails).await?;
        let (mut given_up, mut undone, mut unheld) = (None, None, None);
        if self.kind.then != Then::Waits {
            let seen = |it: &Rollout| is_new(it, before.as_deref()) && has_visitors(it);
            if self.is_unjudged(was.as_deref(), seen).await? {
                return self.take_over().await;
            }
            given_up = Some(self.version);
        }
        match self.kind.then {
            Then::Waits => {}
            Then::Undoes => {
                unheld = Some(self.unheld().await?);
                undone = Some(Clock::System.now().millis());
                self.leave(self.version, self.stable).await?;
            }
            Then::Supersedes => {
                before = self.last().map(|(canary, _)| canary);
                self.version += 1;
                self.set(self.version, self.kind.fails).await?;
            }
        }
        let over = |it: &Rollout| is_new(it, before.as_deref()) && is_over(it);
        if self.is_unjudged(was.as_deref(), over).await? {
            return self.take_over().await;
        }
        let unheld = if let Some(unheld) = unheld { unheld } else { self.unheld().await? };
        let outcome = self.outcome(began.elapsed().as_secs(), undone, unheld)?;
        match outcome.phase {
            Phase::Promoted => {
                let old = std::mem::replace(&mut self.stable, self.version);
                self.settle().await?;
                self.end(old).await?;
            }
            _ => self.leave(self.version, self.stable).await?,
        }
        if let Some(version) = given_up {
            self.end(version).await?;
        }
        self.settle().await?;
        Ok(Some(outcome))
    }

    fn now_stable(&self) -> Option<String> {
        self.stage.now.borrow().get(self.kind.name).and_then(stable).map(str::to_owned)
    }

    /// Waits for what a rollout is to say, or for an update that nobody judged; says whether it was that.
    async fn is_unjudged(&self, was: Option<&str>, says: impl Fn(&Rollout) -> bool) -> Result<bool, Fault> {
        let unjudged = |it: &Rollout| stable(it) != was && reason(it) == Some("UpdatedUnjudged");
        let seen = self.stage.wait(self.kind.name, PATIENCE_S, |it| says(it) || unjudged(it)).await?;
        Ok(unjudged(&seen))
    }

    /// An ordinary update has made the newest version the stable one.
    async fn take_over(&mut self) -> Result<Option<Outcome>, Fault> {
        say(format!("{} {}: an ordinary update, as its status says: nobody held it", self.kind.name, self.version));
        if self.kind.fails != "0" {
            // Beside a version that fails as much nothing could be told of the next one.
            self.leave(self.version, self.stable).await?;
            self.settle().await?;
            return Ok(None);
        }
        let old = std::mem::replace(&mut self.stable, self.version);
        self.settle().await?;
        self.end(old).await?;
        Ok(None)
    }

    /// How many pods of the newest version nobody holds: the webhook did not answer when they were created. They are ready
    /// whatever its share is.
    async fn unheld(&self) -> Result<usize, Fault> {
        if self.kind.name == RECREATED {
            return Ok(0);
        }
        let pods = self.pods().await?;
        let version = self.version.to_string();
        let is_new = |container: &Container| {
            let mut variables = container.env.iter().flatten();
            variables.any(|it| it.name == "SHOP_VERSION" && it.value.as_ref() == Some(&version))
        };
        let is_unheld = |pod: &&Pod| {
            let spec = pod.spec.as_ref();
            spec.is_some_and(|spec| spec.readiness_gates.is_none() && spec.containers.iter().any(is_new))
        };
        Ok(pods.iter().filter(is_unheld).count())
    }

    async fn pods(&self) -> Result<Vec<Pod>, Fault> {
        let app = format!("app={}", self.kind.name);
        let pods = kubectl(&["-n", NAMESPACE, "get", "pods", "-l", &app, "-o", "json"], "").await?;
        let mut list: serde_json::Value = serde_json::from_str(&pods)?;
        Ok(serde_json::from_value(list["items"].take())?)
    }

    /// Restarts pods until all have the sidecar that they ask for. Those that the webhook missed take visitors past it, which their
    /// owner is told.
    async fn have_sidecars(&self, workload: &str, timeout: &str) -> Result<(), Fault> {
        let has = |pod: &Pod| {
            let containers = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
            pod.metadata.deletion_timestamp.is_some() || containers.into_iter().any(|it| it.name == "tidegate-proxy")
        };
        while self.stage.through == Through::Sidecar && !self.pods().await?.iter().all(has) {
            say(format!("{} {}: pods have no sidecar, and are restarted", self.kind.name, self.version));
            kubectl(&["-n", NAMESPACE, "rollout", "restart", workload], "").await?;
            kubectl(&["-n", NAMESPACE, "rollout", "status", workload, timeout], "").await?;
        }
        Ok(())
    }

    fn outcome(&self, seconds: u64, undone: Option<u64>, unheld: usize) -> Result<Outcome, Fault> {
        let (_, run) = self.last().ok_or("no rollout was seen")?;
        let seen = self.crowd.seen();
        let came = seen.visitors.get(&self.version.to_string()).copied().unwrap_or_default();
        // Every version has two pods, or as many as the other.
        let most = if self.kind.policy.contains("canary") { HALF } else { Share::ALL };
        let most = (!self.unsteady).then_some(most);
        Ok(Outcome {
            application: self.kind.name.to_owned(),
            version: self.version,
            expected: self.kind.end,
            phase: run.phase,
            shares: run.shares(),
            seconds,
            evidence: (run.judged(), came),
            aborted: run.aborted().map(Timestamp::millis),
            hurt: None,
            unheld,
            split: split(&run.steps(), self.version, most, undone, &seen),
        })
    }

    /// The rollout that was seen last, with its canary.
    fn last(&self) -> Option<(String, Run)> {
        let chronicles = self.stage.chronicles.borrow();
        let run = chronicles.get(self.kind.name)?.rollouts.last()?.clone();
        Some((run.canary.as_str().to_owned(), run))
    }

    /// Asks for a version.
    async fn set(&self, version: u32, fails: &str) -> Result<(), Fault> {
        let (way, through, name) = (self.stage.way, self.stage.through, self.kind.name);
        // A version that was good once stays so.
        let fails = if version == self.stable { "0" } else { fails };
        let workload = way.workload(name, version);
        if way == Way::InPlace {
            let (version, fails) = (format!("SHOP_VERSION={version}"), format!("SHOP_FAILS={fails}"));
            return kubectl(&["-n", NAMESPACE, "set", "env", &workload, &version, &fails], "").await.map(drop);
        }
        let manifest = way.manifest(through, name, version, fails);
        kubectl(&["apply", "--server-side", "-f", "-"], &manifest).await?;
        Ok(())
    }

    /// Asks for `version` no more, but for `back`.
    async fn leave(&self, version: u32, back: u32) -> Result<(), Fault> {
        if self.stage.way == Way::InPlace { self.set(back, "0").await } else { self.end(version).await }
    }

    /// Takes the workload of a version away, where it has one of its own.
    async fn end(&self, version: u32) -> Result<(), Fault> {
        if self.stage.way == Way::InPlace || version == self.stable {
            return Ok(());
        }
        let workload = self.stage.way.workload(self.kind.name, version);
        kubectl(&["-n", NAMESPACE, "delete", &workload, "--ignore-not-found"], "").await.map(drop)
    }

    /// Waits until the workload is complete and its version is the stable one.
    async fn settle(&self) -> Result<(), Fault> {
        let workload = self.stage.way.workload(self.kind.name, self.stable);
        let timeout = format!("--timeout={PATIENCE_S}s");
        kubectl(&["-n", NAMESPACE, "rollout", "status", &workload, &timeout], "").await?;
        self.have_sidecars(&workload, &timeout).await?;
        self.stage.wait(self.kind.name, PATIENCE_S, |rollout| stable(rollout).is_some()).await?;
        // So that a look at the Service without a rollout lies between two of them.
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(())
    }
}

fn is_new(rollout: &Rollout, before: Option<&str>) -> bool {
    let canary = rollout.status.as_ref().and_then(|status| status.canary.as_ref()).map(Name::as_str);
    canary.is_some() && canary != before
}

/// Why it progresses, or does not.
fn reason(rollout: &Rollout) -> Option<&str> {
    let conditions = &rollout.status.as_ref()?.conditions;
    conditions.iter().find(|it| it.type_ == "Progressing").map(|it| it.reason.as_str())
}

fn is_over(rollout: &Rollout) -> bool {
    let phase = rollout.status.as_ref().and_then(|status| status.phase);
    matches!(phase, Some(rollout_object::Phase::Promoted | rollout_object::Phase::Aborted))
}

fn has_visitors(rollout: &Rollout) -> bool {
    rollout.status.as_ref().and_then(|status| status.step).is_some_and(|step| step >= 2)
}
