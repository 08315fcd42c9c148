//! PURE. The Job of a gate: what it is called, what it is made of, how it has ended.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::ObjectMeta;
use kube::{Resource, ResourceExt};
use tidegate_config::Name;

use crate::digest::digits;
use crate::rollout_object::{GATE_LABEL, Gate, JobFault, Rollout, VERSION_LABEL, shortened};
use crate::world::{Key, World};

/// The label by which the Job controller says whose a pod is.
const JOB_NAME: &str = "batch.kubernetes.io/job-name";
/// Bytes of a Job's name: it is the value of a label of its pods.
const NAME_BYTES_MAX: usize = 63;
/// Digits that tell the names of two Jobs apart.
const DIGITS: usize = 10;
/// Where the last lines of a container that has failed are to be found, if it wrote none for this purpose.
const LAST_LINES: &str = "FallbackToLogsOnError";
/// Characters of those lines that are shown.
const LINES_MAX: usize = 400;

/// The Rollout whose gates are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner<'a> {
    /// Where it is.
    pub key: &'a Key,
    /// Its uid.
    pub uid: &'a str,
}

/// The version that a gate stands before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tried<'a> {
    /// Its name.
    pub(super) version: &'a Name,
    /// What is deployed under it.
    pub(super) revision: &'a str,
}

/// The name of a gate's Job. It follows from what it is for, so that it is made once whoever leads, and however often.
pub(super) fn name(owner: Owner<'_>, gate: &str, tried: Tried<'_>) -> String {
    let told_apart = [owner.uid, gate, tried.version.as_str(), tried.revision].join("\n");
    let digest: String = digits(&told_apart).chars().take(DIGITS).collect();
    let words = format!("{}-{gate}", owner.key.name).replace('.', "-");
    let words: String = words.chars().take(NAME_BYTES_MAX - 1 - DIGITS).collect();
    format!("{}-{digest}", words.trim_end_matches('-'))
}

/// The Job of a gate, as it is to be made.
pub(super) fn job(owner: Owner<'_>, gate: &Gate, version: &str, name: &str) -> Result<Job, JobFault> {
    let mut spec = gate.job.spec()?;
    let labels = BTreeMap::from([
        (GATE_LABEL.to_owned(), gate.name.as_str().to_owned()),
        (VERSION_LABEL.to_owned(), version.to_owned()),
    ]);
    spec.template.metadata.get_or_insert_default().labels.get_or_insert_default().extend(labels.clone());
    for container in spec.template.spec.iter_mut().flat_map(|pod| &mut pod.containers) {
        container.termination_message_policy.get_or_insert_with(|| LAST_LINES.to_owned());
    }
    let rollout = OwnerReference {
        api_version: Rollout::api_version(&()).into_owned(),
        kind: Rollout::kind(&()).into_owned(),
        name: owner.key.name.clone(),
        uid: owner.uid.to_owned(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    let metadata = ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(owner.key.namespace.clone()),
        labels: Some(labels),
        owner_references: Some(vec![rollout]),
        ..ObjectMeta::default()
    };
    Ok(Job { metadata, spec: Some(spec), status: None })
}

/// Whether a Job was made for a Rollout.
pub fn is_of(owner: &str, job: &Job) -> bool {
    job.metadata.owner_references.iter().flatten().any(|it| it.controller == Some(true) && it.uid == owner)
}

/// How a Job has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// Well.
    Succeeded,
    /// Not well: what its condition says, and the last lines of a pod of it that failed.
    Failed(String),
}

/// How a Job has ended; `None` while it runs.
pub(super) fn end(world: &World, key: &Key, job: &Job) -> Option<End> {
    let conditions = || job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let holds = |kind: &str| conditions().find(|condition| condition.type_ == kind && condition.status == "True");
    if holds("Complete").is_some() {
        return Some(End::Succeeded);
    }
    let why = |failed: &JobCondition| {
        let words = [failed.reason.as_deref(), failed.message.as_deref()];
        let why: Vec<&str> = words.into_iter().flatten().filter(|word| !word.is_empty()).collect();
        why.join(": ")
    };
    let failed = why(holds("Failed")?);
    Some(End::Failed(match last_lines(world, key) {
        Some(lines) => format!("{failed}; its pod: {lines}"),
        None => failed,
    }))
}

/// The end of what the last pod of a Job that failed wrote.
fn last_lines(world: &World, job: &Key) -> Option<String> {
    let pods = world.pods_of(&job.namespace).filter(|pod| pod.labels().get(JOB_NAME) == Some(&job.name));
    let ends = pods.flat_map(|pod| failures(pod));
    let last = ends.max_by_key(|end| end.finished_at.clone())?;
    let text = last.message.as_deref().unwrap_or_default().trim();
    let skipped = text.chars().count().saturating_sub(LINES_MAX);
    let lines: String = text.chars().skip(skipped).collect();
    let lines = if lines.is_empty() { "nothing written".to_owned() } else { lines };
    Some(shortened(&format!("exit code {}: {lines}", last.exit_code), LINES_MAX + 32))
}

fn failures(pod: &Pod) -> impl Iterator<Item = &ContainerStateTerminated> {
    let containers = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    containers
        .filter_map(|it| {
            let now = it.state.as_ref().and_then(|state| state.terminated.as_ref());
            now.or(it.last_state.as_ref().and_then(|state| state.terminated.as_ref()))
        })
        .filter(|end| end.exit_code != 0)
}
