//! The `Rollout` object: its definition as it is shipped, and its manifests as they are read.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "rollout_object/definition.rs"]
mod definition;
#[path = "rollout_object/manifests.rs"]
mod manifests;
#[path = "rollout_object/size.rs"]
mod size;
#[path = "rollout_object/state.rs"]
mod state;
