//! What is remembered in a status comes back as it was.

use serde_json::json;
use tidegate_cluster::rollout_object::{
    Answered, Before, Decision, GateState, GateStatus, GivenWay, Memory, Phase, RolloutStatus, Size,
};
use tidegate_config::limits;
use tidegate_config::policy::{Policy, Strategy};
use tidegate_config::{RolloutId, Share, Span};
use tidegate_controller::engine::{Observation, Start, Status, Timestamp, decide};
use tidegate_controller::service_record::ServiceRecord;

/// What is remembered of a rollout that has just been started and looked at once.
fn started() -> Memory {
    let now = Timestamp::from_millis(1_800_000_000_000);
    let start = Start {
        rollout: "00000000000000ff".parse::<RolloutId>().unwrap(),
        service: "shop".parse().unwrap(),
        stable: "v1".parse().unwrap(),
        canary: "v2".parse().unwrap(),
        rivals: Vec::new(),
        revision: None,
        policy: Policy::of(Strategy::Canary),
        request_timeout: Span::from_secs(15),
        counts_per_visitor: 1,
        history: None,
    };
    let decision = decide(&Status::start(start, now), &Observation::default(), now);
    Memory {
        stable: "v1".parse().ok(),
        trusted: vec!["v0".parse().unwrap()],
        record: ServiceRecord { rollout: Some(decision.status), ..ServiceRecord::default() },
        answered: Some(Answered { id: "7".to_owned(), refused: Some("not now".to_owned()) }),
        ordinary: None,
        undone: None,
        scaled_down: None,
        given_way: Some(GivenWay {
            version: "v1".parse().unwrap(),
            revision: "5d4f".to_owned(),
            made: 1_790_000_000,
            workloads: vec![Size { kind: "Deployment".to_owned(), name: "shop-v1".to_owned(), replicas: 3 }],
        }),
        gates: vec![GateStatus {
            name: "migrate".to_owned(),
            version: "v2".to_owned(),
            before: Before::Traffic,
            state: GateState::Failed,
            job: "shop-migrate-0011223344".to_owned(),
            message: Some("exit code 3".to_owned()),
        }],
        decisions: decision.records.iter().map(Decision::of).collect(),
    }
}

#[test]
fn what_is_remembered_comes_back_as_it_was() {
    let memory = started();
    let mut status = RolloutStatus::default();
    status.remember(&memory, "pod-1").unwrap();
    // Through the wire and an API server, which writes whole floats without their dot, and takes numbers for floats.
    let wire = serde_json::to_string(&status).unwrap().replace(".0,", ",").replace(".0}", "}");
    let read: RolloutStatus = serde_json::from_str(&wire).unwrap();
    assert_eq!(read.remembered().unwrap(), Some(memory));
    assert_eq!((read.phase, read.share), (Some(Phase::Progressing), Some(Share::ZERO)));
    let name = |name: &Option<tidegate_config::Name>| name.as_ref().map(ToString::to_string);
    assert_eq!((name(&read.stable), name(&read.canary)), (Some("v1".to_owned()), Some("v2".to_owned())));
    let first = &read.decisions[0];
    assert_eq!((first.rule.as_str(), first.action.as_str(), first.actor.as_str()), ("start", "start", "tidegate"));
    assert_eq!(serde_json::to_value(&first.time).unwrap(), json!("2027-01-15T08:00:00Z"));
    let command = read.command.unwrap();
    assert_eq!((command.id.as_str(), command.done, command.message.as_deref()), ("7", false, Some("not now")));
    assert_eq!(read.leader.as_deref(), Some("pod-1"));
}

/// A text that cannot be made much shorter.
fn scattered(length: usize) -> String {
    let next = |seed: &u64| Some(seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
    std::iter::successors(Some(1_u64), next)
        .flat_map(|it| format!("{it:016x}").into_bytes())
        .take(length)
        .map(char::from)
        .collect()
}

#[test]
fn what_is_too_much_to_remember_is_refused_and_changes_nothing() {
    let mut memory = started();
    let mut status = RolloutStatus::default();
    status.remember(&memory, "pod-1").unwrap();
    let before = status.clone();
    memory.record.rollout.as_mut().unwrap().outage = Some(tidegate_controller::engine::Outage {
        since: Timestamp::from_millis(0),
        reason: scattered(3 * limits::OBJECT_RECORD_BYTES_MAX),
    });
    let refused = status.remember(&memory, "pod-1").unwrap_err();
    assert!(refused.bytes > limits::OBJECT_RECORD_BYTES_MAX);
    assert_eq!(status, before);
    // Nobody could read this again, however short it is.
    memory.record.rollout.as_mut().unwrap().outage.as_mut().unwrap().reason =
        "x".repeat(limits::OBJECT_RECORD_UNPACKED_BYTES_MAX);
    let refused = status.remember(&memory, "pod-1").unwrap_err();
    assert!(refused.bytes > limits::OBJECT_RECORD_UNPACKED_BYTES_MAX);
    assert_eq!(status, before);
    assert_eq!(RolloutStatus::default().remembered().unwrap(), None);
    status.record = Some("{\"unknown\": 1}".to_owned());
    assert!(status.remembered().is_err());
}
