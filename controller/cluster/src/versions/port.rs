//! PURE. Where a pod serves a port of a Service (`spec.ports[].targetPort`).

use std::net::SocketAddr;

use k8s_openapi::api::core::v1::{Container, Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The port of a Service that has this name or number; with neither, its only one.
pub fn service_port<'a>(service: &'a Service, port: Option<&str>) -> Option<&'a ServicePort> {
    let ports = service.spec.as_ref()?.ports.as_deref()?;
    match port {
        Some(wanted) => ports.iter().find(|it| it.name.as_deref() == Some(wanted) || it.port.to_string() == wanted),
        None => ports.first().filter(|_| ports.len() == 1),
    }
}

/// The address at which a pod serves a port of its Service. A name stands for the port that a regular container calls so,
/// else for a sidecar's (k8s.io/endpointslice); `None` where no container does, or the pod has no address yet.
pub fn address(pod: &Pod, port: &ServicePort) -> Option<SocketAddr> {
    let ip = pod.status.as_ref()?.pod_ip.as_deref()?.parse().ok()?;
    let number = match &port.target_port {
        None => port.port,
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(name)) => named(pod, name)?,
    };
    Some(SocketAddr::new(ip, u16::try_from(number).ok()?))
}

fn named(pod: &Pod, name: &str) -> Option<i32> {
    let spec = pod.spec.as_ref()?;
    let sidecars = spec.init_containers.iter().flatten().filter(|it| it.restart_policy.as_deref() == Some("Always"));
    let mut containers = spec.containers.iter().chain(sidecars);
    let port = |container: &Container| {
        let mut ports = container.ports.iter().flatten();
        ports.find(|port| port.name.as_deref() == Some(name)).map(|port| port.container_port)
    };
    containers.find_map(port)
}
