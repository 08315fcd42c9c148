//! One cell: one proxy in one scenario, started, checked, warmed, measured and stopped.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use super::backend::Versions;
use super::generator::{Generator, Load, Run};
use super::options::Options;
use super::peer::{Installed, Peer, Place};
use super::probe::Probe;
use super::process::{Core, Group};
use super::scenario::Scenario;
use super::usage::{CoreTime, TICK_MICROSECONDS, Usage};
use super::{Failure, Result};

/// How long a proxy may take until it listens.
const START_MAX: Duration = Duration::from_secs(15);
/// How long new visitors may meet only one version after a cell: some hundred of them suffice.
const SPLIT_STILL_MAX: Duration = Duration::from_secs(1);
/// How long it is warmed up: pools fill, pages are touched.
const WARM_UP_SECONDS: u32 = 1;

/// What one cell came to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cell {
    pub(crate) peer: Peer,
    pub(crate) scenario: Scenario,
    pub(crate) round: u32,
    pub(crate) requests: u64,
    pub(crate) cpu_us_per_request: f64,
    pub(crate) requests_per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// At the end, with the connections still warm.
    pub(crate) memory_bytes: u64,
    /// The proxy's share of its core.
    pub(crate) core_share: f64,
    /// What others, the host included, took of the proxy's core.
    pub(crate) disturbance: f64,
}

impl Cell {
    /// The share of the proxy's core that nobody used: the proxy was waiting for the generator.
    pub(crate) fn idle_share(&self) -> f64 {
        (1.0 - self.core_share - self.disturbance).max(0.0)
    }
}

/// What stays the same for every cell.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) options: &'a Options,
    pub(crate) generator: Generator,
    pub(crate) versions: Versions,
    pub(crate) directory: &'a Path,
}

impl Bench<'_> {
    /// Measures one cell. The proxy is gone when this returns, whatever happens.
    pub(crate) async fn cell(&self, proxy: &Installed, scenario: Scenario, round: u32) -> Result<Cell> {
        let directory = self.fresh_directory(proxy.peer)?;
        let (listen, admin) = free_addresses().await?;
        let place = Place { scenario, protocol: self.options.protocol, listen, admin, versions: self.versions };
        let arguments = proxy.configure(&directory, &place)?;
        let mut group = Group::start(Core::Proxy, &proxy.program, &arguments, directory.join("log"))?;
        listening(&mut group, listen).await?;
        let prepared = self.probe(listen).await?.prepare(scenario).await;
        let requests = prepared.map_err(|error| group.failure(&error.to_string()))?;
        let run = Run {
            protocol: self.options.protocol,
            connections: self.options.connections,
            streams: self.options.streams,
            seconds: WARM_UP_SECONDS,
            address: listen,
            requests: &requests,
            directory: &directory,
        };
        self.generator.run(&run).await?;
        let run = Run { seconds: self.options.seconds, ..run };
        let before = Reading::now(&group)?;
        let load = self.generator.run(&run).await?;
        let after = Reading::now(&group)?;
        group.ensure_running()?;
        if load.errors > 0 {
            let what = format!("{} of {} requests failed", load.errors, load.requests + load.errors);
            return Err(group.failure(&what));
        }
        if scenario.is_sticky() {
            let still = self.probe(listen).await?.split_in_force(SPLIT_STILL_MAX).await;
            still.map_err(|error| group.failure(&format!("the split did not last: {error}")))?;
        }
        Ok(cell(proxy.peer, scenario, round, &load, &before, &after))
    }

    async fn probe(&self, address: SocketAddr) -> Result<Probe> {
        Probe::connect(address, self.options.protocol).await
    }

    /// An empty directory for one proxy's files.
    fn fresh_directory(&self, peer: Peer) -> Result<PathBuf> {
        let directory = self.directory.join(peer.name());
        if directory.exists() {
            std::fs::remove_dir_all(&directory)?;
        }
        std::fs::create_dir(&directory)?;
        Ok(directory)
    }
}

/// The counters at one instant.
#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    usage: Usage,
    core: CoreTime,
}

impl Reading {
    fn now(group: &Group) -> Result<Self> {
        Ok(Self { at: Instant::now(), usage: Usage::of_group(group.id())?, core: CoreTime::of(Core::Proxy.number())? })
    }
}

#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^53")]
fn cell(peer: Peer, scenario: Scenario, round: u32, load: &Load, before: &Reading, after: &Reading) -> Cell {
    let wall_ticks = (after.at - before.at).as_secs_f64() * 1e6 / TICK_MICROSECONDS as f64;
    let ours = after.usage.cpu_ticks.saturating_sub(before.usage.cpu_ticks);
    let stolen = after.core.stolen_ticks.saturating_sub(before.core.stolen_ticks);
    let busy = after.core.busy_ticks.saturating_sub(before.core.busy_ticks);
    Cell {
        peer,
        scenario,
        round,
        requests: load.requests,
        cpu_us_per_request: (ours * TICK_MICROSECONDS) as f64 / load.requests as f64,
        requests_per_second: load.requests as f64 / load.seconds,
        p50_us: load.p50_us,
        p99_us: load.p99_us,
        memory_bytes: after.usage.memory_bytes,
        core_share: ours as f64 / wall_ticks,
        disturbance: (busy.saturating_sub(ours) + stolen) as f64 / wall_ticks,
    }
}

/// Two addresses on which nothing listens at the moment.
async fn free_addresses() -> Result<(SocketAddr, SocketAddr)> {
    let one = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let two = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    Ok((one.local_addr()?, two.local_addr()?))
}

/// Waits until the proxy accepts connections.
async fn listening(group: &mut Group, address: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + START_MAX;
    while TcpStream::connect(address).await.is_err() {
        group.ensure_running().map_err(|error| Failure::from(format!("it never listened: {error}")))?;
        if Instant::now() > deadline {
            return Err(group.failure(&format!("it does not listen on {address} after {START_MAX:?}")));
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
