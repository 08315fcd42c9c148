//! The control plane in a Kubernetes cluster: its objects compiled into what proxies are told, and rollouts of real
//! workloads. The engine that decides is `tidegate-controller`'s; this package is its hands and eyes.

pub mod authority_secret;
pub mod ca;
pub mod catalog;
pub mod distribute;
pub mod feeds;
pub mod gateway;
pub mod issuer;
pub mod keys;
pub mod lead;
pub mod leader;
#[cfg(test)]
mod manifests;
pub mod publish;
pub mod reflect;
pub mod rollout_object;
pub mod routing;
pub mod run;
pub mod site;
pub mod versions;
pub mod webhook;
pub mod world;
