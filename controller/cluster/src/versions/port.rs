//! PURE. Where a pod serves a port of a Service (`spec.ports[].targetPort`).

use std::net::SocketAddr;

use k8s_openapi::api::core::v1::{Container, Pod, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tidegate_inject::{CONTAINER, PORTS, Takeover};

use super::pods::ip;

/// The port of a Service that has this name or number; with neither, its only one.
pub fn service_port<'a>(service: &'a Service, port: Option<&str>) -> Option<&'a ServicePort> {
    let ports = service.spec.as_ref()?.ports.as_deref()?;
    match port {
        Some(wanted) => ports.iter().find(|it| it.name.as_deref() == Some(wanted) || it.port.to_string() == wanted),
        None => ports.first().filter(|_| ports.len() == 1),
    }
}

/// The address at which the application of a pod serves a port of its Service. A name stands for the port that a regular
/// container calls so, else for a sidecar's (k8s.io/endpointslice); where our sidecar has taken a name over, for the port
/// behind it: a request that has its version already must not be divided again. `None` where there is no such port, or the
/// pod has no address yet.
pub fn address(pod: &Pod, port: &ServicePort) -> Option<SocketAddr> {
    let ip = ip(pod)?;
    let taken = takeovers(pod).unwrap_or_default();
    let number = match &port.target_port {
        None => u16::try_from(port.port).ok()?,
        Some(IntOrString::Int(number)) => u16::try_from(*number).ok()?,
        Some(IntOrString::String(name)) => {
            let behind = taken.iter().find(|port| port.name == *name).map(|port| port.application);
            behind.or_else(|| named(pod, name))?
        }
    };
    // A port of the sidecar's own, as a number or by a wrong annotation: its requests would go round for ever.
    taken.iter().all(|port| port.listen != number).then_some(SocketAddr::new(ip, number))
}

/// What our sidecar in a pod stands before; `None` where the pod has none, or does not tell.
pub fn takeovers(pod: &Pod) -> Option<Vec<Takeover>> {
    let written = pod.metadata.annotations.as_ref()?.get(PORTS)?;
    let mut init = pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
    init.any(|container| container.name == CONTAINER).then(|| Takeover::read(written).ok())?
}

fn named(pod: &Pod, name: &str) -> Option<u16> {
    let spec = pod.spec.as_ref()?;
    let is_sidecar = |it: &&Container| it.restart_policy.as_deref() == Some("Always") && it.name != CONTAINER;
    let sidecars = spec.init_containers.iter().flatten().filter(is_sidecar);
    let mut containers = spec.containers.iter().chain(sidecars);
    let port = |container: &Container| {
        let mut ports = container.ports.iter().flatten();
        ports.find(|port| port.name.as_deref() == Some(name)).map(|port| port.container_port)
    };
    containers.find_map(port).and_then(|port| u16::try_from(port).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifests::{pod, world};

    /// Where a pod with this annotation serves `http`: the sidecar has the name, the application 8080.
    fn served(annotation: &str) -> Option<u16> {
        let text = pod("shop-aa", 1, "", "none")
            .replace("name: shop-aa-1,", &format!("name: shop-aa-1, annotations: {{{annotation}}},"))
            .replace("name: http", "name: http-app")
            .replace(
                "spec: {",
                "spec: {initContainers: [{name: tidegate-proxy, restartPolicy: Always, ports: [{name: http, \
                 containerPort: 15000}]}], ",
            );
        let world = world(&text);
        let port = ServicePort { target_port: Some(IntOrString::String("http".into())), ..ServicePort::default() };
        world.pods.values().next().and_then(|pod| address(pod, &port)).map(|address| address.port())
    }

    #[test]
    fn behind_a_sidecar_is_the_application() {
        for (annotation, port) in [
            ("tidegate.dev/ports: 'http:15000:8080'", Some(8080)),
            ("tidegate.dev/ports: 'api:15001:9090,http:15000:8080'", Some(8080)),
            ("tidegate.dev/ports: 'http:15000:15000'", None),
            ("tidegate.dev/ports: 'http:15000:15001,api:15001:8080'", None),
            ("tidegate.dev/ports: 'api:15000:8080'", None),
            ("tidegate.dev/ports: nonsense", None),
            ("", None),
        ] {
            assert_eq!(served(annotation), port, "{annotation}");
        }
    }
}
