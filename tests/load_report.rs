//! The unit tests of the side-by-side comparison: a benchmark with its own `main` has no test harness.

#[path = "../benches/load/main.rs"]
mod load;
