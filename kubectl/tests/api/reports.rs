//! Reports: tables, what is awaited, and exit codes.

use serde_json::{Value, json};
use tidegate_controller::engine::Verb;

use crate::objects::{memory, object};
use crate::server::{Api, State};

fn shop() -> State {
    State { object: object("shop", &memory(&[Verb::Promote { full: false }])), ..State::default() }
}

/// The words of a line, without the age.
fn words(line: &str) -> Vec<&str> {
    line.split("   ").map(str::trim).filter(|word| !word.is_empty()).collect()
}

#[test]
fn rollouts_are_listed() {
    let api = Api::start(shop());
    let ended = api.run(&["get"]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let lines: Vec<_> = ended.out.lines().map(words).collect();
    let [heads, row] = lines.as_slice() else { panic!("{}", ended.out) };
    assert_eq!(heads[..], ["NAME", "STRATEGY", "PHASE", "SHARE", "STEP", "STABLE", "CANARY", "AGE", "MESSAGE"]);
    assert_eq!(row[..7], ["shop", "canary", "Progressing", "10%", "1/6", "v1", "v2"]);
    let all = api.run(&["get", "-A", "-o", "wide"]);
    let row = words(all.out.lines().nth(1).unwrap());
    assert_eq!((row[0], row[9], row[10]), ("web", "shop", "controller-1"), "{}", all.out);
    let rows: Value = serde_json::from_str(&api.run(&["get", "-o", "json"]).out).unwrap();
    assert_eq!((&rows[0]["name"], &rows[0]["steps"], &rows[0]["share"]), (&json!("shop"), &json!(6), &json!("10%")));
}

#[test]
fn where_there_is_none_it_is_said_how_to_make_one() {
    let ended = Api::start(State::default()).run(&["get"]);
    let expected =
        "kubectl-tidegate: no Rollout is in web; the annotation tidegate.dev/strategy of a Service makes one\n";
    assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (Some(0), "", expected));
}

#[test]
fn a_rollout_is_awaited_and_its_end_is_the_exit_code() {
    for (end, code, told) in
        [(Verb::Promote { full: true }, 0, "shop  promoted"), (Verb::Abort, 3, "shop  rolled back")]
    {
        let paused = object("shop", &memory(&[Verb::Promote { full: false }, Verb::Pause]));
        let over = object("shop", &memory(&[Verb::Promote { full: false }, end]));
        let api = Api::start(State { next: vec![paused, over], ..shop() });
        let ended = api.run(&["status", "shop", "--wait", "--timeout", "60s"]);
        assert_eq!((ended.code, ended.err.as_str()), (Some(code), ""), "{}", ended.out);
        let parts = ["Progressing step 1/6 at 10%: ", "Paused step 1/6 at 10%: alice paused at 10%.", told];
        let places: Vec<_> = parts.iter().map(|part| ended.out.find(part)).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}: {}", ended.out);
    }
}

#[test]
fn what_is_not_over_in_time_is_undecided() {
    let ended = Api::start(shop()).run(&["status", "shop", "--wait", "--timeout", "300ms"]);
    assert_eq!(ended.code, Some(4));
    assert!(ended.err.contains("Rollout shop is not over after 300ms"), "{}", ended.err);
}

#[test]
fn one_rollout_is_told_in_full() {
    let api = Api::start(shop());
    for (arguments, parts) in [
        (["status", "shop"], ["shop  progressing", "evidence against the canary"]),
        (["explain", "svc/shop"], ["alice said so", "rule command, by alice, at 10%"]),
        (["history", "tgr/shop"], ["TIME", "2027-01-15 08:00:00Z"]),
    ] {
        let ended = api.run(&arguments);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{arguments:?}");
        for part in parts {
            assert!(ended.out.contains(part), "{part}: {}", ended.out);
        }
        for format in ["json", "yaml"] {
            let ended = api.run(&[arguments[0], arguments[1], "-o", format]);
            let value: Value = serde_saphyr::from_str(&ended.out).unwrap();
            assert!(value.is_object() || value.is_array(), "{value}");
        }
    }
}
