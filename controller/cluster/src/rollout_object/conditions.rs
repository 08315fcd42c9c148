//! Conditions of a Rollout, in the form that the tools around Kubernetes read (`kubectl wait --for=condition=Progressing`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidegate_controller::engine::Timestamp;

/// What a condition of a Rollout speaks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum About {
    /// Whether the Rollout says something that can be done. Where not, the last good one stays in force.
    Accepted,
    /// Whether the Service's traffic passes us. Where not, nothing is gated, and the message says what to do.
    TrafficManaged,
    /// Whether a rollout goes on by itself. The reason says what it waits for.
    Progressing,
    /// Whether somebody holds it.
    Paused,
    /// Whether the last rollout did not end well, or cannot go on without somebody.
    Degraded,
    /// Whether another Rollout, or an older one, has the same workload; this one does nothing then.
    Conflicted,
}

impl About {
    /// The condition's type.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "Accepted",
            Self::TrafficManaged => "TrafficManaged",
            Self::Progressing => "Progressing",
            Self::Paused => "Paused",
            Self::Degraded => "Degraded",
            Self::Conflicted => "Conflicted",
        }
    }
}

/// Bytes of a condition's message: the API's limit.
const MESSAGE_BYTES_MAX: usize = 32_768;

/// What is known of one condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Which.
    pub about: About,
    /// Whether it holds; `None` where that is not known.
    pub holds: Option<bool>,
    /// Why, in one word of letters in camel case, for machines.
    pub reason: String,
    /// Why, in a sentence for people.
    pub message: String,
}

/// Notes conditions. What was noted before keeps its time of transition as long as its status stays the same, and its
/// place in the list; others are left as they are.
pub fn note(conditions: &mut Vec<Condition>, known: &[Known], generation: Option<i64>, now: &Time) {
    for Known { about, holds, reason, message } in known {
        let status = match holds {
            Some(true) => "True",
            Some(false) => "False",
            None => "Unknown",
        };
        let mut end = message.len().min(MESSAGE_BYTES_MAX);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        let mut condition = Condition {
            type_: about.as_str().to_owned(),
            status: status.to_owned(),
            reason: reason.clone(),
            message: message[..end].to_owned(),
            observed_generation: generation,
            last_transition_time: now.clone(),
        };
        match conditions.iter_mut().find(|old| old.type_ == condition.type_) {
            Some(old) => {
                if old.status == condition.status {
                    condition.last_transition_time = old.last_transition_time.clone();
                }
                *old = condition;
            }
            None => conditions.push(condition),
        }
    }
}

/// When something was noted: conditions are dated in whole seconds.
pub fn dated(at: Timestamp) -> Time {
    let seconds = i64::try_from(at.millis() / 1_000).unwrap_or(i64::MAX);
    Time(jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(second: i64) -> Time {
        Time(jiff::Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn the_time_of_a_transition_stays_with_its_status() {
        let mut conditions = Vec::new();
        let known = |holds, reason: &str| Known {
            about: About::Progressing,
            holds,
            reason: reason.to_owned(),
            message: String::new(),
        };
        for (second, holds, reason, since, why) in [
            (1, Some(true), "Soak", 1, "new"),
            (2, Some(true), "Soak", 1, "nothing has changed"),
            (3, Some(true), "Evidence", 1, "another reason is no transition"),
            (4, Some(false), "Paused", 4, "another status is"),
            (5, None, "Outage", 5, "so is not to know"),
        ] {
            note(&mut conditions, &[known(holds, reason)], Some(7), &time(second));
            let [condition] = conditions.as_slice() else { panic!("{why}: {conditions:?}") };
            assert_eq!((&condition.last_transition_time, condition.reason.as_str()), (&time(since), reason), "{why}");
            assert_eq!(condition.observed_generation, Some(7));
        }
    }

    #[test]
    fn messages_end_at_a_letter() {
        let mut conditions = Vec::new();
        let message = "é".repeat(MESSAGE_BYTES_MAX);
        let known = Known { about: About::Degraded, holds: Some(true), reason: "Aborted".to_owned(), message };
        note(&mut conditions, &[known], None, &time(1));
        assert_eq!(conditions[0].message.len(), MESSAGE_BYTES_MAX);
    }
}
