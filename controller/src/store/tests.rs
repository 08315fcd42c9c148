//! What is stored comes back, and what cannot be stored or read is said to be so.

use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;
use tidegate_config::RolloutId;

use super::*;
use crate::engine::{Action, Phase, Record, Rule, Timestamp};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn logged(number: u64) -> Logged {
    let rollout: RolloutId = "00000000000000aa".parse().unwrap();
    let (from, to) = Default::default();
    let record = Record {
        seq: number,
        at: Timestamp::from_millis(number),
        actor: "ada".into(),
        rule: Rule::Start,
        action: Action::Start,
        from,
        to,
        epoch: None,
        canary: None,
        phase: Phase::Progressing,
        inputs: Vec::new(),
        statistic: 0.1 + 0.2,
        bound: None,
        grids_version: 1,
        text: "began".into(),
    };
    Logged { number, rollout, record }
}

fn put(
    store: &mut Store,
    generation: u64,
    service: &str,
    decisions: &[u64],
    crash: Option<Crash>,
) -> Result<(), StoreError> {
    let (name, record) = (name(service), ServiceRecord { decisions: generation, ..ServiceRecord::default() });
    let decisions: Vec<_> = decisions.iter().map(|number| (name.clone(), logged(*number))).collect();
    let change = Change { generation, services: vec![(&name, &record)], decisions: &decisions };
    store.commit(&change, crash::Plan(crash))
}

/// Writes into the database behind the store's back.
fn tamper(directory: &TempDir, change: impl FnOnce(&redb::WriteTransaction)) {
    let transaction = Database::open(directory.path().join(FILE)).unwrap().begin_write().unwrap();
    change(&transaction);
    transaction.commit().unwrap();
}

#[test]
fn what_is_written_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, first) = Store::open(directory.path()).unwrap();
    assert_eq!((first.generation, first.services.len()), (0, 0));
    assert_ne!(first.keys.cookie, first.keys.master);
    put(&mut store, 7, "shop", &[1, 2], None).unwrap();
    put(&mut store, 8, "cart", &[1], None).unwrap();
    drop(store);
    let (store, second) = Store::open(directory.path()).unwrap();
    assert_eq!((second.generation, second.keys), (8, first.keys), "keys outlive a restart");
    assert_eq!(second.services.keys().map(Name::as_str).collect::<Vec<_>>(), ["cart", "shop"]);
    assert_eq!(second.services[&name("shop")].decisions, 7);
    assert_eq!(store.decisions(&name("shop")).unwrap(), [logged(1), logged(2)]);
    assert_eq!(store.decisions(&name("sho")).unwrap(), [], "a name that begins alike is another");
}

#[test]
fn given_keys_are_for_a_new_state_only() {
    let directory = tempfile::tempdir().unwrap();
    let keys = |byte| Keys { cookie: Key([byte; 16]), master: Key([byte + 1; 16]) };
    let opened = |byte| Store::open_with(directory.path(), keys(byte)).unwrap().1.keys;
    assert_eq!(opened(1), keys(1));
    assert_eq!(opened(5), keys(1), "visitors are not drawn anew");
    assert_eq!(Store::open(directory.path()).unwrap().1.keys, keys(1));
}

#[test]
fn a_change_is_whole_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(directory.path()).unwrap();
    put(&mut store, 1, "shop", &[1], None).unwrap();
    let stopped = put(&mut store, 2, "shop", &[2], Some(Crash::WhilePersisting));
    assert!(matches!(stopped, Err(StoreError::Crashed(Crashed(Crash::WhilePersisting)))));
    drop(store);
    let (store, stored) = Store::open(directory.path()).unwrap();
    assert_eq!((stored.generation, stored.services[&name("shop")].decisions), (1, 1));
    assert_eq!(store.decisions(&name("shop")).unwrap(), [logged(1)]);
}

#[test]
fn old_decisions_make_room() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(directory.path()).unwrap();
    let kept = DECISIONS_MAX as u64;
    put(&mut store, 1, "cart", &[1], None).unwrap();
    put(&mut store, 1, "shop", &(1..=kept + 5).collect::<Vec<_>>(), None).unwrap();
    let decisions = store.decisions(&name("shop")).unwrap();
    assert_eq!((decisions.len(), decisions[0].number), (DECISIONS_MAX, 6));
    assert_eq!(store.decisions(&name("cart")).unwrap().len(), 1, "of this service only");
}

#[test]
fn files_are_for_their_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("a/b");
    drop(Store::open(&state).unwrap());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&state), mode(&state.join(FILE))), (0o700, 0o600));
    fs::set_permissions(state.join(FILE), fs::Permissions::from_mode(0o644)).unwrap();
    drop(Store::open(&state).unwrap());
    assert_eq!(mode(&state.join(FILE)), 0o600, "keys that were laid open are closed again");
}

#[test]
fn says_what_stands_in_the_way() {
    let check = |directory: &TempDir, says: &[&str], why: &str| {
        let error = Store::open(directory.path()).unwrap_err();
        let path = directory.path().join(FILE).display().to_string();
        for part in says.iter().chain([&path.as_str()]) {
            assert!(error.to_string().contains(part), "{why}: {error}");
        }
    };
    let directory = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(directory.path()).unwrap();
    put(&mut store, 1, "shop", &[1], None).unwrap();
    check(&directory, &["in use", "--state-dir"], "a second instance");
    drop(store);
    tamper(&directory, |t| {
        t.open_table(SERVICES).unwrap().insert("shop", "{\"epochs\":3}").unwrap();
    });
    check(&directory, &["service shop", "damaged"], "a record that is none");
    tamper(&directory, |t| {
        t.open_table(NUMBERS).unwrap().insert("schema", SCHEMA + 1).unwrap();
    });
    check(&directory, &["schema 2", "up to 1"], "a newer version wrote it");
    fs::write(directory.path().join(FILE), "listeners: []").unwrap();
    check(&directory, &["failed"], "something else has that name");
}

#[test]
fn a_decision_that_is_damaged_is_named() {
    let directory = tempfile::tempdir().unwrap();
    drop(Store::open(directory.path()).unwrap());
    tamper(&directory, |t| {
        t.open_table(DECISIONS).unwrap().insert(("shop", 3), "null").unwrap();
    });
    let (store, _) = Store::open(directory.path()).unwrap();
    let error = store.decisions(&name("shop")).unwrap_err().to_string();
    assert!(error.contains("decision 3 of shop"), "{error}");
}
