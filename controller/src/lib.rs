//! The control plane.

pub mod evidence;
