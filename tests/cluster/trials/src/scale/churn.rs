//! Changes: of an endpoint and of a share, each timed, and of pods, as many as asked for in a second.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use kube::Client;
use serde_json::{Value, json};
use tidegate_cluster::lead::Wish;
use tidegate_controller::engine::Verb;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::fill::{Crowd, address, endpoints, make_pod, name, namespace, pod, send};
use super::observe::{Rollouts, Subscriber};
use crate::Fault;
use crate::outcome::milliseconds;

/// Changes an endpoint of a Service that is not released; returns how long a proxy waited for it, in milliseconds.
pub(super) async fn endpoint(client: &Client, crowd: Crowd, subscriber: &mut Subscriber) -> Result<u64, Fault> {
    let service = drawn(crowd, |service| !crowd.is_released(service));
    let mut addresses: Vec<String> = (0..crowd.pods).map(|pod| address(service, pod)).collect();
    let new = fresh();
    addresses[0].clone_from(&new);
    let begin = Instant::now();
    set_endpoints(client, service, &addresses).await?;
    let known = format!("{}.{}", name(service), namespace(service)).parse()?;
    subscriber.endpoint(&known, &format!("{new}:8080").parse()?).await?;
    Ok(milliseconds(begin.elapsed()))
}

/// Pauses a rollout, or lets it go on; returns how long it took until the status said so, in milliseconds.
pub(super) async fn command(client: &Client, crowd: Crowd, rollouts: &mut Rollouts) -> Result<u64, Fault> {
    let service = drawn(crowd, |service| crowd.is_released(service));
    let id = format!("{:016x}", rand::random::<u64>());
    let verb = if rollouts.is_paused(&name(service)) { Verb::Resume } else { Verb::Pause };
    let wish = Wish::annotations(&id, verb, None, "crowd");
    let path = format!("/apis/tidegate.dev/v1alpha1/namespaces/{}/rollouts/{}", namespace(service), name(service));
    let begin = Instant::now();
    send(client, "PATCH", &path, Some(&json!({"metadata": {"annotations": wish}}))).await?;
    rollouts.answer(&name(service), &id).await?;
    Ok(milliseconds(begin.elapsed()))
}

/// Pods that are replaced all the time.
pub(super) struct Churn {
    done: Rc<Cell<u64>>,
    failed: Rc<Cell<u64>>,
    task: JoinHandle<()>,
}

impl Churn {
    pub(super) fn start(client: Client, crowd: Crowd, in_a_second: u32) -> Self {
        let (done, failed): (Rc<Cell<u64>>, Rc<Cell<u64>>) = Default::default();
        let (counted, missed) = (Rc::clone(&done), Rc::clone(&failed));
        let task = spawn_local(async move {
            let mut times = interval(Duration::from_secs(1) / in_a_second.max(1));
            times.set_missed_tick_behavior(MissedTickBehavior::Burst);
            loop {
                times.tick().await;
                let (client, counted, missed) = (client.clone(), Rc::clone(&counted), Rc::clone(&missed));
                spawn_local(async move {
                    let count = if replace(&client, crowd).await.is_ok() { counted } else { missed };
                    count.set(count.get() + 1);
                });
            }
        });
        Self { done, failed, task }
    }

    /// Ends it, and says what it came to.
    pub(super) fn end(&self) -> String {
        self.task.abort();
        format!("{} pods were replaced, {} could not be", self.done.get(), self.failed.get())
    }
}

/// Takes a pod away, and brings another with an address of its own.
async fn replace(client: &Client, crowd: Crowd) -> Result<(), Fault> {
    let service = drawn(crowd, |_| true);
    let index = usize::from(rand::random::<u16>()) % crowd.pods;
    let set = format!("/apis/apps/v1/namespaces/{}/replicasets/{}-aa", namespace(service), name(service));
    let set: Value = send(client, "GET", &set, None).await?;
    let path = format!("/api/v1/namespaces/{}/pods/{}-aa-{index}", namespace(service), name(service));
    let mut addresses: Vec<String> = (0..crowd.pods).map(|pod| address(service, pod)).collect();
    addresses.remove(index);
    set_endpoints(client, service, &addresses).await?;
    send(client, "DELETE", &path, Some(&json!({"gracePeriodSeconds": 0}))).await?;
    let new = fresh();
    make_pod(client, pod(service, "aa", index, &new, &set)).await?;
    addresses.insert(index, new);
    set_endpoints(client, service, &addresses).await
}

async fn set_endpoints(client: &Client, service: usize, addresses: &[String]) -> Result<(), Fault> {
    let path = format!("/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices/{}", namespace(service), name(service));
    send(client, "PATCH", &path, Some(&json!({"endpoints": endpoints(addresses)}))).await.map(drop)
}

/// A Service by chance.
fn drawn(crowd: Crowd, is_one: impl Fn(usize) -> bool) -> usize {
    loop {
        let service = rand::random::<u32>() as usize % crowd.services;
        if is_one(service) {
            return service;
        }
    }
}

/// An address that no pod has had, most likely.
fn fresh() -> String {
    let [a, b, c, _] = rand::random::<u32>().to_be_bytes();
    format!("10.{}.{b}.{c}", 192 + a % 60)
}
