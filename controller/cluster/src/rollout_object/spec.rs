//! What a user asks for.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tidegate_config::annotations::Annotated;
use tidegate_config::policy::Policy;
use tidegate_config::schema::RULES;
use tidegate_config::{ClusterOptions, Label, Problems, Span, Visitor, check_park};

use super::gate::{self, Gate};
use super::status::RolloutStatus;

/// How the versions of one Service are rolled out.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "tidegate.dev",
    version = "v1alpha1",
    kind = "Rollout",
    namespaced,
    shortname = "tgr",
    category = "tidegate",
    status = "RolloutStatus",
    derive = "PartialEq",
    doc = "How the versions of one Service are rolled out, and how far that has come.",
    printcolumn = r#"{"name": "Service", "type": "string", "jsonPath": ".spec.service"}"#,
    printcolumn = r#"{"name": "Phase", "type": "string", "jsonPath": ".status.phase"}"#,
    printcolumn = r#"{"name": "Share", "type": "string", "jsonPath": ".status.share"}"#,
    printcolumn = r#"{"name": "Stable", "type": "string", "jsonPath": ".status.stable"}"#,
    printcolumn = r#"{"name": "Canary", "type": "string", "jsonPath": ".status.canary"}"#,
    printcolumn = r#"{"name": "Reason", "type": "string", "jsonPath": ".status.conditions[?(@.type=='Progressing')].reason"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Message", "type": "string", "jsonPath": ".status.message", "priority": 1}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules)]
pub struct RolloutSpec {
    /// The Service, in the namespace of the Rollout. It cannot be changed: what is remembered is remembered of it.
    #[schemars(schema_with = "service")]
    pub service: Label,
    /// How a canary is rolled out.
    #[serde(flatten)]
    pub policy: Policy,
    /// What only a cluster has.
    #[serde(flatten)]
    pub options: ClusterOptions,
    /// Who counts as one visitor.
    #[serde(default)]
    pub visitor: Visitor,
    /// How long a request waits, at most, while nobody can be reached who would answer it; at most 10m. Default: not at all;
    /// 60s with strategy recreate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "tidegate_config::schema::park")]
    pub park: Option<Span>,
    /// What must be done before a version goes on, once for each version; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub gates: Vec<Gate>,
}

/// The rules between the policy and the options that only a cluster has.
fn rules(schema: &mut Schema) {
    if let Some(rules) = schema.get_mut(RULES).and_then(Value::as_array_mut) {
        rules.extend(several());
        rules.push(json!({
            "rule": "self.strategy == 'canary' || !has(self.capacity) || self.capacity != 'follow'",
            "message": "follow does not belong to this strategy: only with strategy: canary",
            "fieldPath": ".capacity",
        }));
    }
}

/// What is asked of a policy that tries several versions at the same time.
fn several() -> [Value; 4] {
    let one = "!has(self.canaries) || size(self.canaries) < 2";
    let percent = "double(s.split('%')[0])";
    let formed = "s.matches('^ *[0-9]+([.][0-9]+)?%')";
    let steps = format!(
        "has(self.steps) && (!self.steps.all(s, {formed}) || self.steps.exists(s, {percent} < 100.0) && \
         self.steps.all(s, {percent} >= 100.0 || {percent} * double(size(self.canaries)) < 100.0))"
    );
    [
        ("strategy", "self.strategy == 'canary'", "several versions at the same time: only with strategy: canary"),
        ("conversion", "has(self.conversion)", "missing, with several versions: what visitors are to do more often"),
        ("steps", &steps, "with several versions: shares before 100% that are less than 100% together"),
        ("gates", "!has(self.gates) || size(self.gates) == 0", "are for one version, and several are tried"),
    ]
    .map(|(field, condition, message)| {
        json!({ "rule": format!("{one} || {condition}"), "message": message, "fieldPath": format!(".{field}") })
    })
}

fn service(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = Label::json_schema(generator);
    if let Some(rules) = schema.get_mut(RULES).and_then(Value::as_array_mut) {
        rules.push(json!({ "rule": "self == oldSelf", "message": "cannot be changed: make another Rollout" }));
    }
    schema
}

impl RolloutSpec {
    /// The Rollout that the annotations of a Service ask for: of its name, and without gates, which no annotation can
    /// say. `None` where no annotation is ours.
    pub fn of_annotations(service: &Label, annotations: &BTreeMap<String, String>) -> Result<Option<Self>, Problems> {
        let annotated = Annotated::read(annotations)?;
        Ok(annotated.map(|Annotated { policy, visitor, park, options }| Self {
            service: service.clone(),
            policy,
            options,
            visitor,
            park,
            gates: Vec::new(),
        }))
    }

    /// The annotations that ask for this, but for its gates.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let Self { service: _, policy, options, visitor, park, gates: _ } = self;
        let (policy, visitor, options) = (policy.clone(), visitor.clone(), options.clone());
        Annotated { policy, visitor, park: *park, options }.write()
    }

    /// All that is wrong with it, by the paths of the object (`spec.deadline`). The API server has found most of that
    /// already; the templates of jobs it has not.
    pub fn check(&self) -> Result<(), Problems> {
        let mut problems = Problems::default();
        self.policy.check("spec", &mut problems);
        self.options.check(&self.policy, "spec", &mut problems);
        if self.options.canaries.len() > 1 && !self.gates.is_empty() {
            let wrong = "are for one version, and several are tried at the same time";
            problems.add("spec.gates", wrong, "no gates, or a single version in spec.canaries");
        }
        check_park(self.park, "spec.park", &mut problems);
        gate::check(&self.gates, &mut problems);
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}
