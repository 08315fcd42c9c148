//! What users read is executed: examples, commands, tables and the quick start.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "docs/command_line.rs"]
mod command_line;
#[path = "docs/configuration.rs"]
mod configuration;
#[path = "docs/examples.rs"]
mod examples;
#[path = "docs/helm.rs"]
mod helm;
#[path = "docs/kubernetes.rs"]
mod kubernetes;
#[path = "docs/limits.rs"]
mod limits;
#[path = "docs/markdown.rs"]
mod markdown;
#[path = "docs/metrics.rs"]
mod metrics;
#[path = "docs/operations.rs"]
mod operations;
#[path = "docs/picture.rs"]
mod picture;
#[path = "docs/quick_start.rs"]
mod quick_start;
#[path = "docs/running.rs"]
mod running;
#[path = "docs/sidecar.rs"]
mod sidecar;
