//! Publications of all kinds, and what becomes of them on the way.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::{Config, Key, Name, Share, Split, limits};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// A service by what may differ in it: its endpoints, its epoch.
type Drawn = BTreeMap<u8, (u8, u64)>;

/// A publication of services that are drawn, on a port and with a key that are drawn.
fn publication(generation: u64, port: u8, key: u8, services: &Drawn) -> Publication {
    let mut file = format!("{{listeners: [{{address: '127.0.0.1:{port}'}}], routes: [{{service: s0}}], services: {{");
    for (service, (endpoints, _)) in services {
        write!(file, "s{service}: {{versions: {{v: {{endpoints: [").unwrap();
        for endpoint in 0..=*endpoints {
            write!(file, "'10.0.0.{endpoint}:80',").unwrap();
        }
        file.push_str("]}}},");
    }
    file.push_str("s0: {versions: {v: {endpoints: ['10.0.0.1:80']}}}}}");
    let version = name("v");
    let arms = || Split::lay_out(&[], &version, [], Share::ZERO, |_| Share::ZERO);
    let split = |epoch: u64| Split::fixed(epoch, Key([0; 16]), arms(), version.clone());
    Publication {
        generation,
        cookie_key: Key([key; 16]),
        config: Arc::new(Config::parse(&file).unwrap()),
        splits: services.iter().map(|(service, (_, epoch))| (name(&format!("s{service}")), split(*epoch))).collect(),
    }
}

fn drawn() -> impl Strategy<Value = (u8, u8, Drawn)> {
    let services = proptest::collection::btree_map(1..9u8, (0..3u8, 1..4u64), 0..8);
    (1..3u8, 0..2u8, services)
}

proptest! {
    #[test]
    fn a_difference_makes_the_one_of_the_other(old in drawn(), new in drawn(), later in 1..9u64) {
        let old = publication(7, old.0, old.1, &old.2);
        let new = publication(7 + later, new.0, new.1, &new.2);
        let change = difference(&old, &new);
        let sent = Message::read(&Message::Change(Box::new(change.clone())).line().unwrap()).unwrap();
        prop_assert_eq!(&sent, &Message::Change(Box::new(change.clone())));
        prop_assert_eq!(apply(&old, change).unwrap(), new);
    }

    #[test]
    fn an_earlier_epoch_never_wins(old in drawn(), new in drawn()) {
        let in_force = publication(7, old.0, old.1, &old.2);
        let offered = publication(8, new.0, new.1, &new.2);
        let taken = fenced(offered.clone(), &in_force);
        prop_assert_eq!(taken.splits.keys().collect::<Vec<_>>(), offered.splits.keys().collect::<Vec<_>>());
        for (name, split) in &taken.splits {
            let held = in_force.splits.get(name).map_or(0, |split| split.epoch);
            prop_assert_eq!(split.epoch, held.max(offered.splits[name].epoch));
        }
        prop_assert_eq!(taken.config, offered.config);
    }

    #[test]
    fn lines_never_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Message::read(&line);
        let _ = Acknowledgement::read(&line);
    }
}

#[test]
fn messages_are_told_apart_by_their_field() {
    let whole = Arc::new(publication(1, 1, 1, &Drawn::from([(1, (1, 1))])));
    for (message, begins) in
        [(Message::Heartbeat, "{}\n"), (Message::Publication(whole), "{\"publication\":{\"generation\":1,")]
    {
        let line = message.line().unwrap();
        assert!(line.starts_with(begins.as_bytes()), "{}", String::from_utf8_lossy(&line));
        assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
        assert_eq!(Message::read(&line).unwrap(), message);
    }
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    for (line, place) in [
        ("", "EOF"),
        ("{} {}", "trailing"),
        ("{\"news\": 1}", "news"),
        ("{\"change\": {\"buildsOn\": -1}}", "change.buildsOn"),
        ("{\"change\": {\"buildsOn\": 1, \"generation\": 2, \"services\": {\"-\": null}}}", "is not a name"),
        ("{\"publication\": {\"generation\": 1, \"cookieKey\": [1]}}", "publication.cookieKey"),
    ] {
        let error = Message::read(line.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(place), "{line}: {error}");
    }
}

#[test]
fn a_change_that_does_not_fit_changes_nothing() {
    let none = Change {
        builds_on: 7,
        generation: 8,
        cookie_key: None,
        config: None,
        services: BTreeMap::new(),
        splits: BTreeMap::new(),
    };
    let old = publication(7, 1, 1, &Drawn::from([(1, (1, 1))]));
    let unknown = |path: &str| Unfit::Unknown { path: path.into() };
    for (change, expected) in [
        (Change { builds_on: 6, ..none.clone() }, Unfit::BuildsOn { wanted: 6, there: 7 }),
        (Change { generation: 7, ..none.clone() }, Unfit::NotLater { generation: 7 }),
        (Change { services: BTreeMap::from([(name("x"), None)]), ..none.clone() }, unknown("services.x")),
        (Change { splits: BTreeMap::from([(name("x"), None)]), ..none.clone() }, unknown("splits.x")),
    ] {
        let told = expected.to_string();
        assert!(told.starts_with("change.") && told.contains("allowed: "), "{told}");
        assert_eq!(apply(&old, change), Err(expected));
    }
    let same = apply(&old, none).unwrap();
    assert!(Arc::ptr_eq(&same.config, &old.config), "nothing is built anew for a change of shares");
}

#[test]
fn a_large_cluster_fits_in_a_message() {
    let mut whole = publication(1, 1, 1, &Drawn::new());
    let mut config = Config::clone(&whole.config);
    let policy =
        "{strategy: canary, steps: [1%, 5%, 10%, 25%, 50%, 100%], conversion: {path: {exact: /checkout/confirmed}}}";
    for service in 0..5_000u32 {
        let key = name(&format!("a-service-of-some-team-{service}.namespace-{}", service % 100));
        let [third, fourth] = [service / 250 % 250, service % 250];
        let service = format!(
            "{{stable: 7d9fb8c6f4, canary: 6b5d4c9f7b, rollout: {policy}, versions: {{\
               7d9fb8c6f4: {{endpoints: ['10.110.{third}.{fourth}:8080', '10.120.{third}.{fourth}:8080']}}, \
               6b5d4c9f7b: {{endpoints: ['10.130.{third}.{fourth}:8080', '10.140.{third}.{fourth}:8080']}}}}}}"
        );
        let route = format!("{{service: {key}, host: {key}.shop.example.com, path: {{prefix: /api}}}}");
        config.routes.push(serde_saphyr::from_str(&route).unwrap());
        config.services.insert(key.clone(), serde_saphyr::from_str(&service).unwrap());
        let (stable, canary) = (name("7d9fb8c6f4"), name("6b5d4c9f7b"));
        let split = Split {
            epoch: 1_790_000_000_000,
            salt: Key([255; 16]),
            arms: Split::lay_out(&[], &stable, [&canary], Share::ZERO, |_| Share::from_ppm(123_456).unwrap()),
            stable,
            canary: Some(canary),
            rivals: Vec::new(),
            rollout: "0123456789abcdef".parse().ok(),
            rollout_began: 1_790_000_000,
        };
        whole.splits.insert(key, split);
    }
    whole.config = Arc::new(config);
    let line = Message::Publication(Arc::new(whole)).line().unwrap();
    assert!((1..=limits::MESSAGE_BYTES_MAX / 5).contains(&line.len()), "{} bytes", line.len());
}
