//! PURE. Whether the update of a Deployment can be held without harm: while new pods wait, enough old ones must stay.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tidegate_config::Problem;

/// What Kubernetes takes where a Deployment names neither.
const DEFAULT: &str = "25%";

/// Says which field stands in the way of a gate, and what to write there.
pub fn is_gateable(deployment: &Deployment) -> Result<(), Problem> {
    let spec = deployment.spec.as_ref();
    let strategy = spec.and_then(|spec| spec.strategy.as_ref());
    if let Some(other) = strategy.and_then(|strategy| strategy.type_.as_deref()).filter(|it| *it != "RollingUpdate") {
        let wrong = format!("{other} removes the old pods before the new ones serve");
        return Err(problem("spec.strategy.type", wrong, "RollingUpdate"));
    }
    let replicas = u64::try_from(spec.and_then(|spec| spec.replicas).unwrap_or(1)).unwrap_or_default();
    let update = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
    let surge = resolve("maxSurge", update.and_then(|update| update.max_surge.as_ref()), replicas, u64::div_ceil)?;
    let unavailable = update.and_then(|update| update.max_unavailable.as_ref());
    let unavailable = resolve("maxUnavailable", unavailable, replicas, |part, whole| part / whole)?;
    if surge == 0 {
        let wrong = "no pod beside the old ones: a new one that waits would replace one that serves";
        return Err(problem("spec.strategy.rollingUpdate.maxSurge", wrong, "1 or more"));
    }
    if replicas == 0 {
        return Err(problem("spec.replicas", "0: nobody is served", "1 or more"));
    }
    if replicas <= unavailable {
        let wrong = format!("{unavailable} of {replicas} replicas: all old pods may leave while new ones wait");
        let allowed = format!("at most {}; 0 keeps all of them", replicas - 1);
        return Err(problem("spec.strategy.rollingUpdate.maxUnavailable", wrong, allowed));
    }
    if deployment.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or_default() < 1 {
        let wrong = "0: while a new revision waits, nobody would serve";
        return Err(problem("status.readyReplicas", wrong, "1 or more, of the stable revision"));
    }
    Ok(())
}

fn problem(path: &str, wrong: impl Into<String>, allowed: impl Into<String>) -> Problem {
    Problem { path: path.to_owned(), wrong: wrong.into(), allowed: allowed.into() }
}

/// A number, or a part of the replicas, rounded as Kubernetes does: up for what is added, down for what is taken away.
fn resolve(
    field: &str,
    value: Option<&IntOrString>,
    replicas: u64,
    divide: impl Fn(u64, u64) -> u64,
) -> Result<u64, Problem> {
    let percent = |text: &str| text.strip_suffix('%')?.parse::<u32>().ok();
    let part = |percent: u32| divide(u64::from(percent) * replicas, 100);
    let resolved = match value {
        None => percent(DEFAULT).map(part),
        Some(IntOrString::Int(number)) => u64::try_from(*number).ok(),
        Some(IntOrString::String(text)) => percent(text).map(part),
    };
    resolved.ok_or_else(|| {
        let written = match value {
            Some(IntOrString::String(text)) => format!("\"{text}\""),
            Some(IntOrString::Int(number)) => number.to_string(),
            None => String::new(),
        };
        problem(&format!("spec.strategy.rollingUpdate.{field}"), written, "a number of pods, or a percentage like 25%")
    })
}
