//! PURE. What objects look like whose authors have erred: a value of another kind, beyond its limits, misspelt, or left out.

use rand::RngExt;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

/// Annotations that there are, and some that there are not.
const NAMES: [&str; 22] = [
    "strategy",
    "steps",
    "pace",
    "soak",
    "warmUp",
    "deadline",
    "onDeadline",
    "scrapeInterval",
    "maxHarm",
    "falseAbort",
    "errors.enabled",
    "latency.quantiles",
    "conversion.path.exact",
    "conversion.window",
    "visitor.header",
    "visitor.by",
    "version-label",
    "port",
    "on-failure",
    "capacity",
    "on-deadline",
    "Steps",
];

/// Changes one value somewhere in an object.
pub(crate) fn mutated(value: &mut Value, random: &mut StdRng) {
    let stops = random.random_range(0..4) == 0;
    match value {
        Value::Object(fields) if !fields.is_empty() && !stops => field(fields, random),
        Value::Array(items) if !items.is_empty() && !stops => {
            let index = random.random_range(0..items.len());
            match random.random_range(0..4) {
                0 => drop(items.remove(index)),
                1 => {
                    let twice = items[index].clone();
                    items.extend(vec![twice; random.random_range(1..80)]);
                }
                _ => mutated(&mut items[index], random),
            }
        }
        other => *other = junk(random),
    }
}

fn field(fields: &mut Map<String, Value>, random: &mut StdRng) {
    let names: Vec<String> = fields.keys().cloned().collect();
    let name = &names[random.random_range(0..names.len())];
    match random.random_range(0..6) {
        0 => drop(fields.remove(name)),
        1 => {
            let value = fields.remove(name).unwrap_or_default();
            fields.insert(format!("{name}s"), value);
        }
        _ => mutated(&mut fields[name], random),
    }
}

/// An annotation of ours with some value.
pub(crate) fn annotation(random: &mut StdRng) -> (String, String) {
    let name = NAMES[random.random_range(0..NAMES.len())];
    let value = match junk(random) {
        Value::String(text) => text,
        other => other.to_string(),
    };
    (format!("tidegate.dev/{name}"), value)
}

/// Something that may be anywhere.
fn junk(random: &mut StdRng) -> Value {
    let long = "a".repeat(random.random_range(1..5_000));
    let all = [
        json!(null),
        json!(true),
        json!(-1),
        json!(0),
        json!(3.5),
        json!(1e300),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!(" "),
        json!(long),
        json!("10%"),
        json!("-10%"),
        json!("101%"),
        json!("NaN"),
        json!("10s"),
        json!("-5m"),
        json!("99999999999h"),
        json!("soon"),
        json!("\u{0}\u{7f}\u{202e}"),
        json!("ünïcödé 🌊"),
        json!("../../etc/passwd"),
        json!("a\nb: c"),
        json!("${HOME}"),
        json!("{{ .Values }}"),
        json!([]),
        json!({}),
        json!([[[]]]),
        json!([1, "a", null]),
        json!({"a": {"b": {"c": [{}]}}}),
        json!("http"),
        json!("canary"),
        json!("100%, 50%"),
        json!("*.*"),
        json!("*"),
    ];
    all[random.random_range(0..all.len())].clone()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;

    #[test]
    fn objects_come_out_different_and_the_same_seed_draws_the_same() {
        let good = json!({"a": {"b": [1, 2, {"c": "d"}]}, "e": "f"});
        let draw = |seed| {
            let mut object = good.clone();
            mutated(&mut object, &mut StdRng::seed_from_u64(seed));
            object
        };
        let all: BTreeSet<String> = (0..200).map(|seed| draw(seed).to_string()).collect();
        assert!(all.len() >= 50, "{} kinds", all.len());
        assert!((0..200).filter(|seed| draw(*seed) == good).count() < 10);
        assert_eq!(draw(7), draw(7));
    }
}
