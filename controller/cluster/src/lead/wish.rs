//! PURE. What somebody wishes of a rollout, as annotations of its object say it. A policy of the API server sees to it that
//! the name in it is that of whoever wrote it.

use std::collections::BTreeMap;

use tidegate_config::Name;
use tidegate_config::limits::COMMAND_ID_BYTES_MAX;
use tidegate_controller::engine::{Command, Verb};

/// The annotation with the command.
const COMMAND: &str = "tidegate.dev/command";
/// The annotation that tells one command from the next.
const COMMAND_ID: &str = "tidegate.dev/command-id";
/// The annotation with the name of the user who commands.
const COMMAND_BY: &str = "tidegate.dev/command-by";

/// The annotation that says which of several versions that are tried is meant.
const COMMAND_VERSION: &str = "tidegate.dev/command-version";

/// Who aborts the rollout of an object that was deleted.
const DELETION: &str = "deletion";

/// The commands by their names.
const COMMANDS: [(&str, Verb); 5] = [
    ("promote", Verb::Promote { full: false }),
    ("promoteFull", Verb::Promote { full: true }),
    ("abort", Verb::Abort),
    ("pause", Verb::Pause),
    ("resume", Verb::Resume),
];

/// A wish of somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// Tells it from others, so that it is carried out once.
    pub id: String,
    /// What is wished, and by whom; or why that is nothing that could be done.
    pub command: Result<Command, String>,
}

impl Wish {
    /// Reads a wish; `None` where there is none.
    pub fn read(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let command = annotations.get(COMMAND)?;
        let id = annotations.get(COMMAND_ID).map(String::as_str).unwrap_or_default();
        let actor = annotations.get(COMMAND_BY).filter(|by| !by.is_empty());
        let id: String = id.chars().take(COMMAND_ID_BYTES_MAX).collect();
        let verb = COMMANDS.iter().find(|(name, _)| name == command).map(|(_, verb)| *verb);
        let version = annotations.get(COMMAND_VERSION).filter(|version| !version.is_empty());
        let command = match (verb, actor) {
            _ if id.is_empty() => Err(format!("annotation {COMMAND_ID} is missing; allowed: any text that is new")),
            (None, _) => {
                let all = COMMANDS.map(|(name, _)| name).join(", ");
                Err(format!("annotation {COMMAND} is {command:?}; allowed: {all}"))
            }
            (_, None) => Err(format!("annotation {COMMAND_BY} is missing; allowed: the name of the user who commands")),
            (Some(verb), Some(actor)) => match version.map(|version| version.parse()).transpose() {
                Ok(version) => Ok(Command { verb, actor: actor.clone(), version }),
                Err(malformed) => Err(format!("annotation {COMMAND_VERSION}: {malformed}")),
            },
        };
        Some(Self { id, command })
    }

    /// What follows from the deletion of an object: that its rollout is undone, before it goes.
    pub(super) fn of_deletion() -> Self {
        let command = Ok(Command::new(Verb::Abort, DELETION.to_owned()));
        Self { id: DELETION.to_owned(), command }
    }

    /// The annotations that say this, of all versions that are tried or of one. That of a version is always there: an earlier
    /// command may have named another one.
    pub fn annotations(id: &str, verb: Verb, version: Option<&Name>, by: &str) -> BTreeMap<String, String> {
        let name = COMMANDS.iter().find(|(_, known)| *known == verb).map_or("", |(name, _)| name);
        let version = version.map_or("", Name::as_str);
        let all = [(COMMAND, name), (COMMAND_ID, id), (COMMAND_VERSION, version), (COMMAND_BY, by)];
        all.map(|(key, value)| (key.into(), value.into())).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (_, verb) in COMMANDS {
            let wish = Wish::read(&Wish::annotations("7", verb, None, "alice")).unwrap();
            assert_eq!(wish, Wish { id: "7".into(), command: Ok(Command::new(verb, "alice".into())) });
        }
        assert_eq!(Wish::read(&BTreeMap::new()), None);
    }

    #[test]
    fn a_wish_may_be_for_one_of_several_versions() {
        let read = |annotations: &BTreeMap<String, String>| Wish::read(annotations).unwrap().command;
        let version = "v2".parse().ok();
        let mut annotations = Wish::annotations("7", Verb::Abort, version.as_ref(), "alice");
        assert_eq!(read(&annotations), Ok(Command { version, ..Command::new(Verb::Abort, "alice".into()) }));
        annotations.insert(COMMAND_VERSION.into(), "no name".into());
        let wrong = read(&annotations).unwrap_err();
        assert!(wrong.starts_with("annotation tidegate.dev/command-version: "), "{wrong}");
    }

    #[test]
    fn what_is_wrong_names_the_annotation() {
        let good = Wish::annotations("7", Verb::Abort, None, "alice");
        for (key, value, wrong) in [
            (COMMAND, Some("stop"), "\"stop\"; allowed: promote, promoteFull, abort, pause, resume"),
            (COMMAND_ID, None, "command-id is missing"),
            (COMMAND_BY, Some(""), "command-by is missing"),
        ] {
            let mut annotations = good.clone();
            annotations.remove(key);
            annotations.extend(value.map(|value| (key.to_owned(), value.to_owned())));
            let error = Wish::read(&annotations).unwrap().command.unwrap_err();
            assert!(error.contains(wrong), "{error}");
        }
    }
}
