//! Lets go of everything that would wait for a controller, before it goes: the API server stops asking the webhook, no
//! replica leads any more, and every gate that is shut is opened. Nothing is remembered: called again, or after it was
//! ended in the middle, it does what is left.

use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, Client};
use tokio::time::sleep;

use crate::lead::gates::{self, Gate};
use crate::lead::{FINALIZER, Finalizers};
use crate::leader::{NOBODY, depose};
use crate::rollout_object::Rollout;
use crate::versions::{Held, is_open, is_unscheduled};
use crate::webhook;
use crate::world::Key;

/// Pods in one answer of the API server.
const PAGE: u32 = 500;
/// How often all pods are looked at: one that changes between reading and writing is opened the next time.
const ROUNDS_MAX: u32 = 30;
/// How long between two looks.
const BETWEEN: Duration = Duration::from_millis(500);

/// Why something is left.
#[derive(Debug, thiserror::Error)]
pub enum UninstallError {
    /// The webhook.
    #[error("cannot delete MutatingWebhookConfiguration {name}: {0}", name = webhook::NAME)]
    Webhook(#[source] kube::Error),
    /// A replica goes on leading, and would shut what is opened.
    #[error("cannot take the lead from the replicas: {0}")]
    Lead(#[source] kube::Error),
    /// Pods cannot be read.
    #[error("cannot list the pods of {of}: {source}")]
    Pods {
        /// A namespace, or all.
        of: String,
        /// Why not.
        source: kube::Error,
    },
    /// Some gates cannot be opened.
    #[error("{left} gates cannot be opened, among them that of pod {pod}: {source}")]
    Gates {
        /// How many.
        left: usize,
        /// One of the pods.
        pod: Key,
        /// Why not.
        source: Box<kube::Error>,
    },
    /// Rollouts would wait for a controller when they are deleted.
    #[error("cannot take finalizer {FINALIZER} from the Rollouts of {of}: {source}")]
    Rollouts {
        /// A namespace, or all.
        of: String,
        /// Why not.
        source: kube::Error,
    },
    /// Pods change faster than they are opened.
    #[error("{left} gates are still shut after {ROUNDS_MAX} rounds; is another controller at work?")]
    Shut {
        /// How many.
        left: usize,
    },
}

/// Removes the webhook, ends the lead of the controller in `namespace`, and opens every gate in `namespaces`; empty: in all.
/// Says what was done, line by line.
pub async fn uninstall(
    client: &Client,
    namespace: &str,
    namespaces: &[String],
    mut say: impl FnMut(&str),
) -> Result<(), UninstallError> {
    say(remove_webhook(client).await.map_err(UninstallError::Webhook)?);
    // Held to the end.
    let _nobody = depose(client, namespace).await.map_err(UninstallError::Lead)?;
    say("no replica leads any more");
    let released = release(client, namespaces).await?;
    if released > 0 {
        say(&format!("{released} Rollouts are let go: what they scaled down stays so"));
    }
    let mut opened = 0;
    for _ in 0..ROUNDS_MAX {
        let shut = shut(client, namespaces).await?;
        if shut.is_empty() {
            say(&format!("{opened} gates opened; no pod waits any more"));
            return Ok(());
        }
        opened += open(client, &shut, &mut say).await?;
        sleep(BETWEEN).await;
    }
    let left = shut(client, namespaces).await?.len();
    if left > 0 { Err(UninstallError::Shut { left }) } else { Ok(()) }
}

/// Takes our finalizer from the Rollouts of these namespaces, or of all; says from how many.
async fn release(client: &Client, namespaces: &[String]) -> Result<usize, UninstallError> {
    // Untyped: they may be of another version.
    let kind = ApiResource::erase::<Rollout>(&());
    let one = |namespace: &String| (namespace.clone(), Api::namespaced_with(client.clone(), namespace, &kind));
    let mut all: Vec<(String, Api<DynamicObject>)> = namespaces.iter().map(one).collect();
    if namespaces.is_empty() {
        all.push(("all namespaces".to_owned(), Api::all_with(client.clone(), &kind)));
    }
    let mut released = 0;
    for (of, api) in all {
        let found = match api.list(&ListParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => continue,
            found => found.map_err(|source| UninstallError::Rollouts { of: of.clone(), source })?,
        };
        for wanted in found.items.iter().filter_map(Finalizers::without_ours) {
            let Key { namespace, name } = &wanted.rollout;
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind);
            match api.patch(name, &PatchParams::default(), &Patch::Merge(wanted.patch())).await {
                Ok(_) => released += 1,
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                Err(source) => return Err(UninstallError::Rollouts { of, source }),
            }
        }
    }
    Ok(released)
}

async fn remove_webhook(client: &Client) -> Result<&'static str, kube::Error> {
    let webhooks: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    match webhooks.delete(webhook::NAME, &DeleteParams::default()).await {
        Ok(_) => Ok("webhook removed"),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok("there is no webhook"),
        Err(error) => Err(error),
    }
}

/// The pods whose gate is shut.
async fn shut(client: &Client, namespaces: &[String]) -> Result<Vec<Pod>, UninstallError> {
    let mut found = Vec::new();
    if namespaces.is_empty() {
        let error = |source| UninstallError::Pods { of: "all namespaces".to_owned(), source };
        gather(&Api::all(client.clone()), &mut found).await.map_err(error)?;
    }
    for namespace in namespaces {
        let error = |source| UninstallError::Pods { of: namespace.clone(), source };
        gather(&Api::namespaced(client.clone(), namespace), &mut found).await.map_err(error)?;
    }
    Ok(found)
}

async fn gather(pods: &Api<Pod>, found: &mut Vec<Pod>) -> Result<(), kube::Error> {
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = pods.list(&params).await?;
        found.extend(page.items.into_iter().filter(|pod| is_open(pod) == Held::Shut || is_unscheduled(pod)));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(()),
        }
    }
}

/// How many were opened. One that has changed or is gone meanwhile is nobody's fault.
async fn open(client: &Client, shut: &[Pod], say: &mut impl FnMut(&str)) -> Result<usize, UninstallError> {
    let (mut opened, mut left, mut fault) = (0, 0, None);
    for pod in shut {
        let key = Key::of(pod);
        let released = if is_unscheduled(pod) {
            gates::start(client, pod).await
        } else {
            gates::set(client, pod, Gate::Released, NOBODY, &Time(Timestamp::now())).await
        };
        match released {
            Ok(()) => {
                say(&format!("gate of pod {key} opened"));
                opened += 1;
            }
            Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => {}
            Err(source) => {
                left += 1;
                fault.get_or_insert((key, source));
            }
        }
    }
    match fault {
        Some((pod, source)) => Err(UninstallError::Gates { left, pod, source: Box::new(source) }),
        None => Ok(opened),
    }
}
