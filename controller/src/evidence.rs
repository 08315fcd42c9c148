//! The statistics that move traffic: pure functions of counts, without clock, chance or I/O.
//!
//! One statistic serves every signal: an e-process for the ratio of two event rates, canary against
//! *concurrent* stable, with a stated tolerance ([`increment`]). It is a bet against a null
//! hypothesis whose expected wealth never exceeds its stake, so by Ville's inequality (1939) the
//! chance that the wealth *ever* reaches `1/alpha` is at most `alpha`, however often one looks.
//! Each signal runs it twice:
//!
//! - **regression**: bets that the canary is worse than tolerated; high wealth aborts the rollout;
//! - **assurance**: bets that the canary is *not* worse than the harm budget; high wealth advances it.
//!
//! From counts to a decision: [`counter`] → [`increment::Stratum`] (with [`exposure`],
//! [`latency`] or [`conversion`] where plain requests do not say it) → [`process`] → [`rule`].
//! Beside that path: [`ratio_mismatch`] asks whether the split itself can be believed,
//! [`confidence`] reports effects to people, [`budget`] and [`forecast`] plan ahead, and
//! [`dispersion`] measures how far events come in clusters.
//!
//! Evidence is kept as a natural logarithm ("nats") throughout: an hour of a bad canary is worth
//! more than an `f64` holds.

pub mod budget;
pub mod confidence;
pub mod conversion;
pub mod counter;
pub mod dispersion;
pub mod exposure;
pub mod forecast;
pub mod grid;
pub mod increment;
pub mod latency;
pub mod mixture;
pub mod process;
pub mod ratio_mismatch;
pub mod rule;
