//! What the leader does to the cluster's objects, each time the world changes: the objects of Gateways, and the statuses of
//! all that is ours. Level-triggered: nothing is remembered that must be done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use gateway_api::experimental::httproutes::HttpRoute;
use gateway_api::gatewayclasses::GatewayClass;
use gateway_api::gateways::Gateway;
use k8s_openapi::api::core::v1::{ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{ClusterResourceScope, NamespaceResourceScope};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidegate_config::Problems;
use tidegate_controller::clock::Clock;
use tokio::sync::watch;

use super::Options;
use super::picture::{Picture, Pictures};
use super::rollouts::rollout;
use super::scale;
use super::undo;
use crate::events::Events;
use crate::gateway::infrastructure::{Setup, object_name, plan, proxies};
use crate::gateway::status::{self, Deployed, class, gateway, http_route};
use crate::gateway::{CONTROLLER_NAME, Compilation, Compiled, addresses};
use crate::lead::gates::{self, Gate};
use crate::lead::infrastructure::{Applied, FIELD_MANAGER, authority};
use crate::lead::{Annotated, Annotations, Change, Gating, News, annotated, finalizers, gating, scales, undos};
use crate::leader::holds;
use crate::rollout_object::{Rollout, conditions};
use crate::versions::is_ready;
use crate::world::{Key, Objects, World};

/// The config map in a Gateway's namespace by which proxies know the controller.
const AUTHORITY: &str = "tidegate-ca";
/// Writes of one kind that are under way at once.
const WRITES_AT_ONCE: usize = 16;
/// How soon again after a write has failed: either the world will change, or the API server is away.
const AGAIN: Duration = Duration::from_secs(1);

/// Carries out what follows from each world while this replica leads.
pub(super) async fn carry_out(
    client: Client,
    options: Options,
    events: Events,
    mut pictures: Pictures,
    mut leads: watch::Receiver<bool>,
    trusted: watch::Receiver<String>,
) {
    let setup = Setup {
        image: options.proxy_image.clone(),
        controller: super::controller_url(&options),
        ca_config_map: AUTHORITY.to_owned(),
        service_ranges: options.service_ranges.clone(),
    };
    let (applied, stamped, warned, annotations) = Default::default();
    let told = None;
    let mut effects = Effects { client, setup, options, events, trusted, applied, stamped, warned, annotations, told };
    let mut failed = false;
    loop {
        let pause = async {
            if failed {
                tokio::time::sleep(AGAIN).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            changed = pictures.changed() => if changed.is_err() { return },
            changed = leads.changed() => if changed.is_err() { return },
            () = pause => {}
        }
        let picture = pictures.borrow_and_update().clone();
        let Some(picture) = picture.filter(|_| *leads.borrow_and_update()) else {
            effects.applied = Applied::default();
            effects.stamped.clear();
            effects.warned.clear();
            effects.told = None;
            continue;
        };
        failed = !effects.bring(&picture).await;
    }
}

struct Effects {
    client: Client,
    setup: Setup,
    options: Options,
    events: Events,
    trusted: watch::Receiver<String>,
    applied: Applied,
    /// Pods that this leader holds, by uid: it has written its name into their gates.
    stamped: BTreeSet<String>,
    /// Services whose annotations are wrong, and what people were told of that.
    warned: BTreeMap<Key, String>,
    annotations: Annotations,
    /// The routes whose statuses say what was compiled.
    told: Option<(Arc<Compiled>, Objects<HttpRoute>)>,
}

impl Effects {
    /// Brings everything to what follows from the world; says whether all of it could be written.
    async fn bring(&mut self, picture: &Picture) -> bool {
        let Picture { world, compiled, .. } = picture;
        // Visitors first, then what serves them, then what is told of it.
        let mut all = self.gates(picture).await & self.undo(picture).await;
        all &= self.finalizers(picture).await & self.scale(picture).await;
        all &= self.annotated(world).await;
        self.applied.keep(|gateway| compiled.gateways.contains_key(gateway));
        for (key, compilation) in &compiled.gateways {
            let Some(object) = world.gateways.get(key) else { continue };
            let Some(wanted) = plan(object, compilation, &self.setup) else { continue };
            let bundle = self.trusted.borrow().clone();
            let authority = authority(AUTHORITY, &key.namespace, &bundle);
            let Options { namespace, identity, .. } = &self.options;
            let leads = async || holds(&self.client, namespace, identity).await;
            all &= told(key, self.applied.bring(&self.client, world, key, &wanted, &authority, leads).await);
        }
        all & self.statuses(world, compiled).await
    }

    /// Opens and shuts gates of pods.
    async fn gates(&mut self, picture: &Picture) -> bool {
        let Gating { changes, held, starts } = gating(&picture.world, &picture.rollouts, &picture.served);
        let stays = held.into_iter().map(|pod| Change { pod, gate: Gate::Shut });
        let uid = |pod: &Pod| pod.metadata.uid.clone().unwrap_or_default();
        let unstamped = stays.filter(|change| !self.stamped.contains(&uid(&change.pod)));
        let due: Vec<Change> = changes.into_iter().chain(unstamped).collect();
        let now = &conditions::dated(Clock::System.now());
        let (client, me) = (&self.client, &self.options.identity);
        let mut all = true;
        let mut sets = at_once(due, |change| async move {
            let set = gates::set(client, &change.pod, change.gate, me, now).await;
            (change, set)
        });
        while let Some((Change { pod, gate }, set)) = sets.next().await {
            if set.is_ok() && gate == Gate::Shut {
                self.stamped.insert(uid(&pod));
            }
            all &= told(&Key::of(&*pod), set);
        }
        let started = at_once(starts, |pod| async move { told(&Key::of(&*pod), gates::start(client, &pod).await) });
        all & all_of(started).await
    }

    /// Sets Deployments back to their stable revision after an abort.
    async fn undo(&self, picture: &Picture) -> bool {
        let mut all = true;
        for it in undos(&picture.world, &picture.rollouts) {
            let done = undo::carry_out(&self.client, &it, || self.leads()).await;
            all &= self.done((&it.rollout, &it.uid), &it.deployment, done, || News {
                warns: false,
                reason: "DeploymentSetBack",
                action: "Undoing",
                note: format!("Deployment {} is set back to {}.", it.deployment, it.to.name),
                id: format!("undo of {}", it.aborted),
            });
        }
        all
    }

    /// Keeps rollout objects whose status is still needed, and lets the others go.
    async fn finalizers(&self, picture: &Picture) -> bool {
        let mut all = true;
        for wanted in finalizers(&picture.rollouts) {
            let Key { namespace, name } = &wanted.rollout;
            let api: Api<Rollout> = namespaced(&self.client, namespace);
            let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
            all &= told(&wanted.rollout, api.patch(name, &params, &Patch::Merge(wanted.patch())).await.map(drop));
        }
        all
    }

    /// Takes the replicas of versions away that were replaced or give way, and gives them back to one that returns.
    async fn scale(&self, picture: &Picture) -> bool {
        let mut all = true;
        for it in scales(&picture.world, &picture.rollouts) {
            let done = scale::carry_out(&self.client, &it, || self.leads()).await;
            let (reason, action) = match it.replicas {
                0 => ("WorkloadScaledDown", "ScalingDown"),
                _ => ("WorkloadScaledUp", "ScalingUp"),
            };
            all &= self.done((&it.rollout, &it.uid), &it.workload, done, || News {
                warns: false,
                reason,
                action,
                note: format!("{} {} is scaled to {} replicas.", it.kind, it.workload, it.replicas),
                id: format!("{} {} scaled to {} in {}", it.kind, it.workload, it.replicas, it.of),
            });
        }
        all
    }

    /// Whether this replica leads still, as the API server has it.
    async fn leads(&self) -> Result<bool, kube::Error> {
        holds(&self.client, &self.options.namespace, &self.options.identity).await
    }

    /// Tells what was done to a workload for a Rollout (with its uid); says whether nothing is left to be repeated.
    fn done(
        &self,
        (of, uid): (&Key, &str),
        workload: &Key,
        done: Result<bool, kube::Error>,
        news: impl FnOnce() -> News,
    ) -> bool {
        if matches!(done, Ok(true)) {
            let news = news();
            eprintln!("tidegate-controller: Rollout {of}: {}", news.note);
            self.events.once(rollout(of, uid), &news);
        }
        told(workload, done.map(drop))
    }

    /// Brings rollout objects to what annotations of Services ask for.
    async fn annotated(&mut self, world: &World) -> bool {
        let Annotated { create, replace, delete, wrong } = annotated(world, &mut self.annotations);
        self.warn(&wrong);
        let client = &self.client;
        let created = at_once(create, |rollout| async move {
            let api: Api<Rollout> = namespaced(client, &rollout.namespace().unwrap_or_default());
            told(&Key::of(&rollout), api.create(&PostParams::default(), &rollout).await.map(drop))
        });
        let mut all = all_of(created).await;
        for rollout in replace {
            let api: Api<Rollout> = namespaced(&self.client, &rollout.namespace().unwrap_or_default());
            let replaced = api.replace(&rollout.name_any(), &PostParams::default(), &rollout).await;
            all &= told(&Key::of(&rollout), replaced.map(drop));
        }
        for (key, uid, version) in delete {
            let api: Api<Rollout> = namespaced(&self.client, &key.namespace);
            let preconditions = Preconditions { uid: Some(uid), resource_version: Some(version) };
            let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
            all &= told(&key, api.delete(&key.name, &params).await.map(drop));
        }
        all
    }

    /// Tells owners of Services what is wrong with their annotations, once for each state of them.
    fn warn(&mut self, wrong: &[(Key, String, Problems)]) {
        self.warned.retain(|known, _| wrong.iter().any(|(key, ..)| key == known));
        for (key, uid, problems) in wrong {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            let note = format!("These annotations are not carried out. {}", lines.join(". "));
            if self.warned.insert(key.clone(), note.clone()).as_ref() != Some(&note) {
                let service = ObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Service".to_owned()),
                    ..rollout(key, uid)
                };
                let (reason, action, id) = ("AnnotationsInvalid", "Reading", format!("annotations {note}"));
                self.events.once(service, &News { warns: true, reason, action, note, id });
            }
        }
    }

    async fn statuses(&mut self, world: &World, compiled: &Arc<Compiled>) -> bool {
        let now = conditions::dated(Clock::System.now());
        let mut all = true;
        for (name, accepted) in &compiled.classes {
            let object = world.gateway_classes.get(&Key::new("", name.clone()));
            if let Some(patch) = object.and_then(|object| class(object, accepted, &now)) {
                let api: Api<GatewayClass> = cluster(&self.client);
                all &= told(&patch.key, write(&api, &patch).await);
            }
        }
        for (key, compilation) in &compiled.gateways {
            let deployed = deployed(world, key, compilation);
            let object = world.gateways.get(key);
            if let Some(patch) = object.and_then(|object| gateway(object, compilation, &deployed, &now)) {
                let api: Api<Gateway> = namespaced(&self.client, &key.namespace);
                all &= told(key, write(&api, &patch).await);
            }
        }
        all & self.route_statuses(&world.http_routes, compiled, &now).await
    }

    async fn route_statuses(&mut self, routes: &Objects<HttpRoute>, compiled: &Arc<Compiled>, now: &Time) -> bool {
        let is_told =
            |(of, there): &(Arc<Compiled>, Objects<HttpRoute>)| Arc::ptr_eq(of, compiled) && there.same(routes);
        if self.told.as_ref().is_some_and(is_told) {
            return true;
        }
        let (nobody, client) = (Vec::new(), &self.client);
        let patches = routes.iter().filter_map(|(key, object)| {
            let parents = compiled.http_routes.get(key).unwrap_or(&nobody);
            http_route(object, parents, CONTROLLER_NAME, now)
        });
        let patches: Vec<_> = patches.collect();
        let written = at_once(patches, |patch| async move {
            let api: Api<HttpRoute> = namespaced(client, &patch.key.namespace);
            told(&patch.key, write(&api, &patch).await)
        });
        let all = all_of(written).await;
        self.told = all.then(|| (Arc::clone(compiled), routes.clone()));
        all
    }
}

/// Does the same for each, several at a time: the API server is far away, and there may be thousands.
fn at_once<T, W: Future>(all: Vec<T>, each: impl FnMut(T) -> W) -> impl Stream<Item = W::Output> {
    stream::iter(all).map(each).buffer_unordered(WRITES_AT_ONCE)
}

/// Whether each of them went well.
async fn all_of(each: impl Stream<Item = bool>) -> bool {
    each.fold(true, async |all, one| all & one).await
}

/// Where a Gateway's proxies are reached, and whether one of them is ready.
fn deployed(world: &World, key: &Key, compilation: &Compilation) -> Deployed {
    let object = Key::new(key.namespace.clone(), object_name(&key.name));
    let service = world.services.get(&object);
    let serving = proxies(world, key).any(|pod| is_ready(pod));
    Deployed { addresses: service.map(|it| addresses(it, &compilation.asked)).unwrap_or_default(), serving }
}

async fn write<K, S>(api: &Api<K>, patch: &status::Patch<S>) -> Result<(), kube::Error>
where
    K: Resource + DeserializeOwned,
    S: Serialize,
{
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    api.patch_status(&patch.key.name, &params, &Patch::Merge(patch.body())).await.map(drop)
}

/// Whether a write succeeded, and otherwise a line about it. One that an object has changed for, or is gone for, is
/// repeated with the next world.
fn told(key: &Key, result: Result<(), kube::Error>) -> bool {
    match result {
        Ok(()) => true,
        Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => true,
        Err(error) => {
            eprintln!("tidegate-controller: {key}: {error}");
            false
        }
    }
}

fn namespaced<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(
    client: &Client,
    namespace: &str,
) -> Api<K> {
    Api::namespaced(client.clone(), namespace)
}

fn cluster<K: Resource<DynamicType = (), Scope = ClusterResourceScope>>(client: &Client) -> Api<K> {
    Api::all(client.clone())
}
