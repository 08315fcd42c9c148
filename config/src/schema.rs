//! What an API server checks before it takes an object: JSON schemas of the types, with rules in CEL where a text has a form
//! or two fields must fit. A rule tells what is allowed in the words of the type itself; a pattern would tell the pattern.
//!
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules>

mod rules;
#[cfg(test)]
mod tests;

use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

pub(crate) use rules::{conversion, latency, path_match, policy};

use crate::cluster::{Label, LabelKey};
use crate::limits;
use crate::name::Name;
use crate::policy::{MaxHarm, Method, StatusMatch, Step};
use crate::problem::Malformed;
use crate::route::Path;
use crate::share::Share;
use crate::span::Span;
use crate::visitor::HeaderName;

/// The key of a schema's rules.
pub const RULES: &str = "x-kubernetes-validations";

/// Parts from large to small, of which even the largest together are no more than 366 days; above 299 days in whole parts.
const SPAN: &str = "(0|366d|(3[0-5][0-9]|36[0-5])d(1?[0-9]h|2[0-3]h)?([1-5]?[0-9]m)?([1-5]?[0-9]s)?([0-9]{1,3}ms)?|\
                    ([12]?[0-9]?[0-9]d)?([0-9]{1,3}h)?([0-9]{1,4}m)?([0-9]{1,5}s)?([0-9]{1,8}ms)?)";
const SHARE: &str = r"(100(\.0{1,4})?|[0-9]{1,2}(\.[0-9]{1,4})?)%";
/// At most 50%.
const HALF: &str = r"(50(\.0{1,4})?|[0-4]?[0-9](\.[0-9]{1,4})?)%";
const LABEL: &str = "[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?";
const DNS_LABEL: &str = "[a-z0-9]([a-z0-9-]*[a-z0-9])?";

/// A condition that a text as a whole matches.
fn matches(text: &str, pattern: &str) -> String {
    format!(r#"{text}.matches(r"^{pattern}$")"#)
}

/// A rule with what is told where it does not hold.
fn rule(rule: impl Into<String>, message: impl Into<String>) -> Value {
    json!({ "rule": rule.into(), "message": message.into() })
}

/// The schema of a text that is read by `T`, which tells the form.
fn text<T: FromStr<Err = Malformed>>(condition: String, length: usize) -> Schema {
    // No form has this text.
    let form = "\0".parse::<T>().err().map_or("a text", |malformed| malformed.allowed);
    json_schema!({ "type": "string", "minLength": 1, "maxLength": length, RULES: [rule(condition, form)] })
}

/// Gives a type that is written as text its schema.
macro_rules! schema_of_text {
    ($type:ident, $length:expr, $condition:expr) => {
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                text::<Self>($condition, $length)
            }
        }
    };
}

schema_of_text!(Span, 32, matches("self", SPAN));
schema_of_text!(Share, 8, matches("self", SHARE));
schema_of_text!(Step, 64, step("self"));
schema_of_text!(
    MaxHarm,
    8,
    // Not what is less than 0.01%.
    format!("{} && !{}", matches("self", &format!("(auto|{HALF})")), matches("self", r"0{1,2}(\.0|\.00[0-9]{0,2})?%"))
);
schema_of_text!(Method, 32, matches("self", "[A-Z-]+"));
schema_of_text!(StatusMatch, 3, matches("self", "([1-5]xx|[1-5][0-9][0-9])"));
schema_of_text!(Path, 1024, matches("self", r"/[!\x22$->@-~]*"));
schema_of_text!(HeaderName, 64, matches("self", "[A-Za-z0-9!#$%&'*+.^_`|~-]+"));
schema_of_text!(Name, limits::NAME_BYTES_MAX, matches("self", LABEL));
schema_of_text!(Label, 63, matches("self", LABEL));
schema_of_text!(
    LabelKey,
    317,
    format!(r#"self.matches(r"^({DNS_LABEL}(\.{DNS_LABEL})*/)?{LABEL}$") && self.matches("(^|/)[^/]{{1,63}}$")"#)
);

/// A condition that a text is a step, with one space between its parts.
fn step(text: &str) -> String {
    let form = matches(text, &format!("{SHARE}( {SPAN})?( approve)?"));
    format!("{form} && !{text}.contains('  ') && !{text}.endsWith(' ')")
}

/// The schema of a share that is the chance of a mistake.
pub(crate) fn chance(_: &mut SchemaGenerator) -> Schema {
    let condition = format!("{} && !{}", matches("self", HALF), matches("self", r"0{1,2}(\.0{1,4})?%"));
    json_schema!({
        "type": "string", "minLength": 2, "maxLength": 8, RULES: [rule(condition, "more than 0%, at most 50%")]
    })
}

/// The schema of a chance that may be left out.
pub(crate) fn optional_chance(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = chance(generator);
    schema.insert("nullable".to_owned(), Value::Bool(true));
    schema
}

/// The schema of the steps of a canary.
pub(crate) fn steps(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = json_schema!({ "type": "array", "minItems": 1, "maxItems": limits::STEPS_MAX, "nullable": true });
    schema.insert("items".to_owned(), Step::json_schema(generator).to_value());
    schema.insert(RULES.to_owned(), rules::steps());
    schema
}

/// The schema of the versions that are tried at the same time.
pub(crate) fn canaries(generator: &mut SchemaGenerator) -> Schema {
    let mut schema =
        json_schema!({ "type": "array", "maxItems": limits::CANARIES_MAX, "x-kubernetes-list-type": "set" });
    schema.insert("items".to_owned(), Label::json_schema(generator).to_value());
    schema
}

/// The schema of a window in which visitors may convert.
pub(crate) fn window(generator: &mut SchemaGenerator) -> Schema {
    let allowed = "1s to 14d";
    optional_span(generator, vec![rules::at_least(4, allowed), rules::at_most_14_days(allowed)])
}

/// The schema of the time between two scrapes.
pub(crate) fn scrape_interval(generator: &mut SchemaGenerator) -> Schema {
    optional_span(generator, vec![rules::at_least(3, "100ms or more")])
}

/// The schema of how long a request may wait for somebody to answer it.
pub fn park(generator: &mut SchemaGenerator) -> Schema {
    optional_span(generator, vec![rules::at_most_minutes(limits::PARK_SECONDS_MAX / 60, "at most 10m; 0s: not at all")])
}

fn optional_span(generator: &mut SchemaGenerator, more: Vec<Value>) -> Schema {
    let mut schema = Span::json_schema(generator);
    schema.insert("nullable".to_owned(), Value::Bool(true));
    if let Some(rules) = schema.get_mut(RULES).and_then(Value::as_array_mut) {
        rules.extend(more);
    }
    schema
}

/// The schema of a margin in buckets of latency.
pub(crate) fn margin_buckets(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "minimum": 0, "maximum": 16 })
}
