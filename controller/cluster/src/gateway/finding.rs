//! PURE. What is said of an object in its status, and how that becomes a list of conditions.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use tidegate_config::Malformed;
use tidegate_config::limits::CONDITION_MESSAGE_BYTES_MAX;

/// One statement about an object: a condition without its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The condition's type, `Accepted` for example.
    pub about: &'static str,
    /// Whether it holds.
    pub holds: bool,
    /// Why, in one word of the API's.
    pub reason: &'static str,
    /// Why, for people: the place, what is wrong, and what is allowed.
    pub message: String,
}

impl Finding {
    /// It holds, and there is no more to say than its reason.
    pub(super) fn holds(about: &'static str, reason: &'static str) -> Self {
        Self { about, holds: true, reason, message: String::new() }
    }

    /// It does not hold, and why.
    pub(super) fn fails(about: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { about, holds: false, reason, message: message.into() }
    }

    fn condition(&self, generation: Option<i64>, before: Option<&Condition>, now: &Time) -> Condition {
        let status = if self.holds { "True" } else { "False" };
        let since = before.filter(|before| before.status == status).map(|before| before.last_transition_time.clone());
        Condition {
            type_: self.about.to_owned(),
            status: status.to_owned(),
            reason: self.reason.to_owned(),
            message: shortened(&self.message),
            observed_generation: generation,
            last_transition_time: since.unwrap_or_else(|| now.clone()),
        }
    }
}

/// What is wrong with a value of a field, in the words of a message.
pub(super) fn wrong(malformed: &Malformed) -> String {
    format!("{}; allowed: {}", malformed.wrong, malformed.allowed)
}

/// Findings as conditions. Those of `before` keep their place and, where the status is the same, their time; types that
/// are not among `ours` are left alone; what is ours and was not found is gone.
pub(super) fn conditions(
    findings: &[Finding],
    ours: &[&str],
    generation: Option<i64>,
    before: Option<&[Condition]>,
    now: &Time,
) -> Vec<Condition> {
    let before = before.unwrap_or_default();
    let known =
        before.iter().filter_map(|condition| match findings.iter().find(|finding| finding.about == condition.type_) {
            Some(finding) => Some(finding.condition(generation, Some(condition), now)),
            None => (!ours.contains(&condition.type_.as_str())).then(|| condition.clone()),
        });
    let is_new = |finding: &&Finding| !before.iter().any(|condition| condition.type_ == finding.about);
    let new = findings.iter().filter(is_new).map(|finding| finding.condition(generation, None, now));
    known.chain(new).collect()
}

/// A message of a length that an object can hold for each of its parents.
fn shortened(message: &str) -> String {
    if message.len() <= CONDITION_MESSAGE_BYTES_MAX {
        return message.to_owned();
    }
    let end = (0..CONDITION_MESSAGE_BYTES_MAX - 2).rev().find(|end| message.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", &message[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Time {
        Time(k8s_openapi::jiff::Timestamp::from_second(second).unwrap())
    }

    fn condition(about: &str, status: &str, second: i64) -> Condition {
        let condition = Finding::holds("Accepted", "Accepted").condition(Some(1), None, &at(second));
        Condition { type_: about.into(), status: status.into(), ..condition }
    }

    #[test]
    fn times_stay_while_the_status_does() {
        let before =
            [condition("Foreign", "Unknown", 1), condition("Accepted", "True", 2), condition("Gone", "True", 3)];
        let ours = ["Accepted", "Gone", "ResolvedRefs"];
        let resolved = Finding::fails("ResolvedRefs", "BackendNotFound", "spec.rules[0]: nobody there");
        for (accepted, since) in [
            (Finding::holds("Accepted", "Accepted"), 2),
            (Finding::holds("Accepted", "ListenersNotValid"), 2),
            (Finding::fails("Accepted", "NoMatchingParent", "no listener"), 9),
        ] {
            let found = conditions(&[accepted, resolved.clone()], &ours, Some(7), Some(&before), &at(9));
            let seen: Vec<_> = found
                .iter()
                .map(|c| (c.type_.as_str(), c.observed_generation, c.last_transition_time.0.as_second()))
                .collect();
            assert_eq!(seen, [("Foreign", Some(1), 1), ("Accepted", Some(7), since), ("ResolvedRefs", Some(7), 9)]);
        }
    }

    #[test]
    fn messages_are_cut_between_characters() {
        let long = shortened(&"ü".repeat(CONDITION_MESSAGE_BYTES_MAX));
        assert!(long.len() <= CONDITION_MESSAGE_BYTES_MAX && long.ends_with("ü…"), "{}", long.len());
    }
}
