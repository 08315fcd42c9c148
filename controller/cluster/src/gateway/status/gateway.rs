//! PURE. The status of a Gateway and its listeners.

use gateway_api::gateways::{
    Gateway, GatewayStatus, GatewayStatusAddresses, GatewayStatusListeners, GatewayStatusListenersSupportedKinds,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Patch, patch};
use crate::gateway::finding::{Finding, conditions};
use crate::gateway::grants::GROUP;
use crate::gateway::listener::ROUTE_KIND;
use crate::gateway::{Compilation, JudgedListener};

/// The types of conditions that are ours at a Gateway.
const GATEWAY: [&str; 2] = ["Accepted", "Programmed"];
/// And at a listener.
const LISTENER: [&str; 4] = ["Accepted", "Conflicted", "ResolvedRefs", "Programmed"];

/// What is known of a Gateway's proxies.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployed {
    /// Where clients reach them.
    pub addresses: Vec<GatewayStatusAddresses>,
    /// Whether at least one of them serves the plan.
    pub serving: bool,
}

/// The status of a Gateway of ours.
pub fn gateway(
    object: &Gateway,
    compiled: &Compilation,
    deployed: &Deployed,
    now: &Time,
) -> Option<Patch<GatewayStatus>> {
    let before = object.status.as_ref();
    let generation = object.metadata.generation;
    let programmed = programmed(compiled, deployed);
    let listeners = compiled.listeners.iter().map(|listener| {
        let listeners = before.and_then(|status| status.listeners.as_ref());
        let known = listeners.into_iter().flatten().find(|known| known.name == listener.name);
        let mut findings = listener.findings.clone();
        findings.push(listener_programmed(listener, &programmed));
        GatewayStatusListeners {
            name: listener.name.clone(),
            attached_routes: i32::try_from(listener.attached).unwrap_or(i32::MAX),
            conditions: conditions(&findings, &LISTENER, generation, known.map(|k| k.conditions.as_slice()), now),
            supported_kinds: Some(kinds(listener)),
        }
    });
    let status = GatewayStatus {
        addresses: Some(deployed.addresses.clone()),
        attached_listener_sets: before.and_then(|status| status.attached_listener_sets),
        listeners: Some(listeners.collect()),
        conditions: Some(conditions(
            &[compiled.accepted.clone(), programmed],
            &GATEWAY,
            generation,
            before.and_then(|status| status.conditions.as_deref()),
            now,
        )),
    };
    patch(&object.metadata, before, status)
}

fn kinds(listener: &JudgedListener) -> Vec<GatewayStatusListenersSupportedKinds> {
    let kind = GatewayStatusListenersSupportedKinds { group: Some(GROUP.to_owned()), kind: ROUTE_KIND.to_owned() };
    if listener.http_routes { vec![kind] } else { Vec::new() }
}

/// Whether what the Gateway asks for is in force.
fn programmed(compiled: &Compilation, deployed: &Deployed) -> Finding {
    let fails = |reason, message: String| Finding::fails("Programmed", reason, message);
    if !compiled.accepted.holds {
        return fails("Invalid", "the Gateway is not accepted".to_owned());
    }
    if compiled.plan.listeners.is_empty() {
        return fails("Invalid", "spec.listeners: none can serve, see their conditions".to_owned());
    }
    if deployed.addresses.is_empty() && compiled.asked.addresses.is_empty() {
        let message = "the Gateway's Service has no address yet; if it stays so, the cluster provides no load balancers: \
                       serviceType ClusterIP or NodePort in spec.infrastructure.parametersRef needs none";
        return fails("AddressNotAssigned", message.to_owned());
    }
    let has = |asked: &String| deployed.addresses.iter().any(|address| address.value == *asked);
    let missing = compiled.asked.addresses.iter().map(ToString::to_string).filter(|asked| !has(asked));
    let missing: Vec<String> = missing.collect();
    if !missing.is_empty() {
        let message = format!(
            "spec.addresses: the Gateway's Service has not got {}; allowed: one free address of the cluster's Service \
             range, or what its load balancer gives",
            missing.join(", ")
        );
        return fails("AddressNotUsable", message);
    }
    if !deployed.serving {
        return fails("Pending", "waiting for a proxy that serves it".to_owned());
    }
    Finding::holds("Programmed", "Programmed")
}

fn listener_programmed(listener: &JudgedListener, gateway: &Finding) -> Finding {
    let fails = |reason, message: &str| Finding::fails("Programmed", reason, message);
    if !listener.served {
        fails("Invalid", "see the other conditions of this listener")
    } else if gateway.holds {
        Finding::holds("Programmed", "Programmed")
    } else if gateway.reason == "Invalid" {
        fails("Invalid", &gateway.message)
    } else {
        fails("Pending", &gateway.message)
    }
}
