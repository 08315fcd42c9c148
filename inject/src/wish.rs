//! Whether a sidecar is wanted, by whom.
//!
//! A namespace says it with a *label*: the API server calls a webhook by labels of namespaces only. A pod says it with an
//! *annotation* in its workload's template, which wins over the namespace. Both are called [`INJECT`] and are `"true"` or
//! `"false"`; the one in the other's place would be overlooked, so it is a mistake to be told. Where neither says anything,
//! a Service may ask for its pods ([`Service::asking`]).

use std::collections::BTreeMap;

use tidegate_config::Problem;

use crate::pod::Pod;
use crate::service::Service;

/// The label of namespaces and the annotation of pods that asks for the sidecar.
pub const INJECT: &str = "tidegate.dev/inject";

/// A pod's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Namespace {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// Who wants a sidecar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Nobody,
    Namespace,
    Service,
    Pod,
}

/// Reads the wish for a pod that these Services select.
pub(crate) fn wish(pod: &Pod, namespace: &Namespace, services: &[&Service]) -> Result<Wish, Problem> {
    let on_pod = "metadata.annotations[tidegate.dev/inject]";
    if let Some(value) = pod.annotation(INJECT) {
        return Ok(if read(value, on_pod)? { Wish::Pod } else { Wish::Nobody });
    }
    if let Some(value) = pod.label(INJECT) {
        return Err(misplaced("metadata.labels[tidegate.dev/inject]", value, "a pod says it with an annotation"));
    }
    let on_namespace = "the namespace's metadata.labels[tidegate.dev/inject]";
    if let Some(value) = namespace.labels.get(INJECT) {
        return Ok(if read(value, on_namespace)? { Wish::Namespace } else { Wish::Nobody });
    }
    if let Some(value) = namespace.annotations.get(INJECT) {
        let place = "the namespace's metadata.annotations[tidegate.dev/inject]";
        return Err(misplaced(place, value, "a namespace says it with a label"));
    }
    Ok(if services.iter().any(|service| service.asks) { Wish::Service } else { Wish::Nobody })
}

fn read(value: &str, path: &str) -> Result<bool, Problem> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Problem {
            path: path.to_owned(),
            wrong: format!("\"{value}\""),
            allowed: "\"true\" or \"false\"".to_owned(),
        }),
    }
}

fn misplaced(path: &str, value: &str, allowed: &str) -> Problem {
    let wrong = format!("\"{value}\" is not looked at here");
    Problem { path: path.to_owned(), wrong, allowed: format!("{allowed} of this name") }
}
