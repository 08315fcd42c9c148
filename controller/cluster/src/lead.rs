//! What only the leader does: it judges rollouts and writes what it decided into their status. Everything else follows from
//! what is written there.

mod case;
mod desk;
pub mod gates;
pub mod infrastructure;
mod scraper;

pub use case::{Asked, Case, Memory, Outcome, Targets, Wish};
pub use desk::{Desk, Object, Served, Write};
pub use scraper::{Scraped, Scraper};
