//! What is remembered in a status comes back as it was.

use serde_json::json;
use tidegate_cluster::rollout_object::{Phase, RolloutStatus};
use tidegate_config::limits;
use tidegate_config::policy::{Policy, Strategy};
use tidegate_config::{RolloutId, Share, Span};
use tidegate_controller::engine::{Observation, Start, Status, Timestamp, decide};
use tidegate_controller::service_record::ServiceRecord;

/// A record of a rollout that has just been started and looked at once, with the decisions of that look.
fn started() -> (ServiceRecord, Vec<tidegate_controller::engine::Record>) {
    let now = Timestamp::from_millis(1_800_000_000_000);
    let start = Start {
        rollout: "00000000000000ff".parse::<RolloutId>().unwrap(),
        service: "shop".parse().unwrap(),
        stable: "v1".parse().unwrap(),
        canary: "v2".parse().unwrap(),
        policy: Policy::of(Strategy::Canary),
        request_timeout: Span::from_secs(15),
        counts_per_visitor: 1,
        history: None,
    };
    let decision = decide(&Status::start(start, now), &Observation::default(), now);
    (ServiceRecord { rollout: Some(decision.status), ..ServiceRecord::default() }, decision.records)
}

#[test]
fn what_is_remembered_comes_back_as_it_was() {
    let (record, decisions) = started();
    let mut status = RolloutStatus::default();
    status.remember(&record).unwrap();
    status.decided(&decisions);
    // Through the wire and an API server, which writes whole floats without their dot.
    let wire = serde_json::to_string(&status).unwrap().replace(".0,", ",").replace(".0}", "}");
    let read: RolloutStatus = serde_json::from_str(&wire).unwrap();
    assert_eq!(read.remembered().unwrap(), Some(record));
    assert_eq!((read.phase, read.share), (Some(Phase::Progressing), Some(Share::ZERO)));
    let name = |name: &Option<tidegate_config::Name>| name.as_ref().map(ToString::to_string);
    assert_eq!((name(&read.stable), name(&read.canary)), (Some("v1".to_owned()), Some("v2".to_owned())));
    let first = &read.decisions[0];
    assert_eq!((first.rule.as_str(), first.action.as_str(), first.actor.as_str()), ("start", "start", "tidegate"));
    assert_eq!(serde_json::to_value(&first.time).unwrap(), json!("2027-01-15T08:00:00Z"));
}

#[test]
fn decisions_have_an_end() {
    let (_, decisions) = started();
    let mut status = RolloutStatus::default();
    for number in 0..30 {
        let decisions = decisions.iter().take(1).cloned().map(|mut record| {
            record.text = format!("{number}");
            record
        });
        status.decided(&decisions.collect::<Vec<_>>());
    }
    assert_eq!(status.decisions.len(), limits::OBJECT_DECISIONS_MAX);
    assert_eq!(status.decisions[0].text, "10");
}

#[test]
fn what_is_too_much_to_remember_is_refused_and_changes_nothing() {
    let (mut record, _) = started();
    let mut status = RolloutStatus::default();
    status.remember(&record).unwrap();
    let before = status.clone();
    record.rollout.as_mut().unwrap().outage = Some(tidegate_controller::engine::Outage {
        since: Timestamp::from_millis(0),
        reason: "x".repeat(limits::OBJECT_RECORD_BYTES_MAX),
    });
    let refused = status.remember(&record).unwrap_err();
    assert!(refused.bytes > limits::OBJECT_RECORD_BYTES_MAX);
    assert_eq!(status, before);
    assert_eq!(RolloutStatus::default().remembered().unwrap(), None);
    status.record = Some(json!({ "unknown": 1 }));
    assert!(status.remembered().is_err());
}
