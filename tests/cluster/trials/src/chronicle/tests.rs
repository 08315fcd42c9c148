//! Every fault that a chronicle is there for is found.

use tidegate_config::Span;
use tidegate_config::policy::{Policy, Strategy};
use tidegate_controller::engine::{Command, Observation, Start, Status, Timestamp, Verb, decide};
use tidegate_controller::ledger::Ledger;
use tidegate_controller::service_record::ServiceRecord;

use super::*;

/// What is remembered of a rollout after so many steps.
fn after(steps: usize) -> Memory {
    let now = Timestamp::from_millis(1_800_000_000_000);
    let start = Start {
        rollout: "00000000000000ff".parse().unwrap(),
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
    let mut status = decide(&Status::start(start, now), &Observation::default(), now).status;
    for _ in 0..steps {
        let command = Some(Command::new(Verb::Promote { full: false }, "alice".to_owned()));
        status = decide(&status, &Observation { command, ..Observation::default() }, now).status;
    }
    let decisions = status.recent.len() as u64;
    let epochs = Ledger::after(steps as u64);
    Memory {
        record: ServiceRecord { epochs, rollout: Some(status), decisions, ..ServiceRecord::default() },
        ..Memory::default()
    }
}

fn told(memories: &[Memory]) -> Chronicle {
    let mut chronicle = Chronicle::default();
    for memory in memories {
        let mut status = RolloutStatus::default();
        status.remember(memory, "controller-1").unwrap();
        chronicle.note(&status, Timestamp::from_millis(1_800_000_000_000));
    }
    chronicle
}

/// A memory of which something is not as it was.
fn changed(mut memory: Memory, change: impl FnOnce(&mut ServiceRecord)) -> Memory {
    change(&mut memory.record);
    memory
}

/// The last advance.
fn last(record: &mut ServiceRecord) -> &mut Record {
    let recent = record.rollout.as_mut().unwrap().recent.iter_mut();
    recent.filter(|record| record.action == Action::Advance).last().unwrap()
}

#[test]
fn an_undisturbed_history_has_no_fault() {
    let chronicle = told(&[after(0), after(0), after(1), after(2)]);
    assert_eq!(chronicle.faults, Vec::<String>::new());
    let percents: Vec<String> = chronicle.rollouts[0].shares().iter().map(Share::to_string).collect();
    assert_eq!(percents, ["10%", "20%"]);
    assert_eq!((chronicle.statuses, chronicle.leaders.len()), (4, 1));
}

#[test]
fn faults_are_found() {
    let cases: [(Vec<Memory>, &str); 6] = [
        (vec![after(2), after(1)], "epoch 1 after 2"),
        (vec![after(1), changed(after(1), |it| it.decisions = 0)], "0 decisions after 4"),
        (vec![after(1), changed(after(1), |it| last(it).actor = "bob".to_owned())], "was made twice"),
        (vec![changed(after(2), |it| last(it).from = Share::ALL)], "begins at 100%, not 10%"),
        (vec![changed(after(2), |it| drop(it.rollout.as_mut().unwrap().recent.remove(1)))], "decision 3 after 1"),
        (
            vec![
                changed(after(1), |it| it.rollout.as_mut().unwrap().phase = Phase::Aborted),
                changed(after(1), |it| it.rollout.as_mut().unwrap().phase = Phase::Progressing),
            ],
            "is Progressing after Aborted",
        ),
    ];
    for (memories, fault) in cases {
        let faults = told(&memories).faults;
        assert!(faults.iter().any(|found| found.contains(fault)), "{fault}: {faults:?}");
    }
}

#[test]
fn a_step_twice_is_found() {
    let twice = changed(after(2), |it| {
        let to = last(it).from;
        last(it).to = to;
        last(it).action = Action::Advance;
    });
    let faults = told(&[twice]).faults;
    assert!(faults.iter().any(|fault| fault.ends_with("advances to 10%")), "{faults:?}");
}
