//! PURE. What became of a command, as its object tells.

use kube::core::DynamicObject;
use tidegate_cluster::lead::Wish;
use tidegate_cluster::rollout_object::CommandStatus;
use tidegate_config::Span;

use crate::failure::Failure;
use crate::{seen, wanted};

/// Whether a command was carried out; `None` while nobody has looked at it.
pub(crate) fn answer(object: &DynamicObject, id: &str) -> Option<Result<(), Failure>> {
    let command = object.data.pointer("/status/command").cloned();
    let answered = command.and_then(|command| serde_json::from_value::<CommandStatus>(command).ok());
    if let Some(CommandStatus { done, message, .. }) = answered.filter(|answered| answered.id == id) {
        let refused =
            || Failure::Denied(message.unwrap_or_else(|| "the controller refused, and did not say why".into()));
        return Some(if done { Ok(()) } else { Err(refused()) });
    }
    let name = seen::name(object);
    if let Some(why) = wanted::idle(object) {
        return Some(Err(Failure::Idle { name, why: why.to_owned() }));
    }
    let written = object.metadata.annotations.as_ref().and_then(Wish::read);
    let (command, by) = match written {
        Some(wish) if wish.id == id => return None,
        Some(Wish { command: Ok(command), .. }) => (command.verb.to_string(), command.actor),
        _ => ("nothing".to_owned(), "somebody".to_owned()),
    };
    Some(Err(Failure::Replaced { name, command, by }))
}

/// Nobody has looked.
pub(crate) fn no_answer(object: &DynamicObject, within: Span) -> Failure {
    let namespace = object.metadata.namespace.clone().unwrap_or_default();
    Failure::NoAnswer { name: seen::name(object), namespace, within }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tidegate_controller::engine::Verb;

    use super::*;

    fn object(written: &str, status: &Value) -> DynamicObject {
        let annotations = Wish::annotations(written, Verb::Pause, None, "bob");
        let object = json!({"metadata": {"name": "shop", "annotations": annotations}, "status": status});
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_command_is_answered_by_its_id() {
        let waits = json!({"command": {"id": "6", "done": true}});
        let done = json!({"command": {"id": "7", "done": true}});
        let refused = json!({"command": {"id": "7", "done": false, "message": "it is over"}});
        let conflicted = json!({"conditions": [{"type": "Conflicted", "status": "True", "message": "b has it"}]});
        let refused_spec = json!({"type": "Accepted", "status": "False", "message": "there is no Service"});
        let never = json!({"conditions": [refused_spec]});
        let since = json!({"conditions": [refused_spec], "record": "{}"});
        for (written, status, told, why) in [
            ("7", &waits, None, "an older one was answered"),
            ("7", &Value::Null, None, "nothing was"),
            ("7", &done, Some(""), "carried out"),
            ("8", &done, Some(""), "carried out, and another one came"),
            ("7", &refused, Some("it is over"), "refused"),
            ("8", &waits, Some("bob has commanded `pause` before"), "another one came too early"),
            ("7", &conflicted, Some("Rollout shop does nothing: b has it"), "nobody works on it"),
            ("7", &never, Some("Rollout shop does nothing: there is no Service"), "it was never good"),
            ("7", &since, None, "the last good one is worked on"),
        ] {
            let answer = answer(&object(written, status), "7");
            let said = answer.map(|answer| answer.err().map(|failure| failure.to_string()).unwrap_or_default());
            match (said, told) {
                (None, None) => {}
                (Some(said), Some(told)) => {
                    assert!(said.starts_with(told) && said.is_empty() == told.is_empty(), "{said}");
                }
                (said, _) => panic!("{why}: {said:?}"),
            }
        }
    }

    #[test]
    fn annotations_that_were_taken_away_are_no_command() {
        let object = serde_json::from_value(json!({"metadata": {"name": "shop"}})).unwrap();
        assert!(matches!(answer(&object, "7"), Some(Err(Failure::Replaced { .. }))));
    }
}
