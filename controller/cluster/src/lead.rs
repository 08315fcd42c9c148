//! What only the leader does: it judges rollouts and writes what it decided into their status. Everything else follows from
//! what is written there.

mod absence;
mod annotated;
mod case;
mod desk;
mod fault;
mod finalizer;
pub mod gates;
mod gating;
pub mod infrastructure;
mod job;
mod news;
mod object;
mod ordinary;
mod patience;
mod recreate;
mod scale;
mod scale_down;
mod scraper;
mod served;
mod standing;
mod undo;
mod wish;
mod work;

pub use annotated::{Annotated, Annotations, annotated};
pub use case::{Case, Moment, Outcome};
pub use desk::{Desk, JobWork, Write};
pub use fault::Fault;
pub use finalizer::{FINALIZER, Finalizers, finalizers};
pub use gating::{Change, Gating, gating};
pub use job::{Owner, is_of};
pub use news::News;
pub(crate) use object::is_of_annotations;
pub use object::{Asked, Object, Remembered, objects};
pub use scale::{Scale, scales};
pub use scraper::{Scraped, Scraper};
pub use served::{Routed, Served, Targets, routed, served};
pub use undo::{Undo, undos};
pub use wish::Wish;
