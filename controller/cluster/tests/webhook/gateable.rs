//! Which Deployments can be held.

use k8s_openapi::api::apps::v1::Deployment;
use tidegate_cluster::webhook::is_gateable;

use super::setting::yaml;

fn checked(spec: &str, ready: u32) -> Result<(), String> {
    let text = format!("spec: {{ selector: {{}}, template: {{}}, {spec} }}\nstatus: {{ readyReplicas: {ready} }}");
    is_gateable(&yaml::<Deployment>(&text)).map_err(|problem| problem.to_string())
}

/// A strategy's two numbers.
fn update(replicas: u32, surge: &str, unavailable: &str) -> Result<(), String> {
    let update = format!("{{ maxSurge: {surge}, maxUnavailable: {unavailable} }}");
    checked(&format!("replicas: {replicas}, strategy: {{ type: RollingUpdate, rollingUpdate: {update} }}"), 1)
}

#[test]
fn what_keeps_old_pods_and_adds_new_ones_can_be_held() {
    assert_eq!(checked("replicas: 4", 3), Ok(()), "the defaults");
    assert_eq!(
        checked("paused: false", 1),
        Ok(()),
        "one replica: a quarter is rounded up to one more, down to none less"
    );
    for (replicas, surge, unavailable) in
        [(1, "1", "0"), (4, "25%", "25%"), (10, "1%", "90%"), (2, "100%", "1"), (3, "1", "34%"), (1, "1", "99%")]
    {
        assert_eq!(update(replicas, surge, unavailable), Ok(()), "{replicas} {surge} {unavailable}");
    }
}

#[test]
fn what_cannot_is_told_by_its_field() {
    let place = "spec.strategy.rollingUpdate";
    let rows = [
        (update(4, "0", "1"), format!("{place}.maxSurge: no pod beside the old ones: a new one that waits would replace one that serves; allowed: 1 or more")),
        (update(4, "0%", "25%"), format!("{place}.maxSurge: no pod beside the old ones: a new one that waits would replace one that serves; allowed: 1 or more")),
        (update(4, "1", "100%"), format!("{place}.maxUnavailable: 4 of 4 replicas: all old pods may leave while new ones wait; allowed: at most 3; 0 keeps all of them")),
        (update(2, "1", "3"), format!("{place}.maxUnavailable: 3 of 2 replicas: all old pods may leave while new ones wait; allowed: at most 1; 0 keeps all of them")),
        (update(0, "1", "0"), "spec.replicas: 0: nobody is served; allowed: 1 or more".to_owned()),
        (update(4, "many", "0"), format!("{place}.maxSurge: \"many\"; allowed: a number of pods, or a percentage like 25%")),
        (update(4, "1", "-1"), format!("{place}.maxUnavailable: -1; allowed: a number of pods, or a percentage like 25%")),
        (checked("strategy: { type: Recreate }", 1), "spec.strategy.type: Recreate removes the old pods before the new ones serve; allowed: RollingUpdate".to_owned()),
        (checked("replicas: 4", 0), "status.readyReplicas: 0: while a new revision waits, nobody would serve; allowed: 1 or more, of the stable revision".to_owned()),
    ];
    for (result, expected) in rows {
        assert_eq!(result, Err(expected));
    }
    assert!(is_gateable(&Deployment::default()).is_err(), "of which nothing is known");
}
