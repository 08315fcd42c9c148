//! The front end against manifests.

mod attachment;
mod backends;
mod document;
mod infrastructure;
mod listeners;
mod manifests;
mod properties;
mod report;
mod routing;
mod writing;
