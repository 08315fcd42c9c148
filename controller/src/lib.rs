//! The control plane.

pub mod engine;
pub mod evidence;
