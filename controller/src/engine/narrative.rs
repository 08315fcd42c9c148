//! Each decision in a sentence.

use super::hold::Hold;
use super::plan::HarmFrom;
use super::record::{Action, OWN_ACTOR, Record, Rule, Signal};
use super::signals::Latency;
use super::status::Status;
use super::verdict::{compared, verdict};
use super::words;

/// The sentence of a record.
pub(crate) fn sentence(record: &Record, status: &Status) -> String {
    named(status, verdict(record, status).unwrap_or_else(|| said(record, status)))
}

/// A sentence with the version that it is about, where several are tried.
pub(crate) fn named(status: &Status, sentence: String) -> String {
    if status.rivals.is_empty() { sentence } else { format!("{}: {sentence}", status.canary) }
}

fn said(record: &Record, status: &Status) -> String {
    let actor = if record.actor == OWN_ACTOR { "Tidegate" } else { record.actor.as_str() };
    match record.action {
        Action::Start => started(status),
        Action::Advance => format!("From {} to {}: {}.", record.from, record.to, why_advance(record, actor)),
        Action::Switch if status.policy.recreates() => format!(
            "All visitors to {}: {} goes before it starts, and requests wait meanwhile. Where nobody of {} can be reached \
             within {}, all goes back.",
            status.canary,
            status.stable,
            status.canary,
            status.policy.start_within()
        ),
        Action::Switch => format!(
            "All visitors to {}; {} stays hot for {}. Nothing is compared from here on: by itself this reverts only where \
             no endpoint of {} takes requests.",
            status.canary,
            status.stable,
            status.policy.standby(),
            status.canary
        ),
        Action::Pause => format!("{actor} paused at {}. The canary stays guarded.", record.to),
        Action::Resume => format!("{actor} resumed at {}.", record.to),
        Action::Hold(reason) => held(reason, record, status),
        Action::Promote | Action::Abort | Action::Undecided => format!("{:?} by {actor}.", record.action),
    }
}

fn started(status: &Status) -> String {
    let beside = match status.rivals.as_slice() {
        [] => String::new(),
        rivals => format!(", beside {}", words::list(rivals)),
    };
    let opening = format!("Started {} against {}{beside} at 0%.", status.canary, status.stable);
    if status.policy.recreates() {
        return format!("{opening} The two do not run at the same time, so nothing is compared.");
    }
    if !status.compares() {
        return format!("{opening} It can be previewed; nothing is compared.");
    }
    let from = match status.plan.harm_from {
        HarmFrom::Policy => "by the policy",
        HarmFrom::History => "chosen for this traffic",
        HarmFrom::TooLittleHistory => "the default, with less than 10 minutes of history",
    };
    let harm = words::percent(status.plan.max_harm);
    let expected = status.plan.expected_seconds.filter(|seconds| seconds.is_finite() && *seconds < 1e9);
    let expected = expected
        .map(|seconds| format!(" A healthy canary should take about {}.", words::duration(millis(seconds))))
        .unwrap_or_default();
    format!("{opening} At most {harm} of all visitors may meet an additional failure ({from}).{expected}")
}

fn why_advance(record: &Record, actor: &str) -> String {
    match record.rule {
        Rule::Command => format!("{actor} said so"),
        Rule::Baseline => "stable is known, the canary gets its first visitors".to_owned(),
        Rule::Soak => "the soak is over and nothing speaks against going on".to_owned(),
        _ => {
            let guardrails = record.inputs.iter().filter(|reading| reading.signal != Signal::Conversion);
            let least = guardrails.filter_map(|reading| reading.log_assurance).reduce(f64::min);
            let least =
                least.map_or("nothing to assure".to_owned(), |log| format!("evidence {}", words::evidence(log)));
            let bound = record.bound.map(|bound| format!(" of {bound:.0}")).unwrap_or_default();
            format!("it is shown that {} does no more than the allowed harm ({least}{bound} needed)", record.to)
        }
    }
}

/// Why a share stays where it is.
pub(crate) fn held(reason: Hold, record: &Record, status: &Status) -> String {
    let m = words::evidence(record.statistic.ln());
    match reason {
        Hold::Baseline => match status.signals.latency.as_ref().and_then(Latency::baseline) {
            Some(_) => "Waits at 0% until stable's latency is known.".to_owned(),
            None => "Waits at 0% for the first scrape.".to_owned(),
        },
        Hold::NotInForce => format!("Waits until every proxy serves {}.", status.share),
        Hold::Outage => {
            let why = status.outage.as_ref().map_or("no reason given", |outage| outage.reason.as_str());
            format!(
                "Holds at {}: the proxies cannot be read ({why}). This counts neither for nor against the canary.",
                status.share
            )
        }
        Hold::RatioMismatch => format!(
            "Holds at {}: {}, which is not how they were split. One version loses visitors before they are counted (a \
             redirect, a cache, a crash), so no comparison can be trusted.",
            status.share,
            compared(Signal::Split, record, status)
        ),
        Hold::Suspicion => {
            format!("Holds at {}: the canary looks worse, not yet conclusively (M = {m}).", status.share)
        }
        Hold::Harm => {
            format!(
                "Holds at {}: conversions seem to be lost, {}.",
                status.share,
                compared(Signal::Conversion, record, status)
            )
        }
        Hold::Undefined => format!("Holds at {}: the evidence is not a number.", status.share),
        Hold::NoEndpoint => {
            format!("Holds at {}: no endpoint of {} can be reached, nor blamed on it yet.", status.share, status.canary)
        }
        Hold::Soak => format!("Soaks at {} for {}.", status.share, words::duration(status.soak_left_ms())),
        Hold::Evidence => match status.next_step() {
            Some((_, next)) => format!(
                "Holds at {} until it is shown that {} would do no more than the allowed harm.",
                status.share, next.share
            ),
            None => format!("Holds at {}.", status.share),
        },
        Hold::Goal => format!("Holds at {} until the conversion goal is shown to be reached.", status.share),
        Hold::Rivals => {
            let others = words::list(&status.rivals);
            format!("Holds at {} until one of them is shown to be the best: it competes with {others}.", status.share)
        }
        Hold::Gate => {
            let gate = status.gate(false).unwrap_or("work that must succeed first");
            format!("Holds at {} until {gate} has succeeded.", status.share)
        }
        Hold::Approval => format!("Holds at {} until somebody says promote.", status.share),
        Hold::Preview => match status.policy.switch_after {
            Some(after) => format!("Previewed at 0%; switches after {after}, or on promote."),
            None => "Previewed at 0%; switches on promote.".to_owned(),
        },
    }
}

/// Whole milliseconds of not too many seconds.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
pub(crate) fn millis(seconds: f64) -> u64 {
    (seconds * 1_000.0).clamp(0.0, 1e15) as u64
}
