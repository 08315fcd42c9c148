//! Commands: what is written, and what is said of the answer.

use serde_json::{Value, json};
use tidegate_controller::engine::Verb;

use crate::objects::{memory, object};
use crate::server::{Api, State};

fn shop(controller: Option<Value>) -> State {
    State { object: object("shop", &memory(&[Verb::Promote { full: false }])), controller, ..State::default() }
}

#[test]
fn a_command_is_written_with_the_name_of_who_commands() {
    for (arguments, command) in [
        (&["promote", "shop"][..], "promote"),
        (&["promote", "--full", "svc/shop"], "promoteFull"),
        (&["abort", "rollout/shop"], "abort"),
        (&["pause", "shop"], "pause"),
        (&["resume", "shop", "-o", "json"], "resume"),
        (&["abort", "shop", "--version", "v2"], "abort"),
    ] {
        let api = Api::start(shop(Some(json!({"done": true}))));
        let ended = api.run(arguments);
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{arguments:?}: {}", ended.out);
        assert!(ended.out.contains("shop"), "{}", ended.out);
        let state = api.state.lock().unwrap();
        let [patch] = state.patches.as_slice() else { panic!("{:?}", state.patches) };
        let annotations = &patch["metadata"]["annotations"];
        assert_eq!(annotations["tidegate.dev/command"], command);
        let version = arguments.iter().skip_while(|it| **it != "--version").nth(1).copied().unwrap_or_default();
        assert_eq!(
            annotations["tidegate.dev/command-version"], version,
            "that of an earlier command is none of this one"
        );
        assert_eq!(annotations["tidegate.dev/command-by"], "alice");
        assert_eq!(annotations["tidegate.dev/command-id"].as_str().unwrap().len(), 16);
        assert_eq!(patch["metadata"]["resourceVersion"], "1");
    }
}

#[test]
fn a_command_is_written_again_after_a_conflict() {
    let api = Api::start(State { conflicts: 2, ..shop(Some(json!({"done": true}))) });
    assert_eq!(api.run(&["pause", "shop"]).code, Some(0));
    let state = api.state.lock().unwrap();
    let versions: Vec<_> = state.patches.iter().map(|patch| patch["metadata"]["resourceVersion"].clone()).collect();
    assert_eq!(versions, ["1", "2", "3"]);
    let ids: Vec<_> =
        state.patches.iter().map(|patch| &patch["metadata"]["annotations"]["tidegate.dev/command-id"]).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "one command: {ids:?}");
}

#[test]
fn an_object_that_never_rests_is_given_up() {
    let ended = Api::start(State { conflicts: 1_000, ..shop(None) }).run(&["pause", "shop"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("was changed by others whenever it was to be written"), "{}", ended.err);
}

#[test]
fn a_refusal_says_what_is_possible() {
    let refused =
        json!({"done": false, "message": "cannot resume: it is not paused; possible: promote, pause or abort"});
    let ended = Api::start(shop(Some(refused))).run(&["resume", "shop"]);
    let expected = "kubectl-tidegate: cannot resume: it is not paused; possible: promote, pause or abort\n";
    assert_eq!((ended.code, ended.out.as_str(), ended.err.as_str()), (Some(1), "", expected));
}

#[test]
fn nobody_answers_in_time() {
    let ended = Api::start(shop(None)).run(&["abort", "shop", "--timeout", "300ms"]);
    assert_eq!(ended.code, Some(1));
    for part in [
        "no controller has answered within 300ms. The command stays written",
        "`kubectl annotate rollouts.tidegate.dev shop -n web tidegate.dev/command-`",
    ] {
        assert!(ended.err.contains(part), "{part}: {}", ended.err);
    }
}

#[test]
fn a_command_to_what_another_version_wrote_is_carried_out() {
    let mut state = shop(Some(json!({"done": true})));
    state.object["status"]["record"] = json!("{\"shadow\":1}");
    let ended = Api::start(state).run(&["abort", "shop"]);
    assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""));
    assert!(ended.err.contains("abort shop: done; Rollout shop cannot be read"), "{}", ended.err);
}
