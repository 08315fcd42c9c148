//! Work that must succeed before a version goes on: a migration of a schema, a test, a scan of an image.

use k8s_openapi::api::batch::v1::JobSpec;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidegate_config::{Label, Problems};

/// The label of Jobs and their pods with the gate's name. By it they are told from all others.
pub const GATE_LABEL: &str = "tidegate.dev/gate";
/// The label with the version that they were made for.
pub const VERSION_LABEL: &str = "tidegate.dev/version";
/// Seconds for which a Job that has ended must stay: whether it has succeeded is read from it, by whoever leads then.
const KEPT_SECONDS_MIN: i32 = 600;

/// One gate. Its job runs once for each version, under a name that follows from both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Gate {
    /// Its name, unique in the Rollout.
    pub name: Label,
    /// What it stands before. Default `traffic`.
    #[serde(default)]
    pub before: Before,
    /// What must succeed.
    pub job: GateJob,
}

/// What a gate stands before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Before {
    /// Before pods of the version start: nothing of it runs until then.
    Start,
    /// Before the version gets visitors. Its pods run already.
    #[default]
    Traffic,
    /// Before the version gets all visitors.
    Promotion,
}

/// The `spec` of a Job of Kubernetes (`batch/v1`), as it is written. The API server checks it when the job is made;
/// repeating its schema here would make this one fifty times as long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GateJob(Value);

impl GateJob {
    /// The specification of the job; the error names the field of it that is not of its type.
    pub fn spec(&self) -> Result<JobSpec, JobFault> {
        serde_path_to_error::deserialize(&self.0)
            .map_err(|error| JobFault { path: error.path().to_string(), wrong: error.into_inner().to_string() })
    }
}

impl JsonSchema for GateJob {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "GateJob".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "required": ["template"],
            "properties": { "template": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } },
            "x-kubernetes-preserve-unknown-fields": true,
        })
    }
}

/// A field of a job that is not of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {wrong}")]
pub struct JobFault {
    /// Where in the job's `spec`.
    pub path: String,
    /// What is wrong there.
    pub wrong: String,
}

/// Checks the gates of a Rollout.
pub(super) fn check(gates: &[Gate], problems: &mut Problems) {
    for (i, gate) in gates.iter().enumerate() {
        match gate.job.spec() {
            Err(fault) => {
                let path = format!("spec.gates[{i}].job.{}", fault.path);
                problems.add(path, fault.wrong, "the spec of a Job (batch/v1)");
            }
            // What the API server would refuse, which does not know the pods of a job to be a gate.
            Ok(spec) => check_pods(i, &spec, problems),
        }
    }
}

fn check_pods(gate: usize, job: &JobSpec, problems: &mut Problems) {
    let pods = job.template.spec.as_ref();
    let path = format!("spec.gates[{gate}].job.template.spec");
    if pods.is_none_or(|pods| pods.containers.is_empty()) {
        problems.add(format!("{path}.containers"), "none", "at least one container");
    }
    if let Some(kept) = job.ttl_seconds_after_finished.filter(|kept| *kept < KEPT_SECONDS_MIN) {
        let allowed = format!("{KEPT_SECONDS_MIN} or more: what became of it is read from it; without, it is kept");
        problems.add(format!("spec.gates[{gate}].job.ttlSecondsAfterFinished"), kept.to_string(), allowed);
    }
    let policy = pods.and_then(|pods| pods.restart_policy.as_deref());
    if !matches!(policy, Some("Never" | "OnFailure")) {
        let wrong = policy.map_or_else(|| "missing".to_owned(), |policy| format!("\"{policy}\""));
        problems.add(format!("{path}.restartPolicy"), wrong, "Never or OnFailure");
    }
}
