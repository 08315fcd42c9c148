//! The life of a rollout as a pure function: what is known and the time go in, a new status and what is to be done come
//! out. No clock, no chance, no I/O; whoever stores the status and replays the observations gets the same decisions.
//!
//! A look at a rollout, in this order: a command is obeyed (`command`), counters become strata of evidence (`cursor`,
//! `signals`), the rules judge (`judge`) and the share moves or stays (`turn`).

mod command;
mod cursor;
mod explain;
mod gates;
mod hold;
mod judge;
mod log;
mod narrative;
mod observation;
mod plan;
mod record;
mod report;
mod sight;
mod signals;
mod status;
mod time;
mod turn;
mod verdict;
mod words;

use serde::{Deserialize, Serialize};
use tidegate_config::Span;

pub use command::{Command, Refusal, Verb};
pub use explain::{explain, explain_all, explain_record};
pub use gates::Gates;
pub use hold::{Held, Hold};
pub use observation::{
    ArmCounters, ArmRow, Endpoints, EpochShares, InstanceScrape, Observation, Rivals, Scrapes, ServiceCounters,
};
pub use plan::{HarmFrom, History, Plan};
pub use record::{Action, Counts, OWN_ACTOR, Reading, Record, Rule, Signal};
pub use report::{ArmReport, Eta, Report, RivalReport, ShareReport, SignalReport, report};
pub use status::{Outage, Phase, Start, Status};
pub use time::Timestamp;

use turn::Turn;

/// What a look at a rollout comes to. Store `status` and `records` first, then carry out `effects`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The rollout afterwards.
    pub status: Status,
    /// What was decided, in order.
    pub records: Vec<Record>,
    /// What is to be done.
    pub effects: Vec<Effect>,
    /// Why the command of the observation was not obeyed.
    pub refusal: Option<Refusal>,
    /// Look again after this time, or earlier when something is acknowledged or commanded.
    pub check_again: Span,
}

/// What the caller must do. Each may be done any number of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// Publish the share of the status, and note the generation with [`Status::published`]. Asked for at every look until
    /// that is done.
    Publish,
}

/// Looks at a rollout once.
pub fn decide(status: &Status, observation: &Observation, now: Timestamp) -> Decision {
    let mut turn = Turn::begin(status, observation, now);
    let refusal = turn.obey();
    turn.ingest();
    let judgement = judge::judge(turn.status(), observation);
    turn.carry_out(judgement);
    turn.end(refusal)
}
