//! `docs/kubernetes.md` against the annotations that are read, and against the definition of the Rollout object, which a
//! test of the cluster's package compares with its types.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tidegate_config::annotations::{Annotated, PREFIX};

use super::markdown::{blocks, rows, span, text};

const DOCUMENT: &str = "docs/kubernetes.md";

/// The groups of annotations, each asked for a field that it has not: the answer names all that it has.
const GROUPS: [&str; 6] = ["", "errors.", "latency.", "conversion.", "conversion.path.", "visitor."];

/// Every annotation that is a value and no group.
fn known() -> BTreeSet<String> {
    let unknown = GROUPS.iter().map(|group| (format!("{PREFIX}{group}unknown"), "x".to_owned()));
    let mut annotations: BTreeMap<_, _> = unknown.collect();
    annotations.insert(format!("{PREFIX}strategy"), "canary".to_owned());
    let problems = Annotated::read(&annotations).unwrap_err();
    let mut names = BTreeSet::new();
    for problem in problems.iter().filter(|problem| problem.path.ends_with("unknown")) {
        let group = problem.path.strip_suffix("unknown").unwrap();
        names.extend(problem.allowed.split('`').skip(1).step_by(2).map(|field| format!("{group}{field}")));
    }
    let groups: BTreeSet<_> = GROUPS.iter().map(|group| format!("{PREFIX}{}", group.trim_end_matches('.'))).collect();
    names.difference(&groups).cloned().collect()
}

/// The annotations of the table, with their examples.
fn examples() -> BTreeMap<String, String> {
    let rows = rows(&text(DOCUMENT), "Annotations of a Service");
    rows.iter().map(|row| (span(&row[0]).unwrap().to_owned(), span(&row[1]).unwrap().to_owned())).collect()
}

#[test]
fn every_annotation_is_in_the_table() {
    let (known, examples) = (known(), examples());
    assert!(known.len() >= 36, "{known:?}");
    assert_eq!(examples.into_keys().collect::<BTreeSet<_>>(), known);
}

/// Each example is read, and says something else than the default.
#[test]
fn examples_of_annotations_are_good() {
    let mut seen = 0;
    for (name, value) in examples() {
        let short = name.strip_prefix(PREFIX).unwrap();
        let strategy = match short {
            "switchAfter" | "standby" => "blueGreen",
            "startWithin" => "recreate",
            _ => "canary",
        };
        let mut annotations = BTreeMap::from([(format!("{PREFIX}strategy"), strategy.to_owned())]);
        if short.starts_with("conversion.") && !short.starts_with("conversion.path.") {
            annotations.insert(format!("{PREFIX}conversion.path.exact"), "/".to_owned());
        }
        if short == "conversion.margin" {
            annotations.insert(format!("{PREFIX}conversion.goal"), "nonInferiority".to_owned());
        }
        annotations.insert(name.clone(), value.clone());
        let annotated = Annotated::read(&annotations).unwrap_or_else(|problems| panic!("{problems}")).unwrap();
        assert_eq!(annotated.write().get(&name), Some(&value));
        seen += 1;
    }
    assert!(seen >= 36, "saw {seen} annotations");
}

#[test]
fn what_is_said_of_bad_annotations_is_so() {
    let document = text(DOCUMENT);
    let said = blocks(&document).into_iter().find(|block| block.kind == "text").unwrap().text;
    let annotations = BTreeMap::from(
        [("strategy", "canary"), ("on-deadline", "abort"), ("soak", "soon")]
            .map(|(name, value)| (format!("{PREFIX}{name}"), value.to_owned())),
    );
    let problems = Annotated::read(&annotations).unwrap_err().to_string();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), problems.lines().count(), "{problems}");
    for (line, told) in lines.iter().zip(problems.lines()) {
        assert!(told.starts_with(line.trim_end_matches('…').trim_end()), "says {told}");
    }
}

/// The properties of the object at a path of its schema.
fn properties(pointer: &str) -> BTreeMap<String, Value> {
    let definition: Value = serde_saphyr::from_str(&text("deploy/crds/tidegate.dev_rollouts.yaml")).unwrap();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let schema = schema.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
    let required = |name: &str| schema["required"].as_array().is_some_and(|names| names.iter().any(|n| n == name));
    let marked = schema["properties"].as_object().unwrap().iter().map(|(name, property)| {
        let mut property = property.clone();
        property["required"] = required(name).into();
        (name.clone(), property)
    });
    marked.collect()
}

#[test]
fn every_field_of_the_object_is_in_its_table() {
    let document = text(DOCUMENT);
    let mut fields = 0;
    for (heading, pointer) in [
        ("The Rollout object", "/properties/spec"),
        ("spec.gates[]", "/properties/spec/properties/gates/items"),
        ("Status", "/properties/status"),
    ] {
        let (rows, known) = (rows(&document, heading), properties(pointer));
        let written: BTreeSet<_> = rows.iter().map(|row| span(&row[0]).unwrap()).collect();
        assert_eq!(written, known.keys().map(String::as_str).collect(), "{heading}");
        for row in &rows {
            let (name, property) = (span(&row[0]).unwrap(), &known[span(&row[0]).unwrap()]);
            for choice in property["enum"].as_array().into_iter().flatten() {
                assert!(row[1].contains(&format!("`{}`", choice.as_str().unwrap())), "{name}: {choice} is missing");
            }
            if heading != "Status" {
                assert_eq!(row[2] == "required", property["required"] == true, "{name}");
                let default = property["default"].as_str().map(str::to_owned);
                let default = default.or(property["default"].as_bool().map(|default| default.to_string()));
                assert_eq!(span(&row[2]).map(str::to_owned), default, "{name}");
            }
            fields += 1;
        }
    }
    assert!(fields >= 40, "saw {fields} fields");
}
