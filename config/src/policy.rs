//! How a canary is rolled out: word for word what the file, a `Rollout` object and annotations carry.
//!
//! Every field is a scalar, a list of texts or one level of a group, so each can be written as one flat annotation
//! (`tidegate.dev/latency.marginBuckets: "2"`).

mod conversion;
mod guardrail;
mod step;

pub use conversion::{Conversion, Goal, Method, StatusMatch};
pub use guardrail::{Errors, Latency, MaxHarm, Quantile};
pub use step::Step;

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::problem::Problems;
use crate::share::Share;
use crate::span::Span;

/// The policy of a rollout. Absent fields have the defaults named here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = crate::schema::policy())))]
#[serde(
    rename_all = "camelCase",
    deny_unknown_fields,
    expecting = "a group of fields with a strategy, for example {strategy: canary}"
)]
pub struct Policy {
    /// Canary, blue/green or recreate.
    pub strategy: Strategy,
    /// Canary only: the shares to go through, the last of them 100%. Default 10%, 20%, 30%, 40%, 50%, 100%.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::steps"))]
    pub steps: Option<Vec<Step>>,
    /// Canary only: what a step waits for. Default `evidence`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
    /// Least time at each step, from the moment its share is in force. Default 60s.
    #[serde(default = "soak")]
    pub soak: Span,
    /// First canary traffic that is shown but not judged (cold caches), unless the service fails. Default 30s.
    #[serde(default = "warm_up")]
    pub warm_up: Span,
    /// From the first step to a decision. Default 1h.
    #[serde(default = "deadline")]
    pub deadline: Span,
    /// What happens at the deadline without a decision. Default `hold`.
    #[serde(default)]
    pub on_deadline: OnDeadline,
    /// Time between two scrapes. Default 1s above 200 requests/s, else 5s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::scrape_interval"))]
    pub scrape_interval: Option<Span>,
    /// With 95% confidence, at most this part of all visitors may meet an additional failure. Default `auto`.
    #[serde(default)]
    pub max_harm: MaxHarm,
    /// Chance that a healthy canary is ever aborted, over all metrics and looks. Default 1%.
    #[serde(default = "false_abort")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::chance"))]
    pub false_abort: Share,
    /// Chance that a canary outside its margins is promoted. Default 5%.
    #[serde(default = "false_promote")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "crate::schema::chance"))]
    pub false_promote: Share,
    /// Guardrail: failures.
    #[serde(default)]
    pub errors: Errors,
    /// Guardrail: time to the head of the response.
    #[serde(default)]
    pub latency: Latency,
    /// Goal: visitors who convert.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion: Option<Conversion>,
    /// Blue/green only: switch by itself after this much preview. Default: wait for `promote`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch_after: Option<Span>,
    /// Blue/green only: how long the old version stays hot after the switch. Default 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby: Option<Span>,
    /// Recreate only: how long the new version may take until it can be reached; then all goes back. Default 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_within: Option<Span>,
}

const fn soak() -> Span {
    Span::from_secs(60)
}
const fn warm_up() -> Span {
    Span::from_secs(30)
}
const fn deadline() -> Span {
    Span::from_secs(3_600)
}
const fn ppm(ppm: u32) -> Share {
    match Share::from_ppm(ppm) {
        Some(share) => share,
        None => Share::ALL,
    }
}
const fn false_abort() -> Share {
    ppm(10_000)
}
const fn false_promote() -> Share {
    ppm(50_000)
}

/// The ways traffic moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Strategy {
    /// In steps, judged against the stable version at the same time.
    Canary,
    /// All at once after a preview; the old version stays hot for an instant return.
    BlueGreen,
    /// All at once, the old version gone before the new one starts: for versions that may not run at the same time. Requests
    /// wait meanwhile.
    Recreate,
}

/// What a step of a canary waits for beyond its soak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Pace {
    /// Proof that the next share would do no more than the allowed harm.
    Evidence,
    /// Nothing but the absence of suspicion.
    Time,
}

/// What happens at the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum OnDeadline {
    /// The share stays where it is, undecided, until somebody decides.
    #[default]
    Hold,
    /// Back to stable.
    Abort,
    /// On to the canary.
    Promote,
}

impl Policy {
    /// A policy of one strategy with every default.
    pub fn of(strategy: Strategy) -> Self {
        Self {
            strategy,
            steps: None,
            pace: None,
            soak: soak(),
            warm_up: warm_up(),
            deadline: deadline(),
            on_deadline: OnDeadline::default(),
            scrape_interval: None,
            max_harm: MaxHarm::default(),
            false_abort: false_abort(),
            false_promote: false_promote(),
            errors: Errors::default(),
            latency: Latency::default(),
            conversion: None,
            switch_after: None,
            standby: None,
            start_within: None,
        }
    }

    /// The steps to go through: the written ones, or the default ladder; where all move at once the one to 100%.
    pub fn steps(&self) -> Vec<Step> {
        let default: &[u32] = match self.strategy {
            Strategy::Canary => &[100_000, 200_000, 300_000, 400_000, 500_000, 1_000_000],
            Strategy::BlueGreen | Strategy::Recreate => &[1_000_000],
        };
        self.steps.clone().unwrap_or_else(|| default.iter().map(|share| Step::to(ppm(*share))).collect())
    }

    /// What steps wait for.
    pub fn pace(&self) -> Pace {
        self.pace.unwrap_or(Pace::Evidence)
    }

    /// How long the old version stays hot after a blue/green switch.
    pub fn standby(&self) -> Span {
        self.standby.unwrap_or(Span::from_secs(600))
    }

    /// How long a new version may take until it can be reached, once the old one has been told to go.
    pub fn start_within(&self) -> Span {
        self.start_within.unwrap_or(Span::from_secs(600))
    }

    /// How long requests wait while nobody can be reached, where the service does not say it: between two versions that do not
    /// run at the same time as long as browsers and load balancers do.
    pub fn parks(&self) -> Option<Span> {
        self.recreates().then_some(Span::from_secs(60))
    }

    /// Whether the old version goes before the new one starts.
    pub fn recreates(&self) -> bool {
        self.strategy == Strategy::Recreate
    }

    /// Fields of one strategy only, whether they are given, and that strategy with its name.
    fn owned(&self) -> [(&'static str, bool, Strategy, &'static str); 5] {
        [
            ("steps", self.steps.is_some(), Strategy::Canary, "canary"),
            ("pace", self.pace.is_some(), Strategy::Canary, "canary"),
            ("switchAfter", self.switch_after.is_some(), Strategy::BlueGreen, "blueGreen"),
            ("standby", self.standby.is_some(), Strategy::BlueGreen, "blueGreen"),
            ("startWithin", self.start_within.is_some(), Strategy::Recreate, "recreate"),
        ]
    }

    /// Checks the fields against each other. `path` is where the policy is.
    pub fn check(&self, path: &str, problems: &mut Problems) {
        for (field, given, owner, name) in self.owned() {
            if given && owner != self.strategy {
                let allowed = format!("only with strategy: {name}");
                problems.add(format!("{path}.{field}"), "does not belong to this strategy", allowed);
            }
        }
        self.check_steps(path, problems);
        let chances = [("falseAbort", self.false_abort), ("falsePromote", self.false_promote)];
        for (field, chance) in chances {
            if chance == Share::ZERO || chance > ppm(500_000) {
                problems.add(
                    format!("{path}.{field}"),
                    format!("{chance} is out of range"),
                    "more than 0%, at most 50%",
                );
            }
        }
        if self.scrape_interval.is_some_and(|span| span < Span::from_millis(100)) {
            problems.add(format!("{path}.scrapeInterval"), "too short to hold a scrape", "100ms or more");
        }
        self.latency.check(&format!("{path}.latency"), problems);
        if let Some(conversion) = &self.conversion {
            conversion.check(&format!("{path}.conversion"), problems);
        }
    }

    /// Checks whether so many versions may be tried at the same time by a policy, if there is one. `path` is where it is, `list`
    /// where they are named.
    pub(crate) fn check_tried(policy: Option<&Self>, canaries: usize, path: &str, list: &str, problems: &mut Problems) {
        if canaries > limits::CANARIES_MAX {
            let allowed = format!("1 to {} at the same time", limits::CANARIES_MAX);
            problems.add(list, format!("{canaries} versions"), allowed);
        } else if let Some(policy) = policy.filter(|_| canaries > 1) {
            policy.check_several(canaries, path, problems);
        }
    }

    /// Checks what is asked of a policy that tries several versions at the same time.
    fn check_several(&self, canaries: usize, path: &str, problems: &mut Problems) {
        if self.strategy != Strategy::Canary {
            let wrong = format!("does not try {canaries} versions at the same time");
            problems.add(format!("{path}.strategy"), wrong, "canary, or a single version to be tried");
            return;
        }
        if self.conversion.is_none() {
            let wrong = format!("missing, with {canaries} versions that are tried at the same time");
            let allowed =
                "what visitors are to do more often (conversion: {path: {prefix: /bought}}): it says which is the best";
            problems.add(format!("{path}.conversion"), wrong, allowed);
        }
        let most = self.most_at_test();
        if most == Share::ZERO {
            let wrong = format!("no share at which {canaries} versions are compared");
            problems.add(format!("{path}.steps"), wrong, "a step before 100%, for example [10%, 25%, 100%]");
        }
        let all = u64::from(most.ppm()) * u64::try_from(canaries).unwrap_or(u64::MAX);
        if all >= u64::from(Share::ALL.ppm()) {
            let wrong = format!("{most} for each of {canaries} versions leaves nobody to stable");
            let allowed = "shares before 100% that are less than 100% together, for example [10%, 25%, 100%]";
            problems.add(format!("{path}.steps"), wrong, allowed);
        }
    }

    /// The largest share before all visitors.
    pub fn most_at_test(&self) -> Share {
        let below = self.steps().into_iter().map(|step| step.share).filter(|share| *share < Share::ALL);
        below.max().unwrap_or(Share::ZERO)
    }

    fn check_steps(&self, path: &str, problems: &mut Problems) {
        let steps = self.steps();
        if steps.is_empty() || steps.len() > limits::STEPS_MAX {
            let allowed = format!("1 to {} steps", limits::STEPS_MAX);
            problems.add(format!("{path}.steps"), format!("{} steps", steps.len()), allowed);
            return;
        }
        for (i, pair) in steps.windows(2).enumerate() {
            if pair[1].share <= pair[0].share {
                let wrong = format!("{} does not come after {}", pair[1].share, pair[0].share);
                problems.add(format!("{path}.steps[{}]", i + 1), wrong, "shares that rise from step to step");
            }
        }
        if steps[0].share == Share::ZERO {
            let allowed = "a share above 0%: every canary first waits at 0% until there is something to compare with";
            problems.add(format!("{path}.steps[0]"), "0%", allowed);
        }
        if steps.last().is_some_and(|last| last.share != Share::ALL) {
            problems.add(format!("{path}.steps"), "the last step is not 100%", "a list that ends in 100%");
        }
        // The last step *is* the promotion: nothing soaks after it.
        let held = &steps[..steps.len() - 1];
        let total: u64 = held.iter().map(|step| step.soak.unwrap_or(self.soak).millis()).sum();
        if total >= self.deadline.millis() {
            let wrong = format!("{} leaves no time to decide after the soaks of the steps", self.deadline);
            problems.add(format!("{path}.deadline"), wrong, "more than the soaks together");
        }
    }
}
