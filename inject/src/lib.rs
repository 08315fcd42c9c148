//! PURE. Puts the sidecar into the manifest of a pod: [`inject`] for one pod, as the webhook does, [`manifests::inject`]
//! for a text of YAML documents, as `tidegate inject` does.
//!
//! The sidecar takes over the *names* of the ports that Services aim at, so that their traffic comes to it, and hands it
//! on to the application. Where that cannot be done, or could do harm, [`NotInjected`] says in which field, why, and what
//! to write instead; the pod then stays as it is.
//!
//! Manifests are JSON values. Fields that this package does not know pass through it unchanged, so that it never takes a
//! newer cluster's fields away.

mod inject;
pub mod manifests;
mod mesh;
mod options;
mod pod;
mod quantity;
mod service;
mod sidecar;
mod takeover;
mod targets;
mod version;
mod wish;

pub use inject::{NotInjected, inject};
pub use options::{InjectionOptions, Resources};
pub use quantity::Quantity;
pub use service::Service;
pub use sidecar::{ADMIN_PORT, CONTAINER};
pub use takeover::Takeover;
pub use version::KubernetesVersion;
pub use wish::{INJECT, Namespace};

/// The annotation of a pod that has the sidecar; its value is the version that put it in.
pub const INJECTED: &str = "tidegate.dev/injected";
/// The annotation of such a pod with what was taken over, as [`Takeover::read`] reads it.
pub const PORTS: &str = "tidegate.dev/ports";
/// The annotation of such a pod with the certificates (PEM) that the sidecar trusts when it calls the controller.
pub const CA: &str = "tidegate.dev/ca";
/// The annotation of a pod whose application listens on the pod's address alone; then it is `"pod"`.
pub const APPLICATION_ADDRESS: &str = "tidegate.dev/application-address";
