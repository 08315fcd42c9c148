//! PURE. Whether those who wait for a Deployment wait as long as its rollout may take (`progressDeadlineSeconds`): pods that are
//! held are no progress.

use tidegate_config::Span;

use super::object::Asked;
use crate::rollout_object::Memory;
use crate::versions::deployment_of;
use crate::webhook::unheld;
use crate::world::World;

/// What Kubernetes takes where a Deployment does not say.
const DEFAULT_SECONDS: u64 = 600;

/// What to write where they do not, with the field; `None` where they do, and where nothing is held.
pub(super) fn too_short(world: &World, asked: &Asked, memory: &Memory) -> Option<String> {
    let status = memory.record.under_way()?;
    let deployment = deployment_of(world, &asked.service)?;
    let spec = world.deployments.get(&deployment)?.spec.as_ref()?;
    let given = spec.progress_deadline_seconds.map_or(DEFAULT_SECONDS, |it| u64::try_from(it).unwrap_or_default());
    let steps = status.least_ms();
    // Where gates open with the share, every step is progress.
    let least = if asked.follows() { steps.iter().copied().max() } else { Some(steps.iter().sum()) };
    let least = least.unwrap_or_default().div_ceil(1_000);
    if least < given || unheld(world, asked, memory).is_some() {
        return None;
    }
    let enough = status.policy.deadline.millis().div_ceil(1_000).max(least + 1);
    Some(format!(
        "Deployment {deployment}: spec.progressDeadlineSeconds: {given} is over before this rollout can be, whose soaks and \
         warm-up take {}: whoever waits for the Deployment (kubectl rollout status, Helm, Argo CD, Flux) gives up before, \
         and the rollout goes on; allowed: {enough} or more",
        Span::from_secs(u32::try_from(least).unwrap_or(u32::MAX))
    ))
}

#[cfg(test)]
mod tests {
    use tidegate_config::Capacity;
    use tidegate_controller::engine::Timestamp;
    use tidegate_controller::proxies::Proxies;

    use super::*;
    use crate::lead::{Case, Served};
    use crate::manifests::{add, asked, deployment, moment, updating};

    /// What is told of a rollout with these steps, of a Deployment with that deadline.
    fn told(steps: &[&str], deadline: Option<u32>, change: impl FnOnce(&mut Asked)) -> Option<String> {
        let mut world = updating();
        let field = deadline.map_or(String::new(), |it| format!("progressDeadlineSeconds: {it}, "));
        let ready = deployment("shop", 3, 1, "2026-01-01T00:00:00Z")
            .replace("spec: {replicas", &format!("spec: {{{field}replicas"))
            .replace("status: {", "status: {readyReplicas: 3, ");
        add(&mut world, &ready);
        let mut asked = asked("shop");
        asked.policy.steps = Some(steps.iter().map(|step| step.parse().unwrap()).collect());
        change(&mut asked);
        let now = Timestamp::from_millis(1_700_000_000_000);
        let memory = Memory { stable: "aa".parse().ok(), ..Memory::new(now) };
        let mut case = Case::new(asked.clone(), memory, now);
        let ours = Served { managed: true, ..Served::default() };
        case.look(&moment(&world, &Proxies::default(), &ours, now), None);
        assert!(case.memory.record.under_way().is_some());
        too_short(&world, &asked, &case.memory)
    }

    #[test]
    fn the_deadline_of_a_deployment_is_compared_with_the_least_that_a_rollout_takes() {
        // The warm-up is 30 seconds, and the last step is the promotion.
        let steps = ["10% 285s", "50% 284s", "100% 1h"];
        let longer = ["10% 285s", "50% 285s", "100% 1h"];
        for (steps, deadline, expected) in [
            (steps, None, None),
            (longer, None, Some("600 is over before this rollout can be, whose soaks and warm-up take 10m: ")),
            (longer, Some(601), None),
            (steps, Some(100), Some("progressDeadlineSeconds: 100 is over")),
        ] {
            let told = told(&steps, deadline, |_| ());
            match (&told, expected) {
                (None, None) => {}
                (Some(told), Some(expected)) => {
                    assert!(told.contains(expected) && told.ends_with("allowed: 3600 or more"), "{told}");
                }
                _ => panic!("{steps:?} {deadline:?}: {told:?}"),
            }
        }
        let follows = |asked: &mut Asked| asked.capacity = Capacity::Follow;
        assert_eq!(told(&longer, None, follows), None, "every step is progress");
        assert!(told(&["50% 570s", "100%"], None, follows).is_some(), "one of them is too long");
    }
}
