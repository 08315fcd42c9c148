//! The rules of the house that neither the compiler nor clippy checks. Every test says how many files it saw, so that one
//! that sees nothing fails.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

#[path = "tidy/architecture.rs"]
mod architecture;
#[path = "tidy/arrows.rs"]
mod arrows;
#[path = "tidy/deploy.rs"]
mod deploy;
#[path = "tidy/images.rs"]
mod images;
#[path = "tidy/layout.rs"]
mod layout;
#[path = "tidy/purity.rs"]
mod purity;
#[path = "tidy/scripts.rs"]
mod scripts;
#[path = "tidy/sources.rs"]
mod sources;
