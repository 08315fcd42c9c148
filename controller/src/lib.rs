//! The control plane: it moves the visitors of a service from one version to another on evidence.
//!
//! # The life of a weight change
//!
//! One turn of [`reconcile::Controller`], over and over:
//!
//! 1. **Scrape.** [`scrape`] gets `/metrics` of every proxy; [`exposition`] reads the text, [`counters`] sorts it by
//!    service, version and epoch.
//! 2. **Observe.** `proxies` says what a decision may take from that: the counters or why there are none, the least
//!    generation in force, the endpoints that take requests. [`traffic`] keeps the last hour.
//! 3. **Decide.** [`engine`] is a pure function from a status and an observation to the next status, what to record and
//!    what to do; [`evidence`] are its statistics.
//! 4. **Persist.** [`store`] writes status, decisions, epoch and generation in one transaction. Until that is on disk
//!    nobody is told anything.
//! 5. **Publish.** [`service_record`] says what follows from what is remembered and the file together, [`publish`] lays
//!    the shares out, [`ledger`] issues an epoch where they have changed; a `watch` channel hands the publication to the
//!    proxy.
//! 6. **Acknowledge.** The next scrape shows the generation in force everywhere. No step's clock starts before that.
//!
//! What is published is compared with what was published before, never remembered as a task; so a controller that dies
//! between any two of these comes back to the same thing ([`crash`] names the points where tests kill it).
//!
//! # Around it
//!
//! [`watch`] follows the configuration file and its certificates ([`certificates`]) on a thread of its own. [`control`] answers operators on a Unix socket,
//! [`client`] asks there, [`view`] is what both speak about. Time enters through [`clock`] alone.
//!
//! Nothing here runs on a proxy's worker threads: the embedding program gives the controller a thread.

pub mod certificates;
pub mod client;
pub mod clock;
pub mod control;
pub mod counters;
pub mod crash;
pub mod engine;
pub mod evidence;
pub mod exposition;
pub mod ledger;
pub mod lifecycle;
mod limits;
pub mod proxies;
pub mod publish;
pub mod reconcile;
mod rivals;
pub mod scrape;
pub mod service_record;
pub mod store;
pub mod traffic;
pub mod view;
pub mod watch;
