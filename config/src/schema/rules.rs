//! The rules between fields, as `Policy::check` has them. Each guards itself against texts that have no form: those are
//! told by the rule of the text, and a rule that fails instead of answering would be told in the words of CEL.

use serde_json::{Value, json};

use super::{SPAN, matches, rule, step};

/// A rule that is told of a field.
fn of_field(field: &str, condition: impl Into<String>, message: &str) -> Value {
    json!({ "rule": condition.into(), "message": message, "fieldPath": format!(".{field}") })
}

/// The share at the beginning of a text, in percent.
fn percent(text: &str) -> String {
    format!("double({text}.split('%')[0])")
}

/// A span that is no less than a number of milliseconds with so many digits.
pub(super) fn at_least(digits: usize, allowed: &str) -> Value {
    let less = format!("(0|(0+d)?(0+h)?(0+m)?(0+s)?(0*[0-9]{{1,{}}}ms)?)", digits - 1);
    rule(format!("!{}", matches("self", &less)), allowed)
}

/// A span that does not begin with more days than fourteen.
pub(super) fn at_most_14_days(allowed: &str) -> Value {
    rule(r#"!self.matches("^0*(1[5-9]|[2-9][0-9]|[1-9][0-9][0-9])d")"#, allowed)
}

/// A span of at most so many minutes. CEL knows no days: what is written with them is left to the controller.
pub(super) fn at_most_minutes(minutes: u32, allowed: &str) -> Value {
    let formed = format!("{} && !self.contains('d')", matches("self", SPAN));
    rule(format!("!({formed}) || duration(self) <= duration('{minutes}m')"), allowed)
}

/// Rules between the fields of a policy.
pub(crate) fn policy() -> Value {
    let only = |field: &str, strategy: &str| {
        let condition = format!("self.strategy == '{strategy}' || !has(self.{field})");
        of_field(field, condition, &format!("does not belong to this strategy: only with strategy: {strategy}"))
    };
    json!([
        only("steps", "canary"),
        only("pace", "canary"),
        only("switchAfter", "blueGreen"),
        only("standby", "blueGreen"),
        only("startWithin", "recreate"),
        deadline(),
    ])
}

/// The deadline is after the soaks of all steps but the last, which is the promotion. CEL knows no days, and to rewrite
/// them costs more than an API server allows: what is written with days is left to the controller.
fn deadline() -> Value {
    let steps = "(has(self.steps) ? self.steps : ['10%', '20%', '30%', '40%', '50%', '100%'])";
    let soak = "(s.matches('% [0-9]') ? s.split(' ')[1] : self.soak)";
    let formed = format!(
        "{} && {} && !self.soak.contains('d') && !self.deadline.contains('d') && (!has(self.steps) || \
         (size(self.steps) > 0 && self.steps.all(s, {} && !s.contains('d'))))",
        matches("self.soak", SPAN),
        matches("self.deadline", SPAN),
        step("s")
    );
    let sum = |texts: &str| format!("{texts}.map(s, duration({soak})).sum()");
    let last = "[has(self.steps) ? self.steps[size(self.steps) - 1] : '100%']";
    let total = format!("(self.strategy == 'canary' ? {} - {} : duration('0'))", sum(steps), sum(last));
    let condition = format!("!({formed}) || duration(self.deadline) > {total}");
    of_field("deadline", condition, "leaves no time to decide: more than the soaks of the steps together")
}

/// Rules between the steps of a canary.
pub(super) fn steps() -> Value {
    let guarded = |condition: String| format!("size(self) == 0 || !self.all(s, {}) || {condition}", step("s"));
    let shares = format!("self.map(s, {})", percent("s"));
    let distinct = format!("self.all(s, self.exists_one(t, {} == {}))", percent("s"), percent("t"));
    json!([
        rule(guarded(format!("({shares}.isSorted() && {distinct})")), "shares that rise from step to step"),
        rule(
            guarded(format!("{} > 0.0", percent("self[0]"))),
            "a first share above 0%: every canary first waits at 0% until there is something to compare with"
        ),
        rule(guarded(format!("{} == 100.0", percent("self[size(self) - 1]"))), "a list that ends in 100%"),
    ])
}

/// Rules between the fields of the guardrail of latency.
pub(crate) fn latency() -> Value {
    let message = "at least one of p50, p95, p99; or enabled: false";
    json!([of_field("quantiles", "!self.enabled || size(self.quantiles) > 0", message)])
}

/// Rules between the fields of the goal.
pub(crate) fn conversion() -> Value {
    let condition = "!has(self.margin) || self.goal == 'nonInferiority'";
    json!([of_field("margin", condition, "does not belong to this goal: only with goal: nonInferiority")])
}

/// Rules between the kinds of a condition on a path.
pub(crate) fn path_match() -> Value {
    json!([rule("has(self.exact) != has(self.prefix)", "exact or prefix, one of the two")])
}
