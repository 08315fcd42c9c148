//! PURE. Which gates of a Service's pods are to be other than they are.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use tidegate_config::{Name, Share};

use crate::versions::{Discovery, Found, Held, Usable, Way, is_open};
use crate::world::World;

/// The gates.
#[derive(Debug, Default)]
pub(super) struct Valve {
    pub(super) to_open: Vec<Arc<Pod>>,
    pub(super) to_shut: Vec<Arc<Pod>>,
}

/// Versions that were promoted are open, all others are shut. Of the one that `opens` with its share as many pods are open
/// as that share is of the Deployment: its update goes on as far as the rollout has come.
pub(super) fn of(
    world: &World,
    usable: Usable<'_>,
    discovery: &Discovery,
    opens: Option<(&Name, Share)>,
    is_promoted: impl Fn(&Name) -> bool,
) -> Valve {
    let mut valve = Valve::default();
    for (name, found) in &discovery.versions {
        if is_promoted(name) {
            valve.to_open.extend(gated(found, Held::Shut));
            continue;
        }
        match (&discovery.way, opens) {
            (Way::InPlace(deployment), Some((opened, share))) if opened == name => {
                let spec = world.deployments.get(deployment).and_then(|it| it.spec.as_ref());
                let replicas = spec.and_then(|spec| spec.replicas).unwrap_or(1);
                let wanted = u64::from(share.ppm()) * u64::try_from(replicas).unwrap_or_default() / 1_000_000;
                let Valve { to_open, to_shut } =
                    opened_to(usable, found, usize::try_from(wanted).unwrap_or(usize::MAX));
                valve.to_open.extend(to_open);
                valve.to_shut.extend(to_shut);
            }
            _ => valve.to_shut.extend(gated(found, Held::Open)),
        }
    }
    valve
}

fn gated(found: &Found, state: Held) -> impl Iterator<Item = Arc<Pod>> {
    found.pods.iter().filter(move |pod| is_open(pod) == state).cloned()
}

/// So many of a version's usable pods are open, those that are already before others, then the oldest. One without a gate
/// counts. One that cannot be used now keeps its gate as it is: nothing comes to it.
fn opened_to(usable: Usable<'_>, found: &Found, wanted: usize) -> Valve {
    let mut usable: Vec<_> = found.pods.iter().filter(|pod| usable.has(pod)).cloned().collect();
    usable.sort_by_key(|pod| (is_open(pod) == Held::Shut, pod.creation_timestamp(), pod.name_any()));
    let rest = usable.split_off(wanted.min(usable.len()));
    Valve {
        to_open: usable.into_iter().filter(|pod| is_open(pod) == Held::Shut).collect(),
        to_shut: rest.into_iter().filter(|pod| is_open(pod) == Held::Open).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifests::{SERVICE, deployment, pod, replica_set, world};
    use crate::versions::discover;
    use crate::world::Key;

    /// A pod of revision `bb`, made at this second.
    fn made(number: u32, gate: &str, second: u32) -> String {
        let at = format!("namespace: default, creationTimestamp: '2026-01-01T00:00:{second:02}Z', labels");
        pod("shop-bb", number, "", gate).replace("namespace: default, labels", &at)
    }

    fn broken(pod: &str) -> String {
        pod.replace("ContainersReady, status: 'True'", "ContainersReady, status: 'False'")
    }

    /// The pods of `bb` whose gates are to be opened and to be shut, at a share in percent of so many replicas.
    fn changed(replicas: u32, percent: u32, pods: &[String]) -> (Vec<String>, Vec<String>) {
        let text = SERVICE.to_owned()
            + &deployment("shop", replicas, 1, "2026-01-01T00:00:00Z")
            + &replica_set("shop", "aa", 1, replicas)
            + &replica_set("shop", "bb", 2, 1);
        let world = world(&(text + &pod("shop-aa", 0, "", "shut") + &pods.concat()));
        let discovery = discover(&world, &Key::new("default", "shop"), "version", None).unwrap();
        let bb: Name = "bb".parse().unwrap();
        let share = Share::from_ppm(percent * 10_000).unwrap();
        let usable = Usable::of(&world, discovery.versions.values().flat_map(|found| &found.pods));
        let Valve { mut to_open, to_shut } =
            of(&world, usable, &discovery, Some((&bb, share)), |name| name.as_str() == "aa");
        to_open.retain(|pod| pod.name_any() != "shop-aa-0");
        let names = |pods: Vec<Arc<Pod>>| pods.iter().map(|pod| pod.name_any().replace("shop-bb-", "")).collect();
        (names(to_open), names(to_shut))
    }

    #[test]
    fn as_many_gates_open_as_the_share_is_of_the_deployment() {
        let shut = |numbers: &[u32]| numbers.iter().map(|it| made(*it, "shut", 9 - it)).collect::<Vec<_>>();
        let three = shut(&[0, 1, 2]);
        for (replicas, percent, open, why) in [
            (4, 0, vec![], "before the first visitor"),
            (4, 24, vec![], "less than one pod"),
            (4, 25, vec!["2"], "the oldest"),
            (4, 50, vec!["2", "1"], "and the next"),
            (4, 99, vec!["2", "1", "0"], "all there are"),
            (1, 50, vec![], "rounded down"),
            (0, 50, vec![], "a Deployment of nothing"),
        ] {
            let found = changed(replicas, percent, &three);
            assert_eq!(found, (open.into_iter().map(str::to_owned).collect(), vec![]), "{replicas} {percent}%: {why}");
        }
    }

    #[test]
    fn what_is_open_counts_and_what_is_too_much_is_shut() {
        let one = |text: &str| vec![text.to_owned()];
        for (percent, pods, open, shut, why) in [
            (25, [made(0, "shut", 0), made(1, "open", 1)], vec![], vec![], "the younger one stays open"),
            (50, [made(0, "shut", 0), made(1, "open", 1)], one("0"), vec![], "one more"),
            (25, [made(0, "open", 0), made(1, "open", 1)], vec![], one("1"), "the younger of two"),
            (0, [made(0, "open", 0), made(1, "shut", 1)], vec![], one("0"), "no share, no pod"),
            (25, [made(0, "none", 0), made(1, "shut", 1)], vec![], vec![], "one without a gate is ready anyway"),
            (25, [broken(&made(0, "shut", 0)), made(1, "shut", 1)], one("1"), vec![], "one that cannot be used"),
            (25, [broken(&made(0, "open", 0)), made(1, "shut", 1)], one("1"), vec![], "and one that could before"),
        ] {
            assert_eq!(changed(4, percent, &pods), (open, shut), "{why}");
        }
    }
}
