//! Services that are released and such that are not, as proxies are told of them.

use tidegate_controller::engine::Timestamp;
use tidegate_controller::proxies::Proxies;

use super::*;
use crate::lead::{Case, Served};
use crate::manifests::{SERVICE, add, asked, deployment, moment, pod, replica_set, updating, world};

const KEYS: Keys = Keys { cookie: Secret([1; 16]), master: Secret([2; 16]) };
const SLICE: &str = "
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: shop-1, namespace: default, labels: {kubernetes.io/service-name: shop}}
addressType: IPv4
ports: [{name: '', port: 8080}]
endpoints:
- {addresses: [10.0.0.2], conditions: {ready: true}}
- {addresses: [10.0.0.1]}
- {addresses: [10.0.0.3], conditions: {ready: false}}
";

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn shop() -> Key {
    Key::new("default", "shop")
}

fn entry(world: &World, released: &Released) -> Entry {
    let found = Catalog::new(world, released, &KEYS, Entries::default()).entry(&shop(), None).unwrap();
    assert_eq!(found.name, name("shop.default"));
    Arc::unwrap_or_clone(found.entry)
}

#[test]
fn a_service_that_is_not_released_has_its_ready_addresses() {
    let world = world(&(SERVICE.to_owned() + SLICE));
    let Entry { service, split } = entry(&world, &Released::new());
    let addresses: Vec<_> = service.versions[&name("all")].endpoints.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.0.0.1:8080", "10.0.0.2:8080"]);
    assert_eq!((split.epoch, split.rollout, split.arms.len()), (0, None, 1));
}

#[test]
fn a_service_whose_nodes_are_all_unheard_of_has_its_pods() {
    let node = "\n---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {conditions: [{type: Ready, status: 'Unknown'}]}\n";
    let nobody = SLICE
        .replace("{ready: true}", "{ready: false}")
        .replace("[10.0.0.1]", "[10.0.0.1], conditions: {ready: false}");
    let on_it = |number, gate: &str| pod("shop-aa", number, "", gate).replace("spec: {", "spec: {nodeName: n1, ");
    let ends = on_it(2, "none").replace("labels: {app", "deletionTimestamp: '2026-01-01T00:00:00Z', labels: {app");
    let fails = on_it(3, "none").replace("ContainersReady, status: 'True'", "ContainersReady, status: 'False'");
    let mut world =
        world(&(SERVICE.to_owned() + &nobody + node + &on_it(0, "none") + &on_it(1, "shut") + &ends + &fails));
    let mut entries = Entries::default();
    let mut count = |world: &World| {
        let released = Released::new();
        let catalog = Catalog::new(world, &released, &KEYS, std::mem::take(&mut entries));
        let found = catalog.entry(&shop(), None).unwrap();
        entries = catalog.into_entries();
        found.entry.service.versions[&name("all")].endpoints.len()
    };
    assert_eq!(count(&world), 1, "of those, one serves, and is not held");
    add(&mut world, &on_it(4, "none"));
    assert_eq!(count(&world), 2, "one more comes");
    add(&mut world, &pod("shop-aa", 5, "", "none"));
    assert_eq!(count(&world), 1, "on a node that is heard of");
    add(&mut world, SLICE);
    assert_eq!(count(&world), 2, "and the cluster itself sends requests to these");
}

#[test]
fn ports_have_names_where_there_are_several() {
    let several = SERVICE.replace("[{port: 80", "[{name: web, port: 80}, {name: api, port: 81");
    let rows = [
        (SERVICE, None, Some("shop.default")),
        (SERVICE, Some("80"), Some("shop.default")),
        (SERVICE, Some("81"), None),
    ];
    let more = [
        (&*several, None, None),
        (&several, Some("web"), Some("shop.default.web")),
        (&several, Some("81"), Some("shop.default.api")),
    ];
    for (manifest, port, expected) in rows.into_iter().chain(more) {
        let world = world(manifest);
        let called = name_of(&shop(), &world.services[&shop()], port);
        assert_eq!(called.as_ref().map(Name::as_str), expected, "{port:?} of {manifest}");
    }
}

#[test]
fn what_is_written_down_is_published() {
    let world = updating();
    let now = Timestamp::from_millis(1_700_000_000_000);
    let memory = Memory { stable: Some(name("aa")), ..Memory::new(now) };
    let fresh = Released::from([(shop(), (Arc::new(asked("shop")), Arc::new(memory.clone())))]);
    assert_eq!(entry(&world, &fresh).split.epoch, 0, "nobody has looked yet");

    let mut case = Case::new(asked("shop"), memory, now);
    let none = Proxies::default();
    let request_timeout = tidegate_config::Span::from_secs(10);
    let served = Served { managed: true, targets: Vec::new(), request_timeout };
    let moment = moment(&world, &none, &served, now);
    let outcome = case.look(&moment, None);
    assert_eq!(outcome.decided[0].record.rule, tidegate_controller::engine::Rule::Start);
    assert!(case.must_write(now));
    let released = Released::from([(shop(), (Arc::new(asked("shop")), Arc::new(case.memory.clone())))]);
    let Entry { service, split } = entry(&world, &released);
    assert_eq!((split.epoch, split.canary), (1_700_000_000_001, Some(name("bb"))));
    assert!(split.rollout.is_some() && service.rollout.is_some());
    let shares: Vec<_> = split.arms.iter().map(|arm| (arm.version.as_str(), arm.share.ppm())).collect();
    assert_eq!(shares, [("bb", 0), ("aa", 1_000_000)]);
    assert_eq!(service.versions[&name("bb")].endpoints.len(), 1, "testers reach it");

    let memory = case.memory.clone();
    case.wrote(memory, case.standing.clone(), now);
    assert!(!case.must_write(now));
    let again = case.look(&moment, None);
    assert_eq!(again.decided.len(), 0);
    assert!(!case.must_write(now), "a look that changes nothing writes nothing");
}

#[test]
fn what_passes_nobody_of_ours_is_an_ordinary_update() {
    let (world, now) = (updating(), Timestamp::from_millis(1_700_000_000_000));
    let memory = Memory { stable: Some(name("aa")), ..Memory::new(now) };
    let mut case = Case::new(asked("shop"), memory, now);
    let (none, served) = (Proxies::default(), Served::default());
    let outcome = case.look(&moment(&world, &none, &served, now), None);
    assert!(outcome.decided.is_empty() && case.memory.record.rollout.is_none());
    let traffic = case.standing.iter().find(|known| known.about.as_str() == "TrafficManaged").unwrap();
    assert!(traffic.holds == Some(false) && traffic.message.contains("default/shop"), "{traffic:?}");
}

/// A Deployment is updated while the webhook does not answer, and nobody leads for some seconds.
#[test]
fn visitors_of_a_version_that_is_gone_have_what_came_in_its_place() {
    let now = Timestamp::from_millis(1_700_000_000_000);
    let stable = SERVICE.to_owned() + &deployment("shop", 1, 1, "2026-01-01T00:00:00Z");
    let mut world = world(&(stable + &replica_set("shop", "aa", 1, 1) + &pod("shop-aa", 0, "", "none")));
    let memory = Memory { stable: Some(name("aa")), ..Memory::new(now) };
    let mut case = Case::new(asked("shop"), memory, now);
    let (none, served) = (Proxies::default(), Served { managed: true, ..Served::default() });
    case.look(&moment(&world, &none, &served, now), None);
    let released = Released::from([(shop(), (Arc::new(asked("shop")), Arc::new(case.memory.clone())))]);
    let own = entry(&world, &released).service.versions[&name("aa")].endpoints.clone();
    assert_eq!(own.len(), 1);

    let next = pod("shop-bb", 0, "", "none").replace("conditions: [", "conditions: [{type: Ready, status: 'True'}, ");
    add(&mut world, &(replica_set("shop", "bb", 2, 1) + &next));
    assert_eq!(entry(&world, &released).service.versions[&name("aa")].endpoints, own, "it is there");
    let ends = pod("shop-aa", 0, "", "none")
        .replace("labels: {app", "deletionTimestamp: '2026-01-01T00:00:00Z', labels: {app");
    let fails =
        pod("shop-aa", 0, "", "none").replace("ContainersReady, status: 'True'", "ContainersReady, status: 'False'");
    for (aa, expected) in [(Some(&fails), 0), (Some(&ends), 1), (None, 1)] {
        match aa {
            Some(pod) => add(&mut world, pod),
            None => world.pods.remove(&Key::new("default", "shop-aa-0")),
        }
        let Entry { service, split } = entry(&world, &released);
        let drawn: Vec<_> = split.arms.iter().filter(|arm| arm.share == Share::ALL).collect();
        let [arm] = &drawn[..] else { panic!("{split:?}") };
        assert_eq!(arm.version, name("aa"), "its share is written down");
        assert_eq!(service.versions[&arm.version].endpoints.len(), expected, "{aa:?}");
        assert_eq!(split.stable, arm.version, "else no proxy would take it");
    }
}
