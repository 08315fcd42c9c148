//! Reads a document into a type and reports *every* value that does not fit, each by its path, not only the first.
//!
//! serde stops at the first fault. So the faulty value is recorded, taken out of the document, and the rest is read
//! again, until it fits or nothing is left to take out. In the place of a field that is missing an empty list or group is
//! put first: taking out what misses it, the whole document perhaps, would hide the faults beside it.

mod wording;

use std::fmt::Write as _;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::annotations::written;
use crate::limits;
use crate::problem::Problems;

/// The parts of a document that could be read, and what was wrong with the others.
pub(crate) struct Reading<T> {
    /// The document without its faulty parts; `None` where too little is left to make one.
    pub(crate) value: Option<T>,
    /// The faults.
    pub(crate) problems: Problems,
}

/// Reads YAML (of which JSON is a part).
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Reading<T> {
    let mut problems = Problems::default();
    if text.len() > limits::CONFIG_BYTES_MAX {
        let allowed = format!("at most {} bytes", limits::CONFIG_BYTES_MAX);
        problems.add("", format!("{} bytes long", text.len()), allowed);
        return Reading { value: None, problems };
    }
    let document: Value = match serde_saphyr::from_str(text) {
        Ok(document) => document,
        Err(error) => {
            problems.add("", wording::yaml(&error.to_string()), "one YAML document, each field once");
            return Reading { value: None, problems };
        }
    };
    if !document.is_object() {
        let wrong = if document.is_null() { "empty" } else { "not a mapping" };
        problems.add("", wrong, "a mapping with listeners, routes and services");
        return Reading { value: None, problems };
    }
    read_value(document, |document| serde_path_to_error::deserialize(document))
}

/// What was made of a document in one go, or its first fault.
type Result<T> = std::result::Result<T, serde_path_to_error::Error<serde_json::Error>>;

/// Reads a document that is a value already, by a function that stops at the first fault.
pub(crate) fn read_value<T>(mut document: Value, deserialize: impl Fn(&Value) -> Result<T>) -> Reading<T> {
    let mut problems = Problems::default();
    let (mut taken, mut filled) = (Taken::default(), Vec::<String>::new());
    while problems.len() < limits::PROBLEMS_MAX {
        match deserialize(&document) {
            Ok(value) => return Reading { value: Some(value), problems },
            Err(error) => {
                let fault = Fault::of(&error);
                let place = fault.place(&taken);
                // What misses a part that was taken out, or is missing in one that is missing itself, is a consequence, not
                // a fault of its own.
                let consequence = problems.iter().any(|known| is_within(&known.path, &place))
                    || filled.iter().any(|filled| is_within(&place, filled));
                if !consequence {
                    problems.add(place.as_str(), fault.wrong.as_str(), fault.allowed.as_str());
                }
                if !fill(&mut document, &deserialize, &fault, &taken, &mut filled)
                    && !take_out(&mut document, &fault.steps, &mut taken)
                {
                    break;
                }
            }
        }
    }
    Reading { value: None, problems }
}

/// A step from a value to one inside it.
enum Step {
    Index(usize),
    Key(String),
}

struct Fault {
    /// From the document to the value that must go.
    steps: Vec<Step>,
    /// A field that is missing in that value.
    missing: Option<String>,
    wrong: String,
    allowed: String,
}

impl Fault {
    fn of(error: &serde_path_to_error::Error<serde_json::Error>) -> Self {
        let mut steps = steps(error.path());
        let message = error.inner().to_string();
        if let Some(field) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
            let wrong = "missing".to_owned();
            return Self { steps, missing: Some(field.to_owned()), wrong, allowed: "this field must be given".into() };
        }
        // serde and our own newtypes both say "wrong, expected allowed".
        let (wrong, allowed) = message.split_once(", expected ").unwrap_or((&message, "a value of another form"));
        let unknown = wrong.strip_prefix("unknown field `").and_then(|rest| rest.strip_suffix('`'));
        if let Some(field) = unknown
            && !matches!(steps.last(), Some(Step::Key(key)) if key == field)
        {
            steps.push(Step::Key(field.to_owned()));
        }
        Self { steps, missing: None, wrong: wording::wrong(wrong), allowed: wording::allowed(allowed) }
    }

    fn place(&self, taken: &Taken) -> String {
        let mut place = written(&self.steps, taken);
        if let Some(field) = &self.missing {
            push_key(&mut place, field);
        }
        place
    }
}

/// List elements that were taken out, as (list, index in the user's document), so that the indices of later problems
/// are those the user sees.
#[derive(Default)]
struct Taken(Vec<(String, usize)>);

impl Taken {
    /// The index in the user's document of what is now at `index`.
    fn original(&self, list: &str, index: usize) -> usize {
        let mut gone: Vec<_> = self.0.iter().filter(|(of, _)| of == list).map(|(_, i)| *i).collect();
        gone.sort_unstable();
        gone.iter().fold(index, |index, gone| if *gone <= index { index + 1 } else { index })
    }
}

/// A path as the user would write it.
fn written(steps: &[Step], taken: &Taken) -> String {
    let mut place = String::new();
    for step in steps {
        match step {
            Step::Index(index) => {
                let index = taken.original(&place, *index);
                let _ = write!(place, "[{index}]");
            }
            Step::Key(key) => push_key(&mut place, key),
        }
    }
    place
}

/// Whether `path` is `outer` or lies inside it.
fn is_within(path: &str, outer: &str) -> bool {
    let rest = path.strip_prefix(outer);
    rest.is_some_and(|rest| outer.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
}

fn push_key(place: &mut String, key: &str) {
    if !place.is_empty() {
        place.push('.');
    }
    place.push_str(key);
}

fn steps(path: &Path) -> Vec<Step> {
    let step = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(Step::Index(*index)),
        Segment::Map { key } => Some(Step::Key(key.clone())),
        Segment::Enum { variant } => Some(Step::Key(variant.clone())),
        Segment::Unknown => None,
    };
    path.iter().filter_map(step).collect()
}

/// Puts something empty in the place of a field that is missing, once. False where nothing empty fits (a text has a form),
/// and where no field is missing.
fn fill<T>(
    document: &mut Value,
    deserialize: impl Fn(&Value) -> Result<T>,
    fault: &Fault,
    taken: &Taken,
    filled: &mut Vec<String>,
) -> bool {
    let Some(field) = &fault.missing else { return false };
    let place = fault.place(taken);
    if filled.contains(&place) {
        return false;
    }
    for empty in [Value::Array(Vec::new()), Value::Object(serde_json::Map::new())] {
        let Some(fields) = value_at(document, &fault.steps).and_then(Value::as_object_mut) else { return false };
        fields.insert(field.clone(), empty);
        // What comes after it, or is missing inside it, is for the next round.
        if deserialize(document).map_or_else(|error| Fault::of(&error).place(taken) != place, |_| true) {
            filled.push(place);
            return true;
        }
    }
    if let Some(fields) = value_at(document, &fault.steps).and_then(Value::as_object_mut) {
        fields.remove(field);
    }
    false
}

fn value_at<'a>(document: &'a mut Value, steps: &[Step]) -> Option<&'a mut Value> {
    steps.iter().try_fold(document, |value, step| match step {
        Step::Index(index) => value.get_mut(*index),
        Step::Key(key) => value.get_mut(key.as_str()),
    })
}

/// Removes the value at the end of `steps`, or the innermost one around it that exists. False when that is the whole
/// document.
fn take_out(document: &mut Value, steps: &[Step], taken: &mut Taken) -> bool {
    let Some((last, parents)) = steps.split_last() else { return false };
    let Some(parent) = value_at(document, parents) else { return take_out(document, parents, taken) };
    // A list in an annotation is one text.
    if let (Step::Index(_), Value::String(text)) = (last, &*parent) {
        *parent = written::elements(text).collect();
    }
    let removed = match (last, parent) {
        (Step::Index(index), Value::Array(items)) if *index < items.len() => {
            items.remove(*index);
            let place = written(parents, taken);
            let index = taken.original(&place, *index);
            taken.0.push((place, index));
            true
        }
        (Step::Key(key), Value::Object(fields)) => fields.remove(key).is_some(),
        _ => false,
    };
    removed || take_out(document, parents, taken)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether they can be read matters")]
    struct Outer {
        inner: Inner,
        list: Vec<u8>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether they can be read matters")]
    struct Inner {
        list: Vec<u8>,
        by_name: BTreeMap<String, Number>,
        number: Option<u8>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only whether it can be read matters")]
    struct Number {
        number: u8,
    }

    #[test]
    fn a_missing_field_hides_no_other_fault() {
        for (text, expected) in [
            ("{}", &["inner", "list"][..]),
            ("{inner: {}}", &["inner.list", "inner.by_name", "list"]),
            ("{inner: {number: x}}", &["inner.number", "inner.list", "inner.by_name", "list"]),
            ("{inner: {other: 1, list: 1}, list: 2}", &["inner.list", "inner.other", "inner.by_name", "list"]),
            ("{inner: 1}", &["inner", "list"]),
            (
                "{inner: {by_name: {a: {}, b: {}}}}",
                &["inner.by_name.a.number", "inner.by_name.b.number", "inner.list", "list"],
            ),
            ("{inner: {list: [], by_name: {}}}", &["list"]),
            ("{inner: {list: [], by_name: {}}, list: []}", &[]),
        ] {
            let places: Vec<_> = read::<Outer>(text).problems.iter().map(|problem| problem.path.clone()).collect();
            assert_eq!(places, expected, "{text}");
        }
    }
}
