//! What the API server is answered about pods that it is to create.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "webhook/configuration.rs"]
mod configuration;
#[path = "webhook/gate.rs"]
mod gate;
#[path = "webhook/gateable.rs"]
mod gateable;
#[path = "webhook/review.rs"]
mod review;
#[path = "webhook/server.rs"]
mod server;
#[path = "webhook/setting.rs"]
mod setting;
