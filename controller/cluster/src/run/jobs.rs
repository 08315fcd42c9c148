//! Makes the Jobs of gates, and deletes those that nobody needs any more.

use k8s_openapi::api::batch::v1::Job;
use kube::api::{DeleteParams, PostParams, Preconditions, PropagationPolicy};
use kube::{Api, Client, ResourceExt};

use crate::lead::{JobWork, is_of};
use crate::world::Key;

/// What became of work on a Job of a Rollout.
pub(super) struct Done {
    /// The Rollout.
    pub(super) rollout: Key,
    /// The Job's name.
    pub(super) job: String,
    /// What the API server said against its making.
    pub(super) refused: Option<String>,
}

/// Does the work.
pub(super) async fn carry_out(client: Client, rollout: Key, work: JobWork) -> Done {
    let job = work.name();
    let jobs: Api<Job> = Api::namespaced(client, &rollout.namespace);
    let done = match work {
        JobWork::Make(job) => make(&jobs, &job).await,
        JobWork::Delete(key, uid) => delete(&jobs, &key, uid).await,
    };
    if let Err(why) = &done {
        eprintln!("tidegate-controller: Job {}/{job}: {why}", rollout.namespace);
    }
    Done { rollout, job, refused: done.err() }
}

/// Makes a Job. One of that name that is ours is it: another leader has made it, or we have and did not hear of it.
async fn make(jobs: &Api<Job>, job: &Job) -> Result<(), String> {
    let refusal = match jobs.create(&PostParams::default(), job).await {
        Ok(_) => return Ok(()),
        Err(kube::Error::Api(refusal)) => refusal,
        Err(error) => return Err(error.to_string()),
    };
    let found = if refusal.code == 409 { jobs.get_opt(&job.name_any()).await.ok().flatten() } else { None };
    let owner = job.metadata.owner_references.iter().flatten().next().map(|owner| owner.uid.as_str());
    match found {
        Some(found) if owner.is_some_and(|owner| is_of(owner, &found)) => Ok(()),
        Some(_) => Err("there is a Job of that name that is not of this Rollout; delete it".to_owned()),
        None => Err(refusal.message),
    }
}

async fn delete(jobs: &Api<Job>, key: &Key, uid: String) -> Result<(), String> {
    let params = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        preconditions: Some(Preconditions { uid: Some(uid), resource_version: None }),
        ..DeleteParams::default()
    };
    match jobs.delete(&key.name, &params).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 || status.code == 404 => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
