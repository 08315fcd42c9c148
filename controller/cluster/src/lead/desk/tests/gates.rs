//! Gates that are Jobs, from the decision to wait for one to its end.

use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;
use tidegate_controller::engine::{Hold, Rule};

use super::*;
use crate::lead::gating;
use crate::manifests::{SERVICE, add, deployment, pod, replica_set, world};
use crate::rollout_object::{Before, GATE_LABEL, Gate, GateState, VERSION_LABEL};

/// A gate `NAME` before something.
pub(super) fn gate(name: &str, before: &str) -> Gate {
    let text = format!(
        "{{name: {name}, before: {before}, job: {{template: {{spec: {{restartPolicy: Never, containers: [{{name: a, image: \
         b}}]}}}}}}}}"
    );
    serde_saphyr::from_str(&text).unwrap()
}

impl Office {
    fn with(gates: &[Gate]) -> Self {
        let mut office = Self::new();
        Arc::make_mut(office.stored.asked.as_mut().unwrap()).gates = gates.to_vec().into();
        office.desk = Desk::new("me");
        office.desk.take(&[Arc::new(office.stored.clone())], at(0));
        office
    }

    fn hold(&self) -> Option<Hold> {
        self.stored.memory.as_ref()?.record.rollout.as_ref()?.hold.map(|held| held.reason)
    }

    fn states(&self) -> Vec<(String, GateState)> {
        let gates = &self.stored.memory.as_ref().unwrap().gates;
        gates.iter().map(|gate| (gate.name.clone(), gate.state)).collect()
    }

    /// The Jobs that are to be made now.
    pub(super) fn due_jobs(&mut self, now: Timestamp) -> Vec<Job> {
        let works = self.desk.jobs(&self.world, now).into_iter();
        works.filter_map(|(_, work)| if let JobWork::Make(job) = work { Some(*job) } else { None }).collect()
    }

    /// A Job is there, with a condition that holds.
    pub(super) fn has(&mut self, job: &Job, condition: Option<&str>) {
        let mut job = job.clone();
        let text = condition.map_or("{}".to_owned(), |kind| {
            format!(
                "{{conditions: [{{type: {kind}, status: 'True', reason: BackoffLimitExceeded, message: too often}}]}}"
            )
        });
        job.status = serde_saphyr::from_str(&text).unwrap();
        self.world.jobs.insert(Key::of(&job), Arc::new(job));
    }

    /// Looks often enough for anything that is due.
    fn later(&mut self, second: &mut u64) {
        for _ in 0..3 {
            *second += 2;
            self.turn(at(*second * 1_000));
        }
    }
}

#[test]
fn a_job_is_made_once_it_is_written_down_and_holds_the_share_until_it_succeeds() {
    let mut office = Office::with(&[gate("migrate", "traffic")]);
    let mut second = 0;
    assert!(office.due_jobs(at(0)).is_empty(), "nothing is written yet");
    office.turn(at(100));
    assert_eq!(office.states(), [("migrate".to_owned(), GateState::Waiting)]);
    let jobs = office.due_jobs(at(101));
    let [job] = jobs.as_slice() else { panic!("{jobs:?}") };
    assert!(job.name_any().starts_with("shop-migrate-") && job.name_any().len() == "shop-migrate-".len() + 10);
    assert_eq!((job.labels()[GATE_LABEL].as_str(), job.labels()[VERSION_LABEL].as_str()), ("migrate", "bb"));
    let pods = job.spec.as_ref().unwrap().template.clone();
    assert_eq!(pods.metadata.unwrap().labels.as_ref(), Some(job.labels()));
    let policy = pods.spec.unwrap().containers[0].termination_message_policy.clone();
    assert_eq!(policy.as_deref(), Some("FallbackToLogsOnError"));
    assert!(office.due_jobs(at(200)).is_empty(), "it is on its way");
    // A successor, before the Job is seen, wants the same one.
    let mut successor = Desk::new("other");
    std::mem::swap(&mut office.desk, &mut successor);
    office.desk.take(&[Arc::new(office.stored.clone())], at(300));
    assert!(office.due_jobs(at(301)).is_empty(), "not before it has stamped the object");
    office.turn(at(302));
    assert_eq!(office.due_jobs(at(303)), jobs);
    office.has(job, None);
    office.later(&mut second);
    assert_eq!((office.states()[0].1, office.hold()), (GateState::Running, Some(Hold::Gate)));
    assert!(office.due_jobs(at(second * 1_000 + 60_000)).is_empty());
    office.has(job, Some("Complete"));
    office.later(&mut second);
    assert_eq!(office.states()[0].1, GateState::Succeeded);
    assert_ne!(office.hold(), Some(Hold::Gate), "and it goes on");
    office.world.jobs.clear();
    office.later(&mut second);
    assert_eq!(office.states()[0].1, GateState::Succeeded, "whatever becomes of the Job");
    assert!(office.due_jobs(at(second * 1_000)).is_empty());
}

#[test]
fn a_job_that_fails_aborts_and_is_not_made_again() {
    let mut office = Office::with(&[gate("migrate", "traffic")]);
    let mut second = 0;
    office.turn(at(100));
    let job = office.due_jobs(at(101)).remove(0);
    office.has(&job, Some("Failed"));
    let said = format!(
        "\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: default, labels: {{{GATE_LABEL}: migrate, \
         batch.kubernetes.io/job-name: {}, app: shop}}}}\nstatus: {{phase: Failed, containerStatuses: [{{name: a, image: b, \
         imageID: c, ready: false, restartCount: 0, state: {{terminated: {{exitCode: 3, message: \"no column 'price'\"}}}}}}]}}\n",
        job.name_any()
    );
    add(&mut office.world, &said);
    office.later(&mut second);
    assert_eq!(office.phase(), Some(Phase::Aborted));
    let memory = office.stored.memory.clone().unwrap();
    let last = memory.record.rollout.as_ref().unwrap().recent.last().unwrap().clone();
    assert_eq!((last.rule, last.action), (Rule::Gate, Action::Abort));
    let why = format!(
        "gate migrate failed (Job {}): BackoffLimitExceeded: too often; its pod: exit code 3: no column 'price'",
        job.name_any()
    );
    assert!(last.text.contains(&why), "{}", last.text);
    office.world.jobs.clear();
    office.later(&mut second);
    assert_eq!((office.phase(), office.states()[0].1), (Some(Phase::Aborted), GateState::Failed));
    assert!(office.due_jobs(at(second * 1_000)).is_empty(), "no second time for that version");
}

#[test]
fn a_job_that_is_deleted_while_it_runs_has_failed() {
    let mut office = Office::with(&[gate("migrate", "traffic")]);
    let mut second = 0;
    office.turn(at(100));
    let job = office.due_jobs(at(101)).remove(0);
    office.has(&job, None);
    office.later(&mut second);
    office.world.jobs.clear();
    office.later(&mut second);
    assert_eq!((office.phase(), office.states()[0].1), (Some(Phase::Aborted), GateState::Failed));
}

#[test]
fn what_the_api_server_refuses_is_told_in_its_words_and_tried_again() {
    let mut office = Office::with(&[gate("migrate", "traffic")]);
    office.turn(at(100));
    let job = office.due_jobs(at(101)).remove(0).name_any();
    let says = |office: &Office| {
        let found = office.stored.conditions.iter().find(|it| it.type_ == "Degraded").cloned().unwrap();
        (found.status, found.reason, found.message)
    };
    let key = office.stored.key.clone();
    office.desk.made(&key, &job, Some("spec.template.spec.volumes[0].name: Required value".into()), at(102));
    office.turn(at(2_000));
    assert_eq!(office.states()[0].1, GateState::Refused);
    let (status, reason, message) = says(&office);
    assert_eq!((status.as_str(), reason.as_str()), ("True", "GateRefused"));
    assert!(message.contains(&job) && message.contains("volumes[0].name: Required value"), "{message}");
    assert_eq!(office.phase(), Some(Phase::Progressing), "nothing has run, so nothing has failed");
    assert!(office.due_jobs(at(2_001)).is_empty());
    assert_eq!(office.due_jobs(at(12_001)).len(), 1, "again");
    office.desk.made(&key, &job, None, at(12_002));
    office.turn(at(14_000));
    assert_eq!((office.states()[0].1, says(&office).0), (GateState::Waiting, "False".to_owned()));
}

#[test]
fn a_job_before_promotion_is_made_at_the_last_step() {
    let mut office = Office::with(&[gate("scan", "promotion")]);
    office.turn(at(100));
    assert!(office.states().is_empty() && office.due_jobs(at(101)).is_empty(), "two steps are before it");
    let mut office = Office::with(&[gate("scan", "promotion")]);
    let asked = Arc::make_mut(office.stored.asked.as_mut().unwrap());
    asked.policy.steps = Some(vec!["100%".parse().unwrap()]);
    office.desk = Desk::new("me");
    office.desk.take(&[Arc::new(office.stored.clone())], at(0));
    office.turn(at(100));
    assert_eq!(office.due_jobs(at(101)).len(), 1);
}

/// A later version: `cc` instead of `bb`.
fn superseded() -> World {
    let mut text = SERVICE.to_owned() + &deployment("shop", 3, 1, "2026-01-01T00:00:00Z");
    text += &(replica_set("shop", "aa", 1, 3) + &replica_set("shop", "cc", 3, 1) + &pod("shop-cc", 0, "", "shut"));
    (0..3).for_each(|i| text += &pod("shop-aa", i, "", "none"));
    world(&text)
}

#[test]
fn another_version_waits_for_what_runs_and_has_a_job_of_its_own() {
    let mut office = Office::with(&[gate("migrate", "traffic")]);
    let mut second = 0;
    office.turn(at(100));
    let first = office.due_jobs(at(101)).remove(0);
    office.has(&first, None);
    office.later(&mut second);
    let jobs = office.world.jobs.clone();
    office.world = World { jobs, ..superseded() };
    office.later(&mut second);
    let states = [GateState::Running, GateState::Waiting];
    assert_eq!(office.states().iter().map(|(_, state)| *state).collect::<Vec<_>>(), states);
    assert!(office.due_jobs(at(second * 1_000)).is_empty(), "two migrations at once do harm");
    office.has(&first, Some("Complete"));
    office.later(&mut second);
    let next = office.due_jobs(at(second * 1_000)).remove(0);
    assert_ne!(next.name_any(), first.name_any());
    assert_eq!(next.labels()[VERSION_LABEL], "cc");
}

#[test]
fn a_superseded_version_gets_no_job() {
    let mut office = Office::with(&[gate("migrate", "traffic")]);
    let mut second = 0;
    office.turn(at(100));
    office.world = superseded();
    office.later(&mut second);
    let jobs = office.due_jobs(at(second * 1_000));
    assert_eq!(jobs.iter().map(|job| job.labels()[VERSION_LABEL].clone()).collect::<Vec<_>>(), ["cc"]);
    let memory = office.stored.memory.clone().unwrap();
    assert_eq!(memory.gates.len(), 1, "what was not begun is forgotten: {:?}", memory.gates);
}

#[test]
fn jobs_are_kept_for_the_version_before_and_deleted_after_that() {
    let mut office = Office::with(&[gate("migrate", "traffic")]);
    let mut second = 0;
    office.turn(at(100));
    let mut old = office.due_jobs(at(101)).remove(0);
    office.has(&old, Some("Complete"));
    office.later(&mut second);
    old.metadata.name = Some("shop-migrate-ffffffffff".into());
    old.metadata.uid = Some("u7".into());
    old.labels_mut().insert(VERSION_LABEL.to_owned(), "99".to_owned());
    office.has(&old, None);
    assert!(office.desk.jobs(&office.world, at(second * 1_000)).is_empty(), "it runs");
    office.has(&old, Some("Complete"));
    let works = office.desk.jobs(&office.world, at(second * 1_000));
    assert_eq!(works, [(office.stored.key.clone(), JobWork::Delete(Key::of(&old), "u7".into()))], "and no other");
}

/// A pod is not scheduled yet.
pub(super) fn unscheduled(world: &mut World, name: &str) {
    let (key, pod) = world.pods.iter().find(|(key, _)| key.name == name).unwrap();
    let (key, mut pod) = (key.clone(), (**pod).clone());
    pod.spec.as_mut().unwrap().scheduling_gates = serde_saphyr::from_str("[{name: tidegate.dev/migration}]").unwrap();
    pod.status = None;
    world.pods.insert(key, Arc::new(pod));
}

/// The names of the pods that may start.
pub(super) fn starts(office: &Office) -> Vec<String> {
    let starts = gating(&office.world, &[Arc::new(office.stored.clone())], &office.served).starts;
    starts.iter().map(|pod| pod.name_any()).collect()
}

#[test]
fn pods_start_when_what_must_be_done_before_has_succeeded() {
    let mut office = Office::with(&[gate("migrate", "start")]);
    let mut second = 0;
    add(
        &mut office.world,
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop, namespace: default}\nspec: {replicas: 3}\nstatus: {readyReplicas: 3}\n",
    );
    unscheduled(&mut office.world, "shop-bb-0");
    office.turn(at(100));
    assert_eq!(office.phase(), Some(Phase::Progressing), "it is tried though no pod of it can take a visitor");
    let job = office.due_jobs(at(101)).remove(0);
    assert!(starts(&office).is_empty());
    office.has(&job, None);
    office.later(&mut second);
    assert!(starts(&office).is_empty());
    office.has(&job, Some("Complete"));
    office.later(&mut second);
    assert_eq!(starts(&office), ["shop-bb-0"]);
    assert_eq!(office.hold(), Some(Hold::Gate), "and nobody visits it before it has a pod");
    // Who is asked for nothing any more holds nobody.
    let mut office = Office::with(&[]);
    unscheduled(&mut office.world, "shop-bb-0");
    office.turn(at(100));
    assert_eq!(starts(&office), ["shop-bb-0"]);
}

#[test]
fn what_cannot_be_held_before_its_start_is_refused_with_the_field() {
    let mut office = Office::with(&[gate("scan", "traffic"), gate("migrate", "start")]);
    add(
        &mut office.world,
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: shop, namespace: default}\nspec: {replicas: 3, strategy: {type: Recreate}}\n",
    );
    office.turn(at(100));
    let refused = office.stored.memory.as_ref().unwrap().gates[1].clone();
    assert_eq!((refused.before, refused.state), (Before::Start, GateState::Refused));
    let message = refused.message.unwrap();
    assert!(
        message.starts_with("spec.gates[1].before: start: ") && message.contains("spec.strategy.type"),
        "{message}"
    );
    assert_eq!(office.due_jobs(at(101)).len(), 1, "the scan alone");
}
