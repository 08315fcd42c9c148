//! PURE. Which versions a Service has: its pods, told apart by a label that differs between several workloads, or by the
//! revision of one Deployment that is updated in place.

mod discover;
mod pods;
mod port;
mod roles;
mod template;

pub use discover::{Discovery, Found, Undiscovered, Way, deployment_of, discover, selected, selects, workloads};
pub(crate) use discover::{deployment_above, is_version, labelled, newest_revision, revision, template_hash};
pub use pods::{GATE, Held, MIGRATION, Owner, Usable, ip, is_open, is_ready, is_unscheduled, owner};
pub(crate) use pods::{REVISION_HASH, TEMPLATE_HASH, is_of_gate, stays};
pub use port::{address, service_port, takeovers};
pub(crate) use roles::still;
pub use roles::{Roles, Unclear, roles};
pub(crate) use template::{fingerprint, is_restart_of};
