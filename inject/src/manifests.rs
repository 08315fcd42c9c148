//! A text of YAML documents, as people keep and apply them. Documents that need no change keep every character.

mod document;
mod objects;

use std::fmt;

use serde_json::Value;
use tidegate_config::limits::{MANIFESTS_BYTES_MAX, PROBLEMS_MAX};
use tidegate_config::{Problem, Problems};

use crate::inject::{NotInjected, inject as inject_one};
use crate::options::InjectionOptions;
use crate::service::Service;
use crate::version::KubernetesVersion;
use crate::wish::{INJECT, Namespace};
use document::Document;
use objects::{Object, objects};

/// The documents afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifests {
    /// All of them, in their order.
    pub text: String,
    /// What became of every workload, in order.
    pub workloads: Vec<Outcome>,
}

/// What became of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Which one: `document 2, Deployment shop`.
    pub workload: String,
    /// Whether it has the sidecar now.
    pub injected: bool,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { workload, injected } = self;
        let what =
            if *injected { "has the sidecar" } else { "is left as it is: not wanted, or no Service here selects it" };
        write!(f, "{workload} {what}")
    }
}

/// Puts the sidecar into every workload of a text that a Service of the text selects, or `more` do, and that does not
/// refuse it by its annotation. Anything that stands in the way of one of them is an error of the whole.
pub fn inject(
    text: &str,
    more: &[Service],
    kubernetes: KubernetesVersion,
    options: &InjectionOptions,
) -> Result<Manifests, Problems> {
    let mut problems = options.problems();
    let mut documents = documents(text, &mut problems);
    let around = Around::of(&documents, more, &mut problems);
    let mut workloads = Vec::new();
    for document in &mut documents {
        let mut changed = document.value.clone();
        for object in objects(document.number, &document.value) {
            let Some(place) = object.template() else { continue };
            let Some(template) = changed.pointer_mut(&object.pointer(place)) else {
                problems.add(object.title(place), "is missing", "a template of pods");
                continue;
            };
            let (namespace, services) = around.of_namespace(object.namespace());
            let result = inject_one(template, &namespace, &services, kubernetes, options);
            workloads.push(Outcome { workload: object.title(""), injected: result.is_ok() });
            match result {
                Ok(injected) => *template = injected,
                Err(NotInjected::NotAsked) => {}
                Err(NotInjected::Refused(reasons)) => add_all(&reasons, &object, place, &mut problems),
            }
        }
        document.replace(changed);
    }
    let texts: Result<Vec<_>, _> = documents.iter().map(Document::written).collect();
    match texts {
        Ok(texts) if problems.is_empty() => Ok(Manifests { text: texts.concat(), workloads }),
        Ok(_) => Err(problems),
        Err(error) => {
            problems.add("", error, "documents that can be written as YAML");
            Err(problems)
        }
    }
}

/// Adds the reasons of one workload, each with its place in the text.
fn add_all(reasons: &Problems, object: &Object, template: &str, problems: &mut Problems) {
    for Problem { path, wrong, allowed } in reasons.iter().take(PROBLEMS_MAX.saturating_sub(problems.len())) {
        let in_template = !template.is_empty() && ["metadata", "spec"].iter().any(|field| path.starts_with(field));
        let path = if in_template { format!("{template}.{path}") } else { path.clone() };
        problems.add(object.title(&path), wrong.as_str(), allowed.as_str());
    }
}

/// The documents of a text; one that is no YAML is a problem, and then missing.
fn documents<'a>(text: &'a str, problems: &mut Problems) -> Vec<Document<'a>> {
    if text.len() > MANIFESTS_BYTES_MAX {
        problems.add("", format!("{} bytes long", text.len()), format!("at most {MANIFESTS_BYTES_MAX} bytes"));
        return Vec::new();
    }
    let mut documents = Vec::new();
    for part in document::split(text) {
        match Document::read(part) {
            Ok(document) => documents.push(document),
            Err(wrong) if problems.len() < PROBLEMS_MAX => {
                problems.add(format!("document {}", part.number), wrong, "a YAML document, each field once");
            }
            Err(_) => {}
        }
    }
    documents
}

/// What the workloads of a text find around them.
struct Around<'a> {
    namespaces: Vec<(String, Namespace)>,
    services: Vec<(String, Service)>,
    more: &'a [Service],
}

impl<'a> Around<'a> {
    fn of(documents: &[Document], more: &'a [Service], problems: &mut Problems) -> Self {
        let mut around = Self { namespaces: Vec::new(), services: Vec::new(), more };
        for document in documents {
            for object in objects(document.number, &document.value) {
                if object.is("v1", "Service") {
                    match Service::read(object.value) {
                        Ok(service) => around.services.push((object.namespace().to_owned(), service)),
                        Err(Problem { path, wrong, allowed }) => problems.add(object.title(&path), wrong, allowed),
                    }
                } else if object.is("v1", "Namespace") {
                    let texts = |field: &str| {
                        let values = object.value["metadata"][field].as_object().into_iter().flatten();
                        values.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
                    };
                    let namespace = Namespace { labels: texts("labels"), annotations: texts("annotations") };
                    around.namespaces.push((object.name().to_owned(), namespace));
                }
            }
        }
        around
    }

    /// What is in a namespace. Who runs the command wants the sidecar wherever nobody refuses it.
    fn of_namespace(&self, name: &str) -> (Namespace, Vec<Service>) {
        let known = self.namespaces.iter().find(|(known, _)| known == name);
        let mut namespace = known.map(|(_, namespace)| namespace.clone()).unwrap_or_default();
        namespace.labels.entry(INJECT.to_owned()).or_insert_with(|| "true".to_owned());
        let here = self.services.iter().filter(|(known, _)| known == name).map(|(_, service)| service);
        (namespace, here.chain(self.more).cloned().collect())
    }
}

impl Document<'_> {
    fn replace(&mut self, value: Value) {
        self.changed |= value != self.value;
        self.value = value;
    }
}
