//! PURE. How a rollout stands, as conditions of its object.

use std::fmt::Write;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tidegate_config::Name;
use tidegate_controller::engine::Phase;

use super::case::Moment;
use super::fault::Fault;
use super::object::Asked;
use super::ordinary;
use super::recreate;
use super::undo;
use super::work::Work;
use crate::rollout_object::conditions::{About, Known};
use crate::rollout_object::{GateState, GateStatus, Memory, word};
use crate::site::{Site, Unreleasable};
use crate::versions::{Held, TEMPLATE_HASH, Way, is_open, selected, stays, takeovers};
use crate::webhook::unheld;
use crate::world::World;

/// How a rollout stands that is worked on.
pub(super) fn standing(
    asked: &Asked,
    memory: &Memory,
    seen: &Result<Site, Unreleasable>,
    moment: &Moment<'_>,
    note: Option<&str>,
) -> Vec<Known> {
    let mut all = of_object(moment.fault);
    if let (None, Ok(Site { way: Way::Workloads, .. }), true) = (moment.fault, seen, asked.follows()) {
        let message = format!(
            "spec.capacity: follow: the versions of Service {} are separate workloads, each of which has the pods that are \
             asked for it; allowed: wait or ignore. It waits.",
            asked.service
        );
        all[0] = known(About::Accepted, false, "Invalid", message);
    }
    let work = Work { world: moment.world, owner: moment.owner, asked };
    if let (None, Ok(Site { way: Way::InPlace(deployment), .. }), false) =
        (moment.fault, seen, asked.canaries.is_empty())
    {
        let message = format!(
            "spec.canaries: Deployment {deployment} is updated in place; it needs a workload for each version. Nothing is \
             tried."
        );
        all[0] = known(About::Accepted, false, "Invalid", message);
    }
    let canary = seen.as_ref().ok().and_then(|site| Some((site, site.service.canary.as_ref()?)));
    let at_start = memory.record.under_way().is_none_or(|status| status.step.is_none());
    let missing = canary.filter(|_| at_start).and_then(|(site, canary)| recreate::impossible(&work, site, canary));
    if let (None, Some(missing)) = (moment.fault, missing) {
        all[0] = known(About::Accepted, false, "Invalid", format!("{missing}. It waits."));
    }
    all.push(traffic(asked, memory, moment));
    let held = undo::impossible(moment.world, asked, memory);
    let mut rollout = of_rollout(memory, seen.as_ref().err(), held);
    // One that was tried already may go, whatever became of it.
    let tried = |name: &&Name| memory.record.tried().any(|status| status.canary == **name);
    let missing = seen.as_ref().map(|site| site.missing.as_slice()).unwrap_or_default();
    let missing: Vec<&str> = missing.iter().filter(|name| !tried(name)).map(Name::as_str).collect();
    if let (false, Some(progressing)) = (missing.is_empty(), rollout.first_mut()) {
        let all = missing.join(", ");
        let message = format!("spec.canaries: no pod of {all} can take visitors yet. Nothing starts before.");
        *progressing = known(About::Progressing, false, "VersionsMissing", message);
    }
    if let (Some(note), Some(progressing)) = (note, rollout.first_mut()) {
        let _ = write!(progressing.message, " {note}.");
    }
    all.extend(rollout);
    all
}

/// How an object stands that says nothing that could be done.
pub(super) fn of_object(fault: Option<&Fault>) -> Vec<Known> {
    let conflicted = fault.filter(|fault| matches!(fault, Fault::Conflicted(_)));
    let conflict = match conflicted {
        Some(fault) => known(About::Conflicted, true, fault.reason(), fault.to_string()),
        None => known(About::Conflicted, false, "Alone", "No other Rollout has this workload."),
    };
    let accepted = match fault {
        Some(fault) => {
            known(About::Accepted, false, fault.reason(), format!("{fault}. The last good state stays in force."))
        }
        None => known(About::Accepted, true, "Accepted", "What is asked for is carried out."),
    };
    vec![accepted, conflict]
}

fn traffic(asked: &Asked, memory: &Memory, moment: &Moment<'_>) -> Known {
    if moment.served.managed {
        let count = moment.served.targets.len();
        let (mut reason, mut message) = ("Managed", format!("Visitors come through {count} of our proxies."));
        if asked.inject && lacks_sidecars(asked, moment.world) {
            reason = "SidecarsMissing";
            message += " Some of its pods have no sidecar, which it asks for: whoever comes to them by the Service passes us by. \
                        Restart them once (kubectl rollout restart), unless an Event SidecarNotInjected says why they can have none.";
        }
        if let Some(problem) = unheld(moment.world, asked, memory) {
            let _ = write!(message, " New pods are not held: {problem}.");
        } else if let Some(told) = slipped(asked, memory, moment.world) {
            reason = "PodsNotHeld";
            let _ = write!(message, " {told}");
        }
        return known(About::TrafficManaged, true, reason, message);
    }
    let what_to_do = if asked.inject {
        "Its pods get one when they are created next: restart them once (kubectl rollout restart)."
    } else {
        "Make a route to it, or ask for the sidecar (spec.inject: true) and restart the pods once."
    };
    let message = format!(
        "No route of our Gateways leads to Service {} alone, and not all of its pods have a sidecar: an update is an \
         ordinary one. {what_to_do}",
        asked.service
    );
    known(About::TrafficManaged, false, "NotManaged", message)
}

/// Whether pods of a Service have no sidecar, though it has other ways to pass us. Not how many: that changes with every pod.
fn lacks_sidecars(asked: &Asked, world: &World) -> bool {
    selected(world, &asked.service).iter().any(|pod| stays(pod) && takeovers(pod).is_none())
}

/// Pods of a version that is tried which no gate holds: the webhook fails open.
fn slipped(asked: &Asked, memory: &Memory, world: &World) -> Option<String> {
    memory.record.under_way().filter(|_| !asked.recreates())?;
    let is_tried = |pod: &Arc<Pod>| {
        let labels = [TEMPLATE_HASH, &asked.label].map(|label| pod.labels().get(label).map(String::as_str));
        memory.record.tried().any(|status| labels.contains(&Some(status.canary.as_str())))
    };
    let slipped = |pod: &&Arc<Pod>| stays(pod) && is_open(pod) == Held::Ungated;
    let pods = selected(world, &asked.service);
    let names: Vec<String> =
        pods.iter().filter(slipped).filter(|pod| is_tried(pod)).map(|pod| pod.name_any()).collect();
    let first = names.first()?;
    Some(format!(
        "Pods of the version that is tried are not held, {} of them, such as {first}: the webhook did not answer when they were \
         created. They are ready whatever the share is; delete them, and others come that wait.",
        names.len()
    ))
}

fn of_rollout(memory: &Memory, unreleasable: Option<&Unreleasable>, held_after: Option<String>) -> Vec<Known> {
    let status = memory.record.rollout.as_ref();
    let texts = memory.record.tried().filter_map(|status| status.recent.last()).map(|last| last.text.as_str());
    let last = texts.collect::<Vec<_>>().join(" ");
    let phase = status.map(|status| status.phase);
    let (progresses, reason) = match (phase, unreleasable) {
        (_, Some(_)) => (false, "VersionsUnclear".to_owned()),
        (None, None) => (false, "NoNewVersion".to_owned()),
        (Some(Phase::Progressing), None) => {
            let held = status.and_then(|status| status.hold).map(|held| capital(&word(&held.reason)));
            (true, held.unwrap_or_else(|| "Progressing".to_owned()))
        }
        (Some(phase), None) => (false, capital(&word(&phase))),
    };
    let over = phase.is_none_or(Phase::is_over);
    let (reason, message) = match (ordinary::message(memory), unreleasable) {
        (_, Some(why)) => (reason, why.to_string()),
        (Some(told), None) if over => ("UpdatedUnjudged".to_owned(), told),
        (_, None) => (reason, last.clone()),
    };
    let paused = phase == Some(Phase::Paused);
    let degraded = match (phase, unreleasable) {
        (Some(Phase::Aborted), _) => {
            let reason = if held_after.is_some() { "NotUndone" } else { "Aborted" };
            let all: Vec<String> = [Some(last), held_after].into_iter().flatten().collect();
            known(About::Degraded, true, reason, all.join(" "))
        }
        (Some(Phase::Undecided), _) => known(About::Degraded, true, "Undecided", last),
        (Some(_), None) if let Some(why) = refused(&memory.gates) => known(About::Degraded, true, "GateRefused", why),
        (Some(phase), Some(why)) if !phase.is_over() => {
            known(About::Degraded, true, "VersionsUnclear", why.to_string())
        }
        _ => known(About::Degraded, false, "AsExpected", ""),
    };
    let held = if paused { ("Paused", message.clone()) } else { ("NotPaused", String::new()) };
    vec![
        known(About::Progressing, progresses, &reason, message),
        known(About::Paused, paused, held.0, held.1),
        degraded,
    ]
}

/// The gates whose Jobs cannot be made.
fn refused(gates: &[GateStatus]) -> Option<String> {
    let refused = gates.iter().filter(|gate| gate.state == GateState::Refused);
    let why = |gate: &GateStatus| {
        let message = gate.message.as_deref().unwrap_or_default();
        format!("gate {}: Job {} cannot be made: {message}", gate.name, gate.job)
    };
    let all: Vec<String> = refused.map(why).collect();
    (!all.is_empty()).then(|| all.join(". "))
}

fn known(about: About, holds: bool, reason: &str, message: impl Into<String>) -> Known {
    Known { about, holds: Some(holds), reason: reason.to_owned(), message: message.into() }
}

/// A word as the API writes reasons.
fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}
