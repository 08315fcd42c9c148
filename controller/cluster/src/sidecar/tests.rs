//! Workloads with sidecars, and what these are told.

use std::sync::Arc;

use tidegate_config::{Address, Key as Secret, Name, Span};
use tidegate_controller::engine::{Command, Timestamp, Verb};
use tidegate_controller::proxies::Proxies;

use super::*;
use crate::catalog::{Entries, Released as Objects};
use crate::lead::{Case, Served, Wish};
use crate::manifests::{SERVICE, asked, deployment, moment, pod, replica_set, world};
use crate::rollout_object::Memory;

const KEYS: Keys = Keys { cookie: Secret([1; 16]), master: Secret([2; 16]) };

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn shop() -> Key {
    Key::new("default", "shop")
}

/// A pod with a sidecar that has taken over `http`.
fn taken(set: &str, number: u32, gate: &str) -> String {
    with_sidecar(set, number, gate, "tidegate.dev/ports: 'http:15000:8080'")
}

fn with_sidecar(set: &str, number: u32, gate: &str, annotations: &str) -> String {
    let pod = pod(set, number, "", gate);
    let pod = pod.replace("name: http", "name: http-app").replace(
        &format!("metadata: {{name: {set}-{number},"),
        &format!("metadata: {{name: {set}-{number}, uid: uid-{set}-{number}, annotations: {{{annotations}}},"),
    );
    pod.replacen(
        "spec: {",
        "spec: {initContainers: [{name: tidegate-proxy, restartPolicy: Always, ports: [{name: http, containerPort: \
         15000}]}], ",
        1,
    )
}

/// Three stable pods and one that is tried, all with sidecars.
fn updating() -> World {
    let mut text = SERVICE.to_owned() + &deployment("shop", 3, 1, "2026-01-01T00:00:00Z");
    text += &(replica_set("shop", "aa", 1, 3) + &replica_set("shop", "bb", 2, 1) + &taken("shop-bb", 0, "shut"));
    (0..3).for_each(|i| text += &taken("shop-aa", i, "none"));
    world(&text)
}

/// What the rollout object of `shop` has written, looked at once by whoever leads: the rollout has begun and its shares are written down.
fn written(world: &World) -> Objects {
    let now = Timestamp::from_millis(1_700_000_000_000);
    let memory = Memory { stable: Some(name("aa")), ..Memory::new(now) };
    let mut case = Case::new(asked("shop"), memory, now);
    let (none, request_timeout) = (Proxies::default(), Span::from_secs(10));
    let served = Served { managed: true, targets: Vec::new(), request_timeout };
    case.look(&moment(world, &none, &served, now), None);
    Objects::from([(shop(), (Arc::new(asked("shop")), Arc::new(case.memory)))])
}

fn told(world: &World, released: &Objects) -> Sidecars {
    let all = sidecars(world, &Catalog::new(world, released, &KEYS, Entries::default()), &KEYS);
    for publication in all.publications.values() {
        assert_eq!(publication.check(), Ok(()));
    }
    all
}

/// The versions of a service, each with its addresses.
type Versions = Vec<(String, Vec<String>)>;

/// What a group is told: for each service the addresses of its versions.
fn addresses(publication: &Publication) -> Vec<(String, Versions)> {
    let text = |addresses: &[Address]| addresses.iter().map(ToString::to_string).collect();
    let services = publication.config.services.iter().map(|(name, service)| {
        let versions = service.versions.iter().map(|(name, version)| (name.to_string(), text(&version.endpoints)));
        (name.to_string(), versions.collect())
    });
    services.collect()
}

fn only(all: &Sidecars) -> &Publication {
    assert_eq!(all.publications.len(), 1, "{:?}", all.publications.keys());
    all.publications.values().next().unwrap()
}

#[test]
fn sidecars_of_a_released_service_share_its_versions_and_go_to_applications_alone() {
    let world = updating();
    let all = told(&world, &written(&world));
    let uids: Vec<_> = all.pods.keys().map(|(_, uid)| uid.as_str()).collect();
    assert_eq!(uids, ["uid-shop-aa-0", "uid-shop-aa-1", "uid-shop-aa-2", "uid-shop-bb-0"]);
    let publication = only(&all);
    let doors: Vec<_> = publication.config.listeners.iter().map(|it| it.address.to_string()).collect();
    assert_eq!(doors, ["0.0.0.0:15000"]);
    let [(service, versions)] = &addresses(publication)[..] else { panic!("one service") };
    let pods: Vec<_> = versions.iter().map(|(version, pods)| (version.as_str(), pods.len())).collect();
    assert_eq!((service.as_str(), pods), ("shop.default", vec![("aa", 3), ("bb", 1)]));
    for address in versions.iter().flat_map(|(_, pods)| pods) {
        assert!(address.ends_with(":8080"), "{address} is no application");
    }
    let split = &publication.splits[&name("shop.default")];
    let shares: Vec<_> = split.arms.iter().map(|arm| (arm.version.as_str(), arm.share.ppm())).collect();
    assert_eq!(shares, [("bb", 0), ("aa", 1_000_000)]);
    assert!(split.rollout.is_some());
}

#[test]
fn a_sidecar_whose_service_is_not_released_stands_before_its_own_application() {
    let world = updating();
    let nothing = told(&world, &Objects::new());
    let alone = |name: &str, address: &str| (name.to_owned(), vec![(name.to_owned(), vec![address.to_owned()])]);
    assert_eq!(addresses(only(&nothing)), [alone("application", "127.0.0.1:8080")]);
    assert!(!only(&nothing).splits.values().any(|split| split.rollout.is_some()));

    let annotations = "tidegate.dev/ports: 'http:15000:8080', tidegate.dev/application-address: pod";
    let manifest = with_sidecar("shop-aa", 1, "none", annotations);
    let on_the_pod = crate::manifests::world(&manifest);
    let ip = on_the_pod.pods.values().next().unwrap().status.as_ref().unwrap().pod_ip.clone().unwrap();
    assert_eq!(addresses(only(&told(&on_the_pod, &Objects::new()))), [alone("application", &format!("{ip}:8080"))]);
    let unplaced = crate::manifests::world(&manifest.replace(&format!("podIP: {ip}, "), ""));
    assert!(told(&unplaced, &Objects::new()).pods.is_empty(), "it has no address yet");
}

#[test]
fn each_port_has_its_own_answer() {
    let mut world = updating();
    let released = written(&world);
    let annotations = "tidegate.dev/ports: 'admin:15001:9090,http:15000:8080'";
    crate::manifests::add(&mut world, &with_sidecar("shop-aa", 0, "none", annotations));
    let all = told(&world, &released);
    assert_eq!(all.publications.len(), 2);
    let group = &all.pods[&("default".to_owned(), "uid-shop-aa-0".to_owned())];
    let publication = &all.publications[group];
    let names: Vec<_> = addresses(publication).into_iter().map(|(service, _)| service).collect();
    assert_eq!(names, ["application-1", "shop.default"]);
    for (route, listener) in publication.config.routes.iter().zip(&publication.config.listeners) {
        let expected = if route.service == name("shop.default") { 15_000 } else { 15_001 };
        assert_eq!(listener.address.port(), expected);
        assert!(route.listeners.as_ref().unwrap().contains(listener.name.as_ref().unwrap()));
    }
}

#[test]
fn nothing_leads_to_a_sidecar() {
    let mut world = updating();
    let released = written(&world);
    // As a number, which names no taken port.
    let numeric = SERVICE.replace("targetPort: http", "targetPort: 15000");
    crate::manifests::add(&mut world, &numeric);
    let entry = Catalog::new(&world, &released, &KEYS, Entries::default()).released(&shop(), None).unwrap().entry;
    assert!(
        entry.service.versions.values().all(|version| version.endpoints.is_empty()),
        "{:?}",
        entry.service.versions
    );
}

#[test]
fn traffic_passes_us_where_every_stable_pod_has_a_sidecar() {
    let is_managed = |world: &World, stable: Option<&str>| {
        let memory = Arc::new(Memory { stable: stable.map(name), ..Memory::default() });
        let mut all = BTreeMap::new();
        served(world, [(&asked("shop"), Some(&memory))], &mut all);
        all.remove(&name("shop.default")).unwrap_or_default()
    };
    let ready = "conditions: [{type: Ready, status: 'True'}, ";
    let mut world = updating();
    let pods = world.pods.len();
    assert_eq!(is_managed(&world, Some("aa")).targets, [], "none of the {pods} is ready");
    crate::manifests::add(&mut world, &taken("shop-aa", 1, "none").replace("conditions: [", ready));
    let Served { managed, targets, request_timeout } = is_managed(&world, Some("aa"));
    assert!(managed && request_timeout > Span::from_secs(0));
    assert_eq!(targets.iter().map(SocketAddr::port).collect::<Vec<_>>(), [15_090]);
    crate::manifests::add(&mut world, &pod("shop-bb", 0, "", "none"));
    assert!(is_managed(&world, Some("aa")).managed, "the new one has none");
    assert!(!is_managed(&world, None).managed, "nobody knows yet which is the new one");
    crate::manifests::add(&mut world, &pod("shop-aa", 0, "", "none"));
    assert!(!is_managed(&world, Some("aa")).managed);
    assert!(!is_managed(&world, Some("cc")).managed, "no pods at all");
}

/// Promoted, and the old pods end faster than anybody looks: their visitors' share is written down still.
#[test]
fn visitors_of_pods_that_end_go_to_applications_alone() {
    let mut world = updating();
    let ready = "conditions: [{type: Ready, status: 'True'}, ";
    crate::manifests::add(&mut world, &taken("shop-bb", 0, "open").replace("conditions: [", ready));
    let slice = "\n---\napiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: shop-1, namespace: default, \
                 labels: {kubernetes.io/service-name: shop}}\naddressType: IPv4\nports: [{name: '', port: 15000}]\n\
                 endpoints: [{addresses: [10.0.0.184], conditions: {ready: true}}]\n";
    crate::manifests::add(&mut world, slice);
    let now = Timestamp::from_millis(1_700_000_000_000);
    let memory = Memory { stable: Some(name("aa")), ..Memory::new(now) };
    let mut case = Case::new(asked("shop"), memory, now);
    let (none, request_timeout) = (Proxies::default(), Span::from_secs(10));
    let served = Served { managed: true, targets: Vec::new(), request_timeout };
    case.look(&moment(&world, &none, &served, now), None);
    let command = Command::new(Verb::Promote { full: true }, "alice".into());
    let wish = Wish { id: "1".into(), command: Ok(command) };
    case.look(&moment(&world, &none, &served, now), Some(wish));
    for number in 0..3 {
        let ends = "deletionTimestamp: '2026-01-01T00:00:00Z', uid: uid-";
        crate::manifests::add(&mut world, &taken("shop-aa", number, "none").replace("uid: uid-", ends));
    }
    let released = Objects::from([(shop(), (Arc::new(asked("shop")), Arc::new(case.memory.clone())))]);
    let all = told(&world, &released);
    let split = &only(&all).splits[&name("shop.default")];
    assert_eq!((split.share_of(&name("aa")).ppm(), split.stable.as_str()), (750_000, "bb"));
    let [(_, versions)] = &addresses(only(&all))[..] else { panic!("one service") };
    for (version, addresses) in versions {
        assert_eq!(
            addresses.iter().map(|it| it.ends_with(":8080")).collect::<Vec<_>>(),
            [true],
            "{version}: {addresses:?}"
        );
    }
}
