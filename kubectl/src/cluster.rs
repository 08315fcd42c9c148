//! What is asked of the API server.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::Service;
use kube::api::{ApiResource, ListParams, Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use kube::core::Status;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::json;
use tidegate_cluster::rollout_object::Rollout;
use tidegate_cluster::world::{Key, Objects, World};

use crate::connect::{Connection, Target, connect, without_secrets};
use crate::failure::Failure;
use crate::seen;
use crate::wanted::Wanted;

/// Who writes, in `managedFields`.
const MANAGER: &str = "kubectl-tidegate";

/// A cluster, and a namespace of it.
#[derive(Clone)]
pub(crate) struct Cluster {
    client: Client,
    server: String,
    pub(crate) namespace: String,
}

impl Cluster {
    /// The cluster that is meant.
    pub(crate) async fn connect(target: &Target) -> Result<Self, Failure> {
        let Connection { client, server, namespace } = connect(target).await?;
        Ok(Self { client, server, namespace })
    }

    /// The Rollouts of the namespace, or of all. By whatever version they were written: what they say is read later.
    pub(crate) fn rollouts(&self, all: bool) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<Rollout>(&());
        if all {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
        }
    }

    /// All of them.
    pub(crate) async fn list(&self, all: bool) -> Result<Vec<DynamicObject>, Failure> {
        let list = self.rollouts(all).list(&ListParams::default()).await;
        list.map(|list| list.items).map_err(|error| self.failed(&error))
    }

    /// The one that somebody names.
    pub(crate) async fn find(&self, wanted: &Wanted) -> Result<DynamicObject, Failure> {
        let named = self.rollouts(false).get_opt(&wanted.name).await.map_err(|error| self.failed(&error))?;
        if let Some(object) = named.filter(|object| wanted.is(object)) {
            return Ok(object);
        }
        let there = match self.list(false).await {
            Ok(objects) => match wanted.among(&objects) {
                Some(object) => return Ok(object.clone()),
                None if objects.is_empty() => "no Rollout is in it, `-A` looks into all".to_owned(),
                None => {
                    let known: Vec<_> = objects.iter().map(seen::name).collect();
                    format!("there are: {}", known.join(", "))
                }
            },
            Err(Failure::Forbidden { .. }) => "you may not list those that there are".to_owned(),
            Err(other) => return Err(other),
        };
        Err(Failure::NotFound { wanted: wanted.to_string(), namespace: self.namespace.clone(), there })
    }

    /// The newest state of an object.
    pub(crate) async fn again(&self, object: &DynamicObject) -> Result<DynamicObject, Failure> {
        let name = seen::name(object);
        let newest = self.rollouts(false).get_opt(&name).await.map_err(|error| self.failed(&error))?;
        newest.ok_or(Failure::Gone(name))
    }

    /// A Service, and all that may be behind it.
    pub(crate) async fn workloads(&self, service: &Key) -> Result<World, Failure> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), &service.namespace);
        let found = services.get_opt(&service.name).await.map_err(|error| self.failed(&error))?;
        Ok(World {
            services: found.map(|found| (service.clone(), Arc::new(found))).into_iter().collect(),
            deployments: self.objects(&service.namespace).await?,
            replica_sets: self.objects(&service.namespace).await?,
            pods: self.objects(&service.namespace).await?,
            ..World::default()
        })
    }

    /// The objects of a kind.
    async fn objects<K>(&self, namespace: &str) -> Result<Objects<K>, Failure>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + DeserializeOwned + Clone + Debug,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        let list = api.list(&ListParams::default()).await.map_err(|error| self.failed(&error))?;
        Ok(list.items.into_iter().map(|object| (Key::of(&object), Arc::new(object))).collect())
    }

    /// Who asks, as the API server knows them.
    pub(crate) async fn whoami(&self) -> Result<String, Failure> {
        let reviews: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let review = reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await;
        let user = review.map_err(|error| self.failed(&error))?.status.and_then(|status| status.user_info);
        let said = "it does not say who you are".to_owned();
        user.and_then(|user| user.username).ok_or_else(|| Failure::Server { server: self.server.clone(), said })
    }

    /// Writes annotations on this state of an object; `None` where there is another one by now.
    pub(crate) async fn annotate(
        &self,
        object: &DynamicObject,
        annotations: &BTreeMap<String, String>,
    ) -> Result<Option<DynamicObject>, Failure> {
        let version = &object.metadata.resource_version;
        let patch = Patch::Merge(json!({"metadata": {"resourceVersion": version, "annotations": annotations}}));
        let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        match self.rollouts(false).patch(&seen::name(object), &parameters, &patch).await {
            Ok(object) => Ok(Some(object)),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
            Err(kube::Error::Api(status)) if status.code == 404 => Err(Failure::Gone(seen::name(object))),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// What an error means.
    pub(crate) fn failed(&self, error: &kube::Error) -> Failure {
        match error {
            kube::Error::Api(status) => self.said(status),
            other => without_secrets(&self.server, other),
        }
    }

    /// What an answer means that is no success.
    pub(crate) fn said(&self, status: &Status) -> Failure {
        let (server, said) = (self.server.clone(), status.message.clone());
        match status.code {
            401 => Failure::Unauthorized { server },
            403 => Failure::Forbidden { said, namespace: self.namespace.clone() },
            // A list is there, however short, unless its kind is not.
            404 => Failure::NotInstalled { server },
            // A policy, a webhook or the definition.
            400 | 422 => Failure::Refused(said),
            code if said.is_empty() => Failure::Server { server, said: format!("{code} {}", status.reason) },
            _ => Failure::Server { server, said },
        }
    }
}
