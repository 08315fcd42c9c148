//! The objects of a document: one, or those of a list.

use serde_json::Value;

/// An object and where it stands.
pub(super) struct Object<'a> {
    document: usize,
    /// Its place in a list.
    item: Option<usize>,
    /// Its manifest.
    pub(super) value: &'a Value,
}

/// The kinds of workloads, with the place of their pods' template.
const WORKLOADS: [(&str, &str, &str); 7] = [
    ("v1", "Pod", ""),
    ("apps/v1", "Deployment", "spec.template"),
    ("apps/v1", "StatefulSet", "spec.template"),
    ("apps/v1", "DaemonSet", "spec.template"),
    ("apps/v1", "ReplicaSet", "spec.template"),
    ("batch/v1", "Job", "spec.template"),
    ("batch/v1", "CronJob", "spec.jobTemplate.spec.template"),
];

/// The objects of the document with a number.
pub(super) fn objects(document: usize, value: &Value) -> Vec<Object<'_>> {
    let object = Object { document, item: None, value };
    if !object.is("v1", "List") {
        return vec![object];
    }
    let items = value["items"].as_array().into_iter().flatten().enumerate();
    items.map(|(index, value)| Object { document, item: Some(index), value }).collect()
}

impl Object<'_> {
    /// Whether it is of a kind.
    pub(super) fn is(&self, version: &str, kind: &str) -> bool {
        self.value["apiVersion"] == version && self.value["kind"] == kind
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        let metadata = &self.value["metadata"];
        metadata["name"].as_str().or(metadata["generateName"].as_str()).unwrap_or("(without a name)")
    }

    /// Its namespace; empty for the one that the documents are applied to.
    pub(super) fn namespace(&self) -> &str {
        self.value["metadata"]["namespace"].as_str().unwrap_or_default()
    }

    /// The place of its pods' template, of a workload.
    pub(super) fn template(&self) -> Option<&'static str> {
        WORKLOADS.iter().find(|(version, kind, _)| self.is(version, kind)).map(|(_, _, template)| *template)
    }

    /// The JSON pointer, from the document's root, to a field in it.
    pub(super) fn pointer(&self, field: &str) -> String {
        let item = self.item.map(|index| format!("/items/{index}")).unwrap_or_default();
        field.split('.').filter(|step| !step.is_empty()).fold(item, |pointer, step| pointer + "/" + step)
    }

    /// What messages call it, or a field of it.
    pub(super) fn title(&self, field: &str) -> String {
        let item = self.item.map(|index| format!(", items[{index}]")).unwrap_or_default();
        let kind = self.value["kind"].as_str().unwrap_or("object");
        let field = if field.is_empty() { String::new() } else { format!(": {field}") };
        format!("document {}{item}, {kind} {}{field}", self.document, self.name())
    }
}
