//! PURE. The Service in front of a Gateway's proxies.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Meta, Setup};
use crate::gateway::Compilation;
use crate::gateway::parameters::{Parameters, ServiceType};
use crate::gateway::ports::socket;

/// The Service. Its ports are those of the listeners, at all times one at least, for the Gateway is accepted.
pub(super) fn service(meta: &Meta, compiled: &Compilation, parameters: &Parameters, setup: &Setup) -> Service {
    let ports = compiled.ports().into_iter().map(|port| ServicePort {
        name: Some(format!("port-{port}")),
        port: i32::from(port),
        target_port: Some(IntOrString::Int(i32::from(socket(port)))),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    });
    let outside = parameters.service_type != ServiceType::ClusterIp;
    let balanced = parameters.service_type == ServiceType::LoadBalancer;
    let cluster_ip = compiled.asked.cluster_ip(&setup.service_ranges);
    let balancer_ip = compiled.asked.load_balancer_ip(&setup.service_ranges).filter(|_| balanced);
    Service {
        metadata: meta.object(),
        spec: Some(ServiceSpec {
            type_: Some(parameters.service_type.as_str().to_owned()),
            selector: Some(meta.chosen.clone()),
            ports: Some(ports.collect()),
            cluster_ip: cluster_ip.map(|address| address.to_string()),
            load_balancer_ip: balancer_ip.map(|address| address.to_string()),
            load_balancer_class: parameters.load_balancer_class.clone().filter(|_| balanced),
            // Else proxies see a node's address instead of the client's, and clients of a node would be one visitor.
            external_traffic_policy: outside.then(|| "Local".to_owned()),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}
