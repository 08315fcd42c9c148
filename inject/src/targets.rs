//! Which ports are taken over: those that Services aim at by name, all of them or none. Half a takeover would send some
//! visitors past the shares.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tidegate_config::Problems;

use crate::pod::{Pod, Spec};
use crate::service::{Service, ServicePort};
use crate::sidecar::ADMIN_PORT;
use crate::takeover::Takeover;

/// What the application's port is called afterwards: `http` becomes `http-app`.
const SUFFIX: &str = "-app";
/// Characters of a port's name (Kubernetes API validation).
const NAME_MAX: usize = 15;
/// The first port that the sidecar listens on.
const FIRST_PORT: u16 = 15_000;
/// The values of `appProtocol` that mean HTTP/1.1, with nothing around it.
const HTTP: [&str; 2] = ["http", "kubernetes.io/ws"];

/// The name of an application's port whose own name was taken over.
pub(crate) fn renamed(name: &str) -> String {
    format!("{name}{SUFFIX}")
}

/// Finds what is to be taken over from a pod, in the order of the names.
pub(crate) fn targets(pod: &Pod, services: &[&Service], problems: &mut Problems) -> Vec<Takeover> {
    let mut found = BTreeMap::new();
    for service in services {
        if service.headless {
            let allowed = "a cluster IP: pods of a headless Service are called by their addresses, past the sidecar";
            problems.add(format!("{}: spec.clusterIP", service.title), "None", allowed);
        }
        if service.ports.is_empty() {
            problems.add(format!("{}: spec.ports", service.title), "is empty", "the ports to be taken over");
        }
        for (index, port) in service.ports.iter().enumerate() {
            let place = format!("{}: spec.ports[{index}]", service.title);
            check_protocol(port, &place, problems);
            if let Some((name, application)) = aim(port, &pod.spec, &place, problems) {
                found.insert(name, application);
            }
        }
    }
    for name in found.keys() {
        check_name(name, &pod.spec, problems);
    }
    let mut free = free_ports(&pod.spec, problems);
    let taken = found.into_iter().zip(&mut free);
    taken.map(|((name, application), listen)| Takeover { name: name.to_owned(), listen, application }).collect()
}

fn check_protocol(port: &ServicePort, place: &str, problems: &mut Problems) {
    if let Some(other) = port.protocol.as_deref().filter(|protocol| *protocol != "TCP") {
        problems.add(format!("{place}.protocol"), format!("{other} is not HTTP"), "TCP");
    }
    match port.app_protocol.as_deref() {
        Some(other) if !HTTP.contains(&other) => {
            let allowed = format!("{}, or none: then it is taken for HTTP/1.1", HTTP.join(", "));
            problems.add(format!("{place}.appProtocol"), format!("\"{other}\" is not HTTP/1.1 in the clear"), allowed);
        }
        None if port.name.as_deref().is_some_and(names_tls) => {
            let name = port.name.as_deref().unwrap_or_default();
            let wrong = format!("\"{name}\" is the name of a port with TLS, which the sidecar cannot read");
            problems.add(format!("{place}.name"), wrong, "another name, or appProtocol: http if there is no TLS");
        }
        _ => {}
    }
}

/// By convention of those who name ports.
fn names_tls(name: &str) -> bool {
    ["https", "tls", "ssl"].iter().any(|tls| name == *tls || name.starts_with(&format!("{tls}-")))
}

/// The name that a Service's port aims at, and the port of the application behind it.
fn aim<'a>(port: &'a ServicePort, spec: &Spec, place: &str, problems: &mut Problems) -> Option<(&'a str, u16)> {
    let path = format!("{place}.targetPort");
    let by_name = "the name of a port of the pod: a sidecar can take over a name, not a number";
    let name = match &port.target_port {
        Some(Value::String(name)) => name,
        None | Some(Value::Null) => {
            problems.add(path, format!("is not given, which means {}", port.port), by_name);
            return None;
        }
        Some(other) => {
            problems.add(path, format!("{other} is a number"), by_name);
            return None;
        }
    };
    let Some((container, application)) = spec.find(name) else {
        let names: BTreeSet<_> =
            spec.containers().flat_map(|(_, c)| c.ports()).filter_map(|p| p.name.clone()).collect();
        let allowed = if names.is_empty() {
            "a TCP port of this name in spec.containers[].ports".to_owned()
        } else {
            format!("one of the pod's: {}", names.into_iter().collect::<Vec<_>>().join(", "))
        };
        problems.add(path, format!("no container has a TCP port \"{name}\""), allowed);
        return None;
    };
    // The API server knows no protocol of a container's port, but a probe that speaks TLS to it tells.
    let aims_here = |port: &Value| port.as_str() == Some(name) || port.as_u64() == Some(application.into());
    let speaks_tls = container
        .calls()
        .any(|call| call.scheme.as_deref() == Some("HTTPS") && call.port.as_ref().is_some_and(aims_here));
    if speaks_tls {
        let wrong = format!("\"{name}\" is asked by a probe of container {} with scheme HTTPS", container.name);
        problems.add(path, wrong, "a port without TLS, which the sidecar cannot read");
        return None;
    }
    Some((name, application))
}

/// The application's port must get another name, which must be free and not too long.
fn check_name(name: &str, spec: &Spec, problems: &mut Problems) {
    let renamed = renamed(name);
    for (path, container) in spec.containers() {
        for (index, port) in container.ports().enumerate() {
            let place = format!("{path}.ports[{index}].name");
            if port.name.as_deref() == Some(name) && renamed.len() > NAME_MAX {
                let longest = NAME_MAX - SUFFIX.len();
                let wrong = format!("\"{name}\" would become \"{renamed}\", of more than {NAME_MAX} characters");
                problems.add(place, wrong, format!("at most {longest} characters"));
            } else if port.name.as_deref() == Some(&renamed) {
                let wrong = format!("\"{renamed}\" is what port \"{name}\" would be called");
                problems.add(place, wrong, "another name");
            }
        }
    }
}

/// The ports that nothing in the pod uses, as far as it tells.
fn free_ports(spec: &Spec, problems: &mut Problems) -> impl Iterator<Item = u16> + use<> {
    let mut used = BTreeSet::from([ADMIN_PORT]);
    for (path, container) in spec.containers() {
        for (index, port) in container.ports().enumerate() {
            used.insert(port.number);
            if port.number == ADMIN_PORT && port.is_tcp() {
                let place = format!("{path}.ports[{index}].containerPort");
                problems.add(place, format!("{ADMIN_PORT} is the sidecar's, for its metrics"), "another port");
            }
        }
        let called = container.calls().filter_map(|call| call.port.as_ref()?.as_u64());
        used.extend(called.filter_map(|port| u16::try_from(port).ok()));
    }
    (FIRST_PORT..=u16::MAX).filter(move |port| !used.contains(port))
}
