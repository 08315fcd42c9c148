//! The control plane.

pub mod exposition;
mod limits;
