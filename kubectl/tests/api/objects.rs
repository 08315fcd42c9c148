//! Rollout objects as a controller writes them.

use serde_json::{Value, json};
use tidegate_cluster::rollout_object::{Decision, Memory, RolloutStatus};
use tidegate_config::policy::{Policy, Strategy};
use tidegate_config::{Arm, RolloutId, Share, Span};
use tidegate_controller::engine::{Command, Observation, Start, Status, Timestamp, Verb, decide};
use tidegate_controller::ledger::Ledger;
use tidegate_controller::service_record::ServiceRecord;

/// 2027-01-15T08:00:00Z.
pub(crate) const BEGAN: u64 = 1_800_000_000_000;

/// What is remembered of a rollout that was started, and commanded since: so often as `verbs` has it.
pub(crate) fn memory(verbs: &[Verb]) -> Memory {
    let now = Timestamp::from_millis(BEGAN);
    let rollout = "00000000000000ff".parse::<RolloutId>().unwrap();
    let start = Start {
        rollout,
        service: "shop.web".parse().unwrap(),
        stable: "v1".parse().unwrap(),
        canary: "v2".parse().unwrap(),
        rivals: Vec::new(),
        revision: None,
        policy: Policy::of(Strategy::Canary),
        request_timeout: Span::from_secs(15),
        counts_per_visitor: 1,
        history: None,
    };
    let mut decision = decide(&Status::start(start, now), &Observation::default(), now);
    let mut records = decision.records.clone();
    for verb in verbs {
        let command = Some(Command::new(*verb, "alice".to_owned()));
        decision = decide(&decision.status, &Observation { command, ..Observation::default() }, now);
        records.append(&mut decision.records);
    }
    let share = decision.status.share;
    let rest = Share::from_ppm(Share::ALL.ppm() - share.ppm()).unwrap();
    let arms = [("v2", share), ("v1", rest)].map(|(version, share)| Arm::new(version.parse().unwrap(), share));
    let mut epochs = Ledger::default();
    epochs.issue(&arms, Some(rollout));
    let decisions = records.len() as u64;
    let record = ServiceRecord { epochs, rollout: Some(decision.status), decisions, ..ServiceRecord::default() };
    let decisions = records.iter().map(Decision::of).collect();
    Memory { stable: "v1".parse().ok(), record, decisions, ..Memory::default() }
}

/// An object in which that is written.
pub(crate) fn object(name: &str, memory: &Memory) -> Value {
    let mut status = RolloutStatus::default();
    status.remember(memory, "controller-1").unwrap();
    json!({
        "apiVersion": "tidegate.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {
            "name": name,
            "namespace": "web",
            "uid": "u-1",
            "resourceVersion": "1",
            "creationTimestamp": "2027-01-15T08:00:00Z",
        },
        "spec": { "service": "shop", "strategy": "canary" },
        "status": serde_json::to_value(&status).unwrap(),
    })
}
