//! The engine as its caller sees it: whole rollouts in virtual time.

#[path = "engine/blue_green.rs"]
mod blue_green;
#[path = "engine/commands.rs"]
mod commands;
#[path = "engine/gates.rs"]
mod gates;
#[path = "engine/life.rs"]
mod life;
#[path = "engine/properties.rs"]
mod properties;
#[path = "engine/recreate.rs"]
mod recreate;
#[path = "engine/report.rs"]
mod report;
#[path = "engine/rules.rs"]
mod rules;
#[path = "engine/several.rs"]
mod several;
#[path = "engine/simulator.rs"]
mod simulator;
#[path = "engine/trace.rs"]
mod trace;
