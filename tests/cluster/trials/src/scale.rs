//! How the controller does with a large cluster: thousands of Services, their pods and hundreds of rollouts under way, as
//! objects that nobody runs. One controller, one proxy, and what a user of both waits for.

mod churn;
mod fill;
mod observe;
mod process;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use kube::Client;
use tokio::time::{Instant, sleep};

use crate::outcome::spread;
use crate::{Fault, say};
use churn::Churn;
use fill::Crowd;
use observe::{Rollouts, Subscriber};
use process::{Controller, Proxy};

/// For which the controller is left alone until it is at rest, and then measured.
const SETTLE: Duration = Duration::from_secs(15);
const MEASURED: Duration = Duration::from_secs(30);
/// For everything that has no time of its own.
const PATIENCE: Duration = Duration::from_mins(15);

/// How large, and where the programs are.
#[derive(Debug, Clone, Args)]
pub(crate) struct Scale {
    /// Services, each with a route, a Deployment and an `EndpointSlice`.
    #[arg(long, default_value_t = 5_000)]
    services: usize,
    /// Pods behind each Service.
    #[arg(long, default_value_t = 4)]
    pods: usize,
    /// Services of which a new version is tried.
    #[arg(long, default_value_t = 500)]
    rollouts: usize,
    /// Pods that are replaced in a second, while that is measured.
    #[arg(long, default_value_t = 20)]
    churn: u32,
    /// Changes whose way is timed, of each kind.
    #[arg(long, default_value_t = 200)]
    changes: usize,
    /// Takes the objects of an earlier run of the same size.
    #[arg(long)]
    filled: bool,
    /// `tidegate-controller`.
    #[arg(long, env = "CONTROLLER")]
    controller: PathBuf,
    /// `tidegate-proxy`.
    #[arg(long, env = "PROXY")]
    proxy: PathBuf,
    /// Where logs and credentials are kept.
    #[arg(long, env = "SCALE_FILES")]
    files: PathBuf,
}

impl Scale {
    /// Runs the trial.
    pub(crate) async fn run(self) -> Result<bool, Fault> {
        let client = Client::try_default().await?;
        std::fs::create_dir_all(&self.files)?;
        let crowd = Crowd { services: self.services, pods: self.pods, rollouts: self.rollouts };
        let mut rollouts = Rollouts::follow(client.clone());
        if !self.filled {
            crowd.fill(&client).await?;
        }
        if !rollouts.are_begun(self.rollouts).await? {
            self.begin(&client, &crowd, &mut rollouts).await?;
        }
        observe::credentials(&client, &self.files).await?;
        let _proxy = Proxy::start(&self.proxy, &self.files)?;
        let me = format!("crowd-{}", std::process::id());
        let mut controller = Controller::start(&self.controller, &self.files, &me)?;
        let mut subscriber = self.start(&mut controller, &mut rollouts, &me).await?;
        let changes = Changes { client, crowd, count: self.changes };
        sleep(SETTLE).await;
        say(format!("at rest: {}", controller.measure(MEASURED).await?));
        changes.time(&mut subscriber, &mut rollouts).await?;
        let churn = Churn::start(changes.client.clone(), changes.crowd, self.churn);
        sleep(SETTLE).await;
        say(format!("{} pods replaced in a second: {}", self.churn, controller.measure(MEASURED).await?));
        changes.time(&mut subscriber, &mut rollouts).await?;
        say(churn.end());
        say(format!("in the end: {}", controller.memory()?));
        controller.end().await?;
        Ok(true)
    }

    /// Has a controller learn what is stable, and brings new versions, so that rollouts are under way.
    async fn begin(&self, client: &Client, crowd: &Crowd, rollouts: &mut Rollouts) -> Result<(), Fault> {
        let mut controller = Controller::start(&self.controller, &self.files, "crowd-first")?;
        rollouts.wait(PATIENCE, self.rollouts, |it| it.stable).await?;
        say(format!("{} stable versions are known", self.rollouts));
        crowd.release(client).await?;
        rollouts.wait(PATIENCE, self.rollouts, |it| it.under_way).await?;
        say(format!("{} rollouts are under way", self.rollouts));
        controller.end().await
    }

    /// What a start takes until everything is as it was.
    async fn start(&self, controller: &mut Controller, rollouts: &mut Rollouts, me: &str) -> Result<Subscriber, Fault> {
        let begin = Instant::now();
        controller.ready(PATIENCE).await?;
        say(format!("ready after {:.1} s", begin.elapsed().as_secs_f64()));
        let mut subscriber = Subscriber::start(&self.files)?;
        subscriber.first(PATIENCE).await?;
        say(format!("first publication after {:.1} s", begin.elapsed().as_secs_f64()));
        rollouts.wait(PATIENCE, self.rollouts, |it| it.leader == me).await?;
        say(format!("every rollout in hand after {:.1} s", begin.elapsed().as_secs_f64()));
        say(format!("so far: {}", controller.memory()?));
        Ok(subscriber)
    }
}

/// Changes whose way is timed.
struct Changes {
    client: Client,
    crowd: Crowd,
    count: usize,
}

impl Changes {
    async fn time(&self, subscriber: &mut Subscriber, rollouts: &mut Rollouts) -> Result<(), Fault> {
        let (mut endpoints, mut commands) = (Vec::new(), Vec::new());
        for _ in 0..self.count {
            endpoints.push(churn::endpoint(&self.client, self.crowd, subscriber).await?);
            commands.push(churn::command(&self.client, self.crowd, rollouts).await?);
        }
        say(format!("  from a change of an EndpointSlice to a proxy: {}", spread(endpoints)));
        say(format!("  from a command to the status: {}", spread(commands)));
        Ok(())
    }
}
