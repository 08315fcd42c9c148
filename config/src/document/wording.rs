//! The faults that parsers find, in the words of somebody who writes a file: serde speaks of types, the YAML parser of its
//! own options.

use crate::problem::Problem;

impl Problem {
    /// The fault at a path, from a message of serde's: for manifests, which are read elsewhere.
    pub fn of_message(path: &str, message: &str) -> Self {
        let missing = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
        if let Some(field) = missing {
            let path = if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
            return Self { path, wrong: "missing".to_owned(), allowed: "this field must be given".to_owned() };
        }
        let (found, expected) = message.split_once(", expected ").unwrap_or((message, "a value of another form"));
        Self { path: path.to_owned(), wrong: wrong(found), allowed: allowed(expected) }
    }
}

/// What is wrong, from a message of serde's.
pub(super) fn wrong(message: &str) -> String {
    let Some(found) = ["invalid type: ", "invalid value: "].iter().find_map(|start| message.strip_prefix(start)) else {
        return message.replacen("unknown variant", "unknown value", 1);
    };
    let quoted = |start: &str| found.strip_prefix(start)?.strip_suffix('`');
    match found {
        "null" => "nothing is given".to_owned(),
        "map" => "a group of fields".to_owned(),
        "sequence" => "a list".to_owned(),
        _ => match (quoted("integer `").or(quoted("floating point `")), quoted("boolean `")) {
            (Some(number), _) => format!("the number {number}"),
            (_, Some(boolean)) => format!("the value {boolean}"),
            _ => found.strip_prefix("string ").map_or_else(|| found.to_owned(), |text| format!("the text {text}")),
        },
    }
}

/// What would be right, from what serde expected.
pub(super) fn allowed(expected: &str) -> String {
    match expected {
        "a sequence" => "a list".to_owned(),
        "a map" => "fields by name".to_owned(),
        "a string" => "a text".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "u8" => format!("a whole number from 0 to {}", u8::MAX),
        "u16" => format!("a whole number from 0 to {}", u16::MAX),
        "u32" => format!("a whole number from 0 to {}", u32::MAX),
        "u64" => "a whole number, 0 or more".to_owned(),
        "a nonzero usize" => "a whole number, 1 or more".to_owned(),
        _ if expected.starts_with("struct ") => "a group of fields".to_owned(),
        _ => expected.to_owned(),
    }
}

/// The first line of what the YAML parser says, without advice for those who call it.
pub(super) fn yaml(message: &str) -> &str {
    let first = message.lines().next().unwrap_or_default();
    let first = first.strip_prefix("error: ").unwrap_or(first);
    [", set DuplicateKeyPolicy", "; use from_str_multiple"]
        .iter()
        .find_map(|advice| first.split_once(advice))
        .map_or(first, |(fault, _)| fault)
}
