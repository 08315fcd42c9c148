//! The settings of a Service in a cluster as its annotations say them: `tidegate.dev/strategy: canary`.
//!
//! Every field of the policy and of `visitor` has the name that it has in the file, its groups in front of it
//! (`latency.marginBuckets`, `visitor.by`); the options that only a cluster has are in kebab case (`on-failure`). A list
//! is one text with commas. What is read, and what is wrong with it, is the same as in the file: the types say it.

mod near;
pub(crate) mod written;

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::cluster::ClusterOptions;
use crate::document::{self, Reading};
use crate::fields;
use crate::limits;
use crate::policy::Policy;
use crate::problem::Problems;
use crate::service::check_park;
use crate::span::Span;
use crate::visitor::Visitor;

/// What our annotations begin with. Every annotation of a Service that does is ours; others are nobody's business here.
pub const PREFIX: &str = "tidegate.dev/";

/// The group of the visitor's settings, which stand beside the policy in the file too.
const VISITOR: &str = "visitor";
/// And what else does.
const PARK: &str = "park";

/// Groups in groups: `conversion.path.exact`. What has more dots is unknown anyway.
const PARTS_MAX: usize = 4;

/// What the annotations of a Service say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotated {
    /// How its canaries are rolled out.
    pub policy: Policy,
    /// Who counts as one visitor.
    pub visitor: Visitor,
    /// How long a request waits while nobody can be reached.
    pub park: Option<Span>,
    /// What only a cluster has.
    pub options: ClusterOptions,
}

impl Annotated {
    /// Reads the annotations of a Service. `None` where none of them is ours; on error every problem, each by the
    /// annotation, with its value.
    pub fn read(annotations: &BTreeMap<String, String>) -> Result<Option<Self>, Problems> {
        let ours: BTreeMap<&str, &str> =
            annotations.iter().filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?, value.as_str()))).collect();
        if ours.is_empty() {
            return Ok(None);
        }
        let mut problems = Problems::default();
        let mut trees = Trees::of(&ours, &mut problems);
        let visitor = trees.policy.remove(VISITOR).unwrap_or_else(|| Value::Object(Map::new()));
        let visitor = part(visitor, &mut problems, |path| format!("{VISITOR}.{path}").trim_end_matches('.').to_owned());
        let park: Option<Option<Span>> = match trees.policy.remove(PARK) {
            Some(written) => part(written, &mut problems, |_| PARK.to_owned()),
            None => Some(None),
        };
        check_park(park.flatten(), PARK, &mut problems);
        let options: Option<ClusterOptions> = part(Value::Object(trees.options), &mut problems, kebab);
        let known = problems.len();
        let policy: Option<Policy> = part(Value::Object(trees.policy), &mut problems, str::to_owned);
        if let Some(policy) = policy.as_ref().filter(|_| problems.len() == known) {
            let mut found = Problems::default();
            policy.check("", &mut found);
            add_all(&mut problems, &found, |path| path.trim_start_matches('.').to_owned());
        }
        if let (Some(policy), Some(options)) = (&policy, &options) {
            let mut found = Problems::default();
            options.check(policy, "", &mut found);
            add_all(&mut problems, &found, |path| kebab(path.trim_start_matches('.')));
        }
        match (policy, visitor, park, options) {
            (Some(policy), Some(visitor), Some(park), Some(options)) if problems.is_empty() => {
                Ok(Some(Self { policy, visitor, park, options }))
            }
            _ => Err(told(&problems, &ours)),
        }
    }

    /// The annotations that say this, without those that only say what is so by default.
    pub fn write(&self) -> BTreeMap<String, String> {
        let Self { policy, visitor, park, options } = self;
        let mut written = differing(policy, &Policy::of(policy.strategy), "", str::to_owned);
        written.extend(differing(visitor, &Visitor::default(), VISITOR, str::to_owned));
        written.extend(differing(options, &ClusterOptions::default(), "", kebab));
        written.extend(park.map(|park| (PARK.to_owned(), park.to_string())));
        // Without this one there is no policy.
        written.extend(flat(policy, "", str::to_owned).into_iter().filter(|(name, _)| name == "strategy"));
        written.into_iter().map(|(name, value)| (format!("{PREFIX}{name}"), value)).collect()
    }
}

/// The annotations by the type that reads them, each a tree with texts as leaves.
struct Trees {
    policy: Map<String, Value>,
    options: Map<String, Value>,
}

impl Trees {
    fn of(ours: &BTreeMap<&str, &str>, problems: &mut Problems) -> Self {
        let mut trees = Self { policy: Map::new(), options: Map::new() };
        let options: BTreeMap<String, &str> =
            fields::of::<ClusterOptions>().iter().map(|field| (kebab(field), *field)).collect();
        let mut known: Vec<String> = fields::of::<Policy>().iter().map(|field| (*field).to_owned()).collect();
        known.extend([VISITOR, PARK].map(str::to_owned));
        for (name, value) in ours {
            if problems.len() >= limits::PROBLEMS_MAX {
                break;
            }
            let mut parts: Vec<&str> = name.splitn(PARTS_MAX, '.').collect();
            let first = parts[0];
            let tree = if let Some(field) = options.get(first) {
                parts[0] = field;
                &mut trees.options
            } else if known.iter().any(|known| known == first) {
                &mut trees.policy
            } else {
                let all: Vec<String> = known.iter().chain(options.keys()).cloned().collect();
                problems.add(*name, "unknown annotation", near::allowed(first, &all));
                continue;
            };
            if !plant(tree, &parts, value) {
                let allowed = "the whole, or the fields of a group, not both";
                problems.add(*name, "a field of what has a value itself", allowed);
            }
        }
        trees
    }
}

/// Puts a text into its place in a tree. False where there is a text on the way; names come in order, so that one that is
/// longer comes later.
fn plant(tree: &mut Map<String, Value>, parts: &[&str], value: &str) -> bool {
    let Some((first, rest)) = parts.split_first() else { return false };
    if rest.is_empty() {
        tree.insert((*first).to_owned(), Value::String(value.to_owned()));
        return true;
    }
    let group = tree.entry(*first).or_insert_with(|| Value::Object(Map::new()));
    group.as_object_mut().is_some_and(|group| plant(group, rest, value))
}

/// Reads one type from its tree. `name` makes the name of an annotation from a path in the type.
fn part<T: DeserializeOwned>(tree: Value, problems: &mut Problems, name: impl Fn(&str) -> String) -> Option<T> {
    let Reading { value, problems: found } = document::read_value(tree, written::read);
    add_all(problems, &found, name);
    value
}

fn add_all(problems: &mut Problems, found: &Problems, name: impl Fn(&str) -> String) {
    for problem in found.iter() {
        problems.add(name(&problem.path), problem.wrong.as_str(), problem.allowed.as_str());
    }
}

/// Problems as somebody who wrote the annotations looks for them: by the whole name, with the value.
fn told(problems: &Problems, ours: &BTreeMap<&str, &str>) -> Problems {
    let mut told = Problems::default();
    for problem in problems.iter() {
        let wrong = match written_at(&problem.path, ours).filter(|value| !quotes(&problem.wrong, value)) {
            Some(value) => format!("\"{}\": {}", shortened(value), problem.wrong),
            None => problem.wrong.clone(),
        };
        told.add(format!("{PREFIX}{}", problem.path), wrong, problem.allowed.as_str());
    }
    told
}

/// What is written in an annotation, or as an element of its list.
fn written_at<'a>(path: &str, ours: &BTreeMap<&str, &'a str>) -> Option<&'a str> {
    match path.split_once('[') {
        Some((name, index)) => written::elements(ours.get(name)?).nth(index.trim_end_matches(']').parse().ok()?),
        None => ours.get(path).map(|value| value.trim()),
    }
}

/// Whether a message names the value already.
fn quotes(message: &str, value: &str) -> bool {
    let quoted = [format!("\"{value}\""), format!("`{value}`")];
    quoted.iter().any(|quoted| message.contains(quoted))
        || message.starts_with(&format!("{value} "))
        || message.ends_with(&format!(" {value}"))
}

/// Characters of a value that are repeated in a message.
const QUOTED_MAX: usize = 100;

fn shortened(value: &str) -> String {
    match value.char_indices().nth(QUOTED_MAX) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// `onFailure` as `on-failure`.
fn kebab(field: &str) -> String {
    let mut name = String::new();
    for c in field.chars() {
        if c.is_ascii_uppercase() {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}

/// A value as names and texts.
fn flat(value: &impl Serialize, group: &str, name: impl Fn(&str) -> String) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    let mut left = vec![(group.to_owned(), serde_json::to_value(value).unwrap_or_default())];
    while let Some((path, value)) = left.pop() {
        match value {
            Value::Object(fields) => {
                let inside = |field: String| if path.is_empty() { name(&field) } else { format!("{path}.{field}") };
                left.extend(fields.into_iter().map(|(field, value)| (inside(field), value)));
            }
            Value::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| item.as_str().unwrap_or_default()).collect();
                leaves.insert(path, items.join(", "));
            }
            Value::String(text) => {
                leaves.insert(path, text);
            }
            Value::Null => {}
            other => {
                leaves.insert(path, other.to_string());
            }
        }
    }
    leaves
}

/// What of a value is not as in another.
fn differing<T: Serialize>(value: &T, default: &T, group: &str, name: fn(&str) -> String) -> BTreeMap<String, String> {
    let default = flat(default, group, name);
    flat(value, group, name).into_iter().filter(|(name, text)| default.get(name) != Some(text)).collect()
}
