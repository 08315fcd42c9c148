//! Reports of objects that a controller wrote, and of others.

#[path = "../../tests/api/objects.rs"]
mod objects;

use objects::BEGAN;
pub(crate) use objects::{memory, object};
use serde_json::{Value, json};
use tidegate_cluster::rollout_object::{Before, GateState};
use tidegate_controller::engine::Verb;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(BEGAN + 5_000);

fn read(object: &Value) -> Result<Seen, Failure> {
    Seen::read(&serde_json::from_value(object.clone()).unwrap())
}

#[test]
fn a_report_is_the_same_as_without_a_cluster() {
    let seen = read(&object("shop", &memory(&[Verb::Promote { full: false }]))).unwrap();
    let view = seen.view(NOW);
    assert_eq!((view.service.as_str(), view.stable.as_str()), ("shop", "v1"));
    assert_eq!(view.canary.as_ref().map(Name::as_str), Some("v2"));
    assert_eq!((view.epoch, view.notes.len()), (1, 0));
    let text = text::service(&view);
    for part in
        ["shop  progressing", "v2           canary        10% ###", "step 1 of 6 (10%, 20%, 30%, 40%, 50%, 100%)"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn decisions_have_their_numbers_and_their_evidence() {
    let mut memory = memory(&[Verb::Promote { full: false }, Verb::Pause]);
    let recent = memory.record.rollout.as_ref().unwrap().recent.len() as u64;
    assert!(recent >= 3, "{recent}");
    // There were other rollouts before.
    memory.record.decisions += 40;
    let explained = read(&object("shop", &memory)).unwrap().explained(NOW);
    let numbers: Vec<_> = explained.explanation.decisions.iter().map(|it| it.logged.number).collect();
    assert_eq!(numbers, (memory.record.decisions + 1 - recent..=memory.record.decisions).collect::<Vec<_>>());
    let text = explained.text();
    for part in ["alice paused at 10%", "rule command, by alice, at 10%"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn several_versions_are_told_of_one_after_the_other() {
    let mut memory = memory(&[Verb::Promote { full: false }, Verb::Pause]);
    let mut rival = memory.record.rollout.clone().unwrap();
    rival.rivals = vec![std::mem::replace(&mut rival.canary, "v3".parse().unwrap())];
    // More was decided of it than is kept.
    let last = rival.recent.last().unwrap().clone();
    rival.recent =
        (0..10).map(|i| Record { seq: 3 + i, at: Timestamp::from_millis(BEGAN + 1_000 + i), ..last.clone() }).collect();
    rival.seq = 12;
    memory.record.rivals.push(rival);
    memory.record.decisions += 12;
    let seen = read(&object("shop", &memory)).unwrap();
    let text = text::service(&seen.view(NOW));
    assert_eq!(text.matches("step 1 of 6").count(), 2, "{text}");
    let decisions = seen.explained(NOW).explanation.decisions;
    // Of what came before the oldest of those ten some may be missing, so none is shown.
    let numbers: Vec<_> = decisions.iter().map(|it| it.logged.number).collect();
    assert_eq!(numbers, (memory.record.decisions - 9..=memory.record.decisions).collect::<Vec<_>>());
}

#[test]
fn what_somebody_must_see_to_is_a_note() {
    let mut object = object("shop", &memory(&[]));
    object["status"]["conditions"] = json!([
        {"type": "TrafficManaged", "status": "False", "reason": "NotManaged", "message": "Make a route.",
            "lastTransitionTime": "2027-01-15T08:00:00Z"},
        {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "Fine.",
            "lastTransitionTime": "2027-01-15T08:00:00Z"},
    ]);
    for (written, seconds, notes) in [("08:00:00", 59, 1), ("08:00:00", 61, 2), ("08:00:30", 61, 1)] {
        object["metadata"]["managedFields"] = json!([
            {"manager": "kubectl", "time": "2027-01-15T08:00:00Z"},
            {"manager": "tidegate", "subresource": "status", "time": format!("2027-01-15T{written}Z")},
        ]);
        let at = Timestamp::from_millis(BEGAN + seconds * 1_000);
        let found = read(&object).unwrap().view(at).notes;
        assert_eq!(found.len(), notes, "{written}, {seconds}: {found:?}");
        assert_eq!(found[0], "Make a route.");
    }
}

#[test]
fn gates_of_the_version_that_is_tried_are_shown() {
    let gate = |version: &str, state| GateStatus {
        name: "migrate".to_owned(),
        version: version.to_owned(),
        before: Before::Traffic,
        state,
        job: format!("shop-migrate-{version}"),
        message: None,
    };
    let mut memory = memory(&[]);
    memory.gates = vec![gate("v1", GateState::Succeeded), gate("v2", GateState::Running)];
    let seen = read(&object("shop", &memory)).unwrap();
    for text in [seen.shown(NOW).text(), seen.explained(NOW).text()] {
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| line.starts_with("gate ")).collect();
        assert_eq!(lines, ["gate migrate, before traffic: Job shop-migrate-v2 runs"], "{text}");
    }
    let shown = serde_json::to_value(seen.shown(NOW)).unwrap();
    assert_eq!((&shown["gates"][0]["state"], &shown["canary"]), (&json!("Running"), &json!("v2")));
}

#[test]
fn conditions_that_ask_for_somebody_are_told() {
    let condition = |about: About, status: &str, reason: &str| Condition {
        type_: about.as_str().to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: "this".to_owned(),
        observed_generation: None,
        last_transition_time: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH),
    };
    for (about, status, reason, told) in [
        (About::Accepted, "False", "Invalid", true),
        (About::Accepted, "True", "Accepted", false),
        (About::TrafficManaged, "False", "NotManaged", true),
        (About::Conflicted, "True", "Conflicted", false),
        (About::Progressing, "False", "VersionsUnclear", true),
        (About::Progressing, "False", "Paused", false),
        (About::Degraded, "True", "NotUndone", true),
        (About::Degraded, "True", "GateRefused", true),
        (About::Degraded, "True", "Aborted", false),
    ] {
        assert_eq!(wrong(&[condition(about, status, reason)]).len(), usize::from(told), "{about:?} {reason}");
    }
}

#[test]
fn what_cannot_be_reported_says_why() {
    let good = object("shop", &memory(&[]));
    let mut newer = good.clone();
    let record = good["status"]["record"].as_str().unwrap().replacen('{', "{\"shadow\":1,", 1);
    newer["status"]["record"] = json!(record);
    let mut stranger = good.clone();
    stranger["spec"]["strategy"] = json!("shadow");
    let mut untouched = good.clone();
    untouched.as_object_mut().unwrap().remove("status");
    let mut faulty = untouched.clone();
    faulty["status"] = json!({"conditions": [{"type": "Accepted", "status": "False", "reason": "ServiceNotFound",
        "message": "spec.service: there is no Service web/shop.", "lastTransitionTime": "2027-01-15T08:00:00Z"}]});
    for (object, parts) in [
        (&newer, ["Rollout shop cannot be read (status.record: unknown field `shadow`", "of another version"]),
        (&stranger, ["unknown variant `shadow`", "of another version"]),
        (&untouched, ["nothing is known of Rollout shop yet", "no controller has looked at it"]),
        (&faulty, ["nothing is known of Rollout shop yet", "there is no Service web/shop"]),
    ] {
        let said = read(object).unwrap_err().to_string();
        for part in parts {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}
