//! Single pods: what comes out, and every reason for which nothing does.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "inject/manifests.rs"]
mod manifests;
#[path = "inject/outcome.rs"]
mod outcome;
#[path = "inject/properties.rs"]
mod properties;
#[path = "inject/refusals.rs"]
mod refusals;
#[path = "inject/setting.rs"]
mod setting;
