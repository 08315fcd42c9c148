//! Objects that are not as they should be, some hundreds of them, beside an application that must not notice: each is refused
//! by the API server, or told what is wrong, or is good after all.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use k8s_openapi::api::events::v1::Event;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, PostParams};
use kube::{Api, ResourceExt};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::cluster::{Cluster, kubectl};
use crate::crowd::Crowd;
use crate::mutate::{annotation, mutated};
use crate::stage::Stage;
use crate::way::{Through, Way};
use crate::{Fault, say};

/// Where they are.
const NAMESPACE: &str = "malformed";
/// Until each is told what is wrong with it, at most.
const PATIENCE: Duration = Duration::from_mins(2);
/// A good object of each kind.
const GOOD: &str = include_str!("../good.json");
/// The application that must not notice.
const NAME: &str = "beside";

/// How many.
#[derive(Debug, Clone, Args)]
pub(crate) struct Malformed {
    /// Objects of each kind.
    #[arg(long, default_value_t = 150)]
    each: u32,
    /// What is drawn follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The program of the visitors.
    #[arg(long, env = "SHOP")]
    shop: PathBuf,
}

/// One kind of objects, with a good one.
struct Kind {
    resource: ApiResource,
    good: Value,
}

impl Malformed {
    /// Runs the trial.
    pub(crate) async fn run(self) -> Result<bool, Fault> {
        let cluster = Cluster::new().await?;
        let policy = "strategy: canary";
        let stage = Rc::new(Stage::set(&cluster, (Way::InPlace, Through::Gateway), &[(NAME, policy)], "").await?);
        let crowd = Crowd::gather(&self.shop, &stage.address(NAME), &format!("{NAME}.example.com"), 20)?;
        let before = cluster.restarts().await?;
        kubectl(&["delete", "namespace", NAMESPACE, "--ignore-not-found"], "").await?;
        kubectl(&["create", "namespace", NAMESPACE], "").await?;
        let mut random = StdRng::seed_from_u64(self.seed);
        let (mut taken, mut refused) = (Vec::new(), BTreeMap::<String, u32>::new());
        for kind in kinds()? {
            let api: Api<DynamicObject> = Api::namespaced_with(cluster.client.clone(), NAMESPACE, &kind.resource);
            for number in 0..self.each {
                let object = kind.draw(number, &mut random);
                let Ok(object) = serde_json::from_value::<DynamicObject>(object) else { continue };
                match api.create(&PostParams::default(), &object).await {
                    Ok(_) => taken.push((kind.resource.kind.clone(), object.name_any())),
                    Err(kube::Error::Api(status)) if (400..500).contains(&status.code) => {
                        *refused.entry(kind.resource.kind.clone()).or_default() += 1;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        say(format!("{} taken, refused by the API server: {refused:?}", taken.len()));
        let silent = silent(&cluster, &taken).await?;
        let (restarts, seen) = (cluster.restarts().await?, crowd.seen());
        say(format!("{} requests beside it, failed: {:?}", seen.requests, seen.failed));
        say(format!("restarts of the controller: {before} before, {restarts} after"));
        for (kind, name) in &silent {
            say(format!("FAULT {kind} {name} is told nothing after {} s", PATIENCE.as_secs()));
        }
        Ok(silent.is_empty() && restarts == before && seen.failed.is_empty() && seen.requests > 0)
    }
}

impl Kind {
    fn draw(&self, number: u32, random: &mut StdRng) -> Value {
        let mut object = self.good.clone();
        object["metadata"] = json!({"name": format!("m{number}"), "namespace": NAMESPACE});
        if self.resource.kind == "Service" {
            // The Service itself is good; what is asked of us is not.
            let mut annotations = BTreeMap::from([("tidegate.dev/strategy".to_owned(), "canary".to_owned())]);
            for _ in 0..random.random_range(1..4) {
                annotations.extend([annotation(random)]);
            }
            object["metadata"]["annotations"] = json!(annotations);
        } else {
            for _ in 0..random.random_range(1..4) {
                mutated(&mut object["spec"], random);
            }
        }
        object
    }
}

fn kinds() -> Result<Vec<Kind>, Fault> {
    let good: Vec<Value> = serde_json::from_str(GOOD)?;
    let kind = |good: Value| {
        let (version, kind) = (good["apiVersion"].as_str()?, good["kind"].as_str()?);
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        Some(Kind { resource: ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)), good })
    };
    Ok(good.into_iter().filter_map(kind).collect())
}

/// The objects that were told nothing in time.
async fn silent(cluster: &Cluster, taken: &[(String, String)]) -> Result<Vec<(String, String)>, Fault> {
    let until = Instant::now() + PATIENCE;
    let began = Instant::now();
    loop {
        let told = told(cluster).await?;
        let silent: Vec<_> = taken.iter().filter(|it| !told.contains_key(*it)).cloned().collect();
        if silent.is_empty() || Instant::now() > until {
            let mut words = BTreeMap::<String, u32>::new();
            for (_, word) in told {
                *words.entry(word).or_default() += 1;
            }
            say(format!("{} told after {} s: {words:?}", taken.len() - silent.len(), began.elapsed().as_secs()));
            return Ok(silent);
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// What objects are told, in a word.
async fn told(cluster: &Cluster) -> Result<BTreeMap<(String, String), String>, Fault> {
    let mut told = BTreeMap::new();
    for kind in kinds()? {
        let api: Api<DynamicObject> = Api::namespaced_with(cluster.client.clone(), NAMESPACE, &kind.resource);
        for object in api.list(&ListParams::default()).await?.items {
            let status = &object.data["status"];
            let conditions = [&status["conditions"], &status["parents"][0]["conditions"]];
            let ours = conditions.iter().find_map(|list| list.as_array()?.iter().find(|it| it["type"] == "Accepted"));
            if let Some(accepted) = ours.filter(|it| it["reason"] != "Pending") {
                let word = format!("{} {}", kind.resource.kind, accepted["reason"].as_str().unwrap_or_default());
                told.insert((kind.resource.kind.clone(), object.name_any()), word);
            }
            // A route of no parent of ours, or a Gateway of another class, is nothing to us.
            let spec = &object.data["spec"];
            let foreign = match kind.resource.kind.as_str() {
                "HTTPRoute" => !spec["parentRefs"].as_array().is_some_and(|all| all.iter().any(is_ours)),
                "Gateway" => spec["gatewayClassName"] != "tidegate",
                _ => false,
            };
            if foreign {
                told.insert((kind.resource.kind.clone(), object.name_any()), format!("{} foreign", kind.resource.kind));
            }
            if kind.resource.kind == "Rollout" {
                // One that was made of annotations answers for its Service.
                told.insert(("Service".to_owned(), object.name_any()), "Service taken".to_owned());
            }
        }
    }
    let events: Api<Event> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    for event in events.list(&ListParams::default().fields("reason=AnnotationsInvalid")).await?.items {
        let name = event.regarding.and_then(|it| it.name).unwrap_or_default();
        told.insert(("Service".to_owned(), name), "Service AnnotationsInvalid".to_owned());
    }
    Ok(told)
}

fn is_ours(parent: &Value) -> bool {
    parent["name"] == "web" && parent["namespace"] == "trial"
}
