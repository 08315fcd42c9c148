//! The control plane in a Kubernetes cluster: its objects compiled into what proxies are told, and rollouts of real
//! workloads. The engine that decides is `tidegate-controller`'s; this package is its hands and eyes.

pub mod rollout_object;
pub mod world;
