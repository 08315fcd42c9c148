//! The control plane in a Kubernetes cluster: its objects compiled into what proxies are told, and rollouts of real
//! workloads. The engine that decides is `tidegate-controller`'s; this package is its hands and eyes.
//!
//! # From objects to proxies, in every replica
//!
//! 1. [`reflect`] keeps the [`world`]: watches, trimmed objects, whole worlds only.
//! 2. [`gateway`] compiles Gateways and routes into a plan; it is one front end of [`routing`].
//! 3. [`versions`] and [`site`] tell a Service's versions by its pods; [`catalog`] adds the shares that a rollout has
//!    written down.
//! 4. [`publish`] makes a publication of both, [`feeds`] hands it to the proxies it is for, and [`distribute`] sends it, in the
//!    messages of `tidegate_config::wire`, to whoever proves to be one of them.
//!
//! # From proxies to objects, in the leader alone
//!
//! 1. [`leader`] says who that is.
//! 2. [`lead`] judges rollouts by what the proxies' metrics tell, by the same turns as without a cluster
//!    (`tidegate_controller::lifecycle`), and writes what it decided into their objects' status.
//! 3. [`run`] ties all of this together, and brings objects and their statuses to what follows from the world.
//!
//! Pods are changed at their creation only: [`webhook`] adds the sidecar, and the gate that holds a new revision.

pub mod authority_secret;
pub mod ca;
pub mod catalog;
mod digest;
pub mod distribute;
pub mod events;
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
pub mod sidecar;
pub mod site;
pub mod uninstall;
pub mod versions;
pub mod webhook;
pub mod world;
