//! A rollout and its decisions in plain words.

use super::record::{Reading, Record, Signal};
use super::report::report;
use super::status::Status;
use super::time::Timestamp;
use super::verdict::compared;
use super::words;

/// One decision: what was done, by which rule, on which numbers.
pub fn explain_record(record: &Record, status: &Status) -> String {
    let mut lines = vec![format!("#{} {}", record.seq, record.text)];
    lines.push(format!("  rule {}, by {}, at {}", camel(&record.rule), record.actor, record.to));
    for reading in &record.inputs {
        lines.push(format!("  {}: {}", camel(&reading.signal), evidence(reading, record, status)));
    }
    let m = words::evidence(record.statistic.ln());
    let bound = record.bound.map(|bound| format!(", this rule asks for {}", words::evidence(bound.ln())));
    lines.push(format!("  M = {m}{}", bound.unwrap_or_default()));
    lines.join("\n")
}

/// A rollout: where it is, what it waits for, and what was decided last.
pub fn explain(status: &Status, now: Timestamp) -> String {
    let report = report(status, now);
    let mut lines = vec![report.verdict];
    lines.extend(status.recent.iter().map(|record| format!("#{} {}", record.seq, record.text)));
    lines.join("\n")
}

/// A rollout that tries several versions: each as if it were the only one. `None` without any.
pub fn explain_all<'a>(all: impl Iterator<Item = &'a Status>, now: Timestamp) -> Option<String> {
    all.map(|status| explain(status, now)).reduce(|before, next| format!("{before}\n\n{next}"))
}

fn evidence(reading: &Reading, record: &Record, status: &Status) -> String {
    let against = words::evidence(reading.log_regression);
    let said = compared(reading.signal, record, status);
    let against = match reading.signal {
        Signal::Split => format!("evidence {against} that the split is broken"),
        _ => format!("evidence {against} that the canary is worse"),
    };
    let assured = match (reading.signal, reading.log_assurance) {
        (_, None) => String::new(),
        (Signal::Conversion, Some(log)) => format!(", {} that the goal is reached", words::evidence(log)),
        (_, Some(log)) => format!(", {} that the next share is harmless", words::evidence(log)),
    };
    format!("{said}; {against}{assured}")
}

/// A variant's name as it is stored.
fn camel(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_lowercase().chain(letters).collect())
}
