//! One pod.

use serde::Serialize;
use serde_json::Value;
use tidegate_config::{Problem, Problems};

use crate::mesh;
use crate::options::InjectionOptions;
use crate::pod::{self, Pod};
use crate::service::Service;
use crate::sidecar::{self, ApplicationAddress, CONTAINER, VOLUMES};
use crate::takeover::Takeover;
use crate::targets::{renamed, targets};
use crate::version::KubernetesVersion;
use crate::wish::{Namespace, Wish, wish};
use crate::{APPLICATION_ADDRESS, CA, INJECTED, PORTS};

/// Why a pod has no sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotInjected {
    /// Nobody asked for one; or a whole namespace did, and no Service selects this pod.
    NotAsked,
    /// It was asked for and cannot be: every reason, each with its field, the value there, and what is allowed.
    Refused(Problems),
}

/// Puts the sidecar into a pod (or a pod's template), if it is wanted and can be. `services` are those of its namespace.
/// A pod that has it already comes back as it is.
pub fn inject(
    manifest: &Value,
    namespace: &Namespace,
    services: &[Service],
    kubernetes: KubernetesVersion,
    options: &InjectionOptions,
) -> Result<Value, NotInjected> {
    let mut pod: Pod = pod::read(manifest, "").map_err(refused)?;
    let labels = pod.metadata.as_ref().and_then(|metadata| metadata.labels.clone()).unwrap_or_default();
    let services: Vec<_> = services.iter().filter(|service| service.selects(&labels)).collect();
    let wish = wish(&pod, namespace, &services).map_err(refused)?;
    if wish == Wish::Nobody {
        return Err(NotInjected::NotAsked);
    }
    if has_sidecar(&pod) {
        return Ok(manifest.clone());
    }
    let mut problems = Problems::default();
    if services.is_empty() {
        if wish == Wish::Namespace {
            return Err(NotInjected::NotAsked);
        }
        let wrong = "no Service of the namespace selects them";
        problems.add("metadata.labels", wrong, "a Service that does, there before the pod: its ports are taken over");
    }
    check(&pod, namespace, kubernetes, &mut problems);
    let application = application_address(&pod, &mut problems);
    let taken = targets(&pod, &services, &mut problems);
    if !problems.is_empty() {
        return Err(NotInjected::Refused(problems));
    }
    take_over(&mut pod, options, &taken, application).map_err(refused)?;
    written(&pod).map_err(refused)
}

fn refused(problem: Problem) -> NotInjected {
    let mut problems = Problems::default();
    problems.add(problem.path, problem.wrong, problem.allowed);
    NotInjected::Refused(problems)
}

fn has_sidecar(pod: &Pod) -> bool {
    let mut init = pod.spec.init_containers.iter().flatten();
    pod.annotation(INJECTED).is_some() && init.any(|container| container.name == CONTAINER)
}

/// What stands in the way of any sidecar.
fn check(pod: &Pod, namespace: &Namespace, kubernetes: KubernetesVersion, problems: &mut Problems) {
    if kubernetes < KubernetesVersion::FIRST {
        let allowed = format!("{} or newer: before, Services do not find ports of sidecars", KubernetesVersion::FIRST);
        problems.add("the cluster's version", kubernetes.to_string(), allowed);
    }
    if pod.spec.host_network == Some(true) {
        let allowed = "false: on the node's own network a port is everybody's";
        problems.add("spec.hostNetwork", "true", allowed);
    }
    let selected = pod.spec.node_selector.as_ref().and_then(|labels| labels.get("kubernetes.io/os"));
    for (path, value) in
        [("spec.os.name", pod.spec.os.as_ref().map(|os| &os.name)), ("spec.nodeSelector[kubernetes.io/os]", selected)]
    {
        if let Some(other) = value.filter(|value| *value != "linux") {
            problems.add(path, other.as_str(), "linux");
        }
    }
    for (path, container) in pod.spec.containers().filter(|(_, container)| container.name == CONTAINER) {
        problems.add(format!("{path}.name"), format!("{} is the sidecar's", container.name), "another name");
    }
    for (index, volume) in pod.spec.volumes.iter().flatten().enumerate() {
        if let Some(name) = volume["name"].as_str().filter(|name| VOLUMES.contains(name)) {
            problems.add(format!("spec.volumes[{index}].name"), format!("{name} is the sidecar's"), "another name");
        }
    }
    mesh::check(pod, namespace, problems);
}

fn application_address(pod: &Pod, problems: &mut Problems) -> ApplicationAddress {
    match pod.annotation(APPLICATION_ADDRESS) {
        None | Some("loopback") => ApplicationAddress::Loopback,
        Some("pod") => ApplicationAddress::Pod,
        Some(other) => {
            let path = format!("metadata.annotations[{APPLICATION_ADDRESS}]");
            problems.add(path, format!("\"{other}\""), "\"loopback\" (the default) or \"pod\"");
            ApplicationAddress::Loopback
        }
    }
}

/// Changes the pod. First in the list, the sidecar also serves the other init containers.
fn take_over(
    pod: &mut Pod,
    options: &InjectionOptions,
    taken: &[Takeover],
    application: ApplicationAddress,
) -> Result<(), Problem> {
    for port in taken {
        let to = renamed(&port.name);
        pod.spec.containers_mut().for_each(|container| container.rename_port(&port.name, &to));
    }
    let container = pod::read(&sidecar::container(options, taken, application), "the sidecar")?;
    pod.spec.init_containers.get_or_insert_default().insert(0, container);
    pod.spec.volumes.get_or_insert_default().extend(sidecar::volumes(options));
    pod.annotate(INJECTED, env!("CARGO_PKG_VERSION"));
    pod.annotate(PORTS, Takeover::write(taken));
    pod.annotate(CA, options.ca.as_str());
    Ok(())
}

fn written(pod: &impl Serialize) -> Result<Value, Problem> {
    serde_json::to_value(pod).map_err(|error| Problem {
        path: String::new(),
        wrong: error.to_string(),
        allowed: "a manifest that can be written as JSON".to_owned(),
    })
}
