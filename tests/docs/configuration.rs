//! `docs/configuration.md` against the types: what may be written, and what it is by default.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tidegate_config::Config;

use super::markdown::{blocks, documents, rows, span, text};

/// A document with a word in every group that no type knows: the answers name all that each type does know.
const UNKNOWN_EVERYWHERE: &str = r#"
unknown: 1
listeners: [{ address: "127.0.0.1:8080", unknown: 1, tls: { unknown: 1, certificates: [{ unknown: 1 }] } }]
admin: { unknown: 1 }
accessLog: unknown
routes: [{ service: shop, unknown: 1 }, { service: shop, path: { unknown: / } }]
services:
  shop:
    unknown: 1
    stable: v1
    canary: v2
    versions:
      v1: { endpoints: ["127.0.0.1:1"], unknown: 1 }
      v2: { endpoints: ["127.0.0.1:2"] }
    visitor: { unknown: 1, by: unknown }
    rollout:
      unknown: 1
      strategy: unknown
      pace: unknown
      onDeadline: unknown
      errors: { unknown: 1 }
      latency: { unknown: 1, quantiles: [unknown] }
      conversion: { unknown: 1, path: { exact: / }, goal: unknown }
timeouts: { unknown: 1 }
limits: { unknown: 1 }
"#;

/// A configuration with every group in it and no field that has a default.
const ONLY_WHAT_MUST_BE: &str = r#"
listeners: [{ address: "127.0.0.1:8080", tls: { certificates: [{ certificateFile: a, keyFile: b }] } }]
routes: [{ service: shop }]
services:
  shop:
    stable: v1
    canary: v2
    versions: { v1: { endpoints: ["127.0.0.1:1"] }, v2: { endpoints: ["127.0.0.1:2"] } }
    rollout: { strategy: canary, conversion: { path: { exact: /buy } } }
"#;

/// The sections of the document, where their group lies in a configuration, and where in the unknown one.
const SECTIONS: [(&str, &str, &str); 14] = [
    ("The document", "", ""),
    ("listeners[]", "/listeners/0", "listeners[0]."),
    ("listeners[].tls", "/listeners/0/tls", "listeners[0].tls."),
    ("listeners[].tls.certificates[]", "/listeners/0/tls/certificates/0", "listeners[0].tls.certificates[0]."),
    ("admin", "/admin", "admin."),
    ("routes[]", "/routes/0", "routes[0]."),
    ("services.NAME", "/services/shop", "services.shop."),
    ("services.NAME.versions.NAME", "/services/shop/versions/v1", "services.shop.versions.v1."),
    ("services.NAME.visitor", "/services/shop/visitor", "services.shop.visitor."),
    ("services.NAME.rollout", "/services/shop/rollout", "services.shop.rollout."),
    ("services.NAME.rollout.errors", "/services/shop/rollout/errors", "services.shop.rollout.errors."),
    ("services.NAME.rollout.latency", "/services/shop/rollout/latency", "services.shop.rollout.latency."),
    ("services.NAME.rollout.conversion", "/services/shop/rollout/conversion", "services.shop.rollout.conversion."),
    ("timeouts", "/timeouts", "timeouts."),
];
const LIMITS: (&str, &str, &str) = ("limits", "/limits", "limits.");

/// Fields of that configuration that might have been left out.
const WRITTEN: [&str; 7] = ["stable", "canary", "rollout", "conversion", "tls", "certificateFile", "keyFile"];

/// By the path of a problem: the words that would have been right there.
fn known_words() -> BTreeMap<String, BTreeSet<String>> {
    let problems = Config::parse(UNKNOWN_EVERYWHERE).unwrap_err();
    let words = |allowed: &str| allowed.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    let unknown = problems.iter().filter(|problem| problem.wrong.starts_with("unknown"));
    // A path is a group of one field, which has no table of its own: its fields are choices.
    let place = |path: &str| path.replace("path.unknown", "path");
    unknown.map(|problem| (place(&problem.path), words(&problem.allowed))).collect()
}

#[test]
fn every_field_is_in_its_table() {
    let (known, document) = (known_words(), text("docs/configuration.md"));
    let mut fields = 0;
    for (heading, _, path) in SECTIONS.into_iter().chain([LIMITS]) {
        let written: BTreeSet<_> =
            rows(&document, heading).iter().map(|row| span(&row[0]).unwrap().to_owned()).collect();
        let known = known.get(&format!("{path}unknown")).unwrap_or_else(|| panic!("nothing is known of {heading}"));
        assert_eq!(&written, known, "{heading}");
        fields += known.len();
    }
    assert!(fields >= 50, "saw {fields} fields");
}

#[test]
fn every_choice_is_in_its_row() {
    let (known, document) = (known_words(), text("docs/configuration.md"));
    let mut choices = 0;
    for (path, words) in known.iter().filter(|(path, _)| !path.ends_with("unknown")) {
        let path = path.trim_end_matches("[0]").replace("routes[1]", "routes[]").replace("shop", "NAME");
        let (heading, field) = path.rsplit_once('.').unwrap_or(("The document", &path));
        let rows = rows(&document, heading);
        let row = rows.iter().find(|row| span(&row[0]) == Some(field)).unwrap_or_else(|| panic!("no row for {path}"));
        for word in words {
            assert!(row[1].contains(&format!("`{word}`")), "{path}: its type does not name `{word}`");
            choices += 1;
        }
    }
    assert!(choices >= 18, "saw {choices} choices");
}

#[test]
fn defaults_are_the_defaults() {
    let document = text("docs/configuration.md");
    let config: Value = serde_json::to_value(Config::parse(ONLY_WHAT_MUST_BE).unwrap()).unwrap();
    let (mut compared, mut groups) = (0, 0);
    for (heading, pointer, _) in SECTIONS.into_iter().chain([LIMITS]) {
        let group = config.pointer(pointer).unwrap_or_else(|| panic!("no {heading}"));
        for row in rows(&document, heading) {
            let (field, default) = (span(&row[0]).unwrap(), row[2].as_str());
            match group.get(field) {
                // What is written in it has no default.
                Some(_) if default == "required" || WRITTEN.contains(&field) => {}
                Some(Value::Object(_)) if default == "see below" => groups += 1,
                Some(value) => {
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    assert_eq!(span(default), Some(value.as_str()), "{heading} {field}");
                    compared += 1;
                }
                // A default that depends on other things is told in words.
                None => assert!(span(default).is_none_or(|words| words.contains('.')), "{heading} {field}: {default}"),
            }
        }
    }
    assert!(compared >= 30 && groups >= 6, "compared {compared} defaults in {groups} groups");
}

#[test]
fn what_must_be_written_must_be() {
    let document = text("docs/configuration.md");
    let mut required = 0;
    for (heading, pointer, path) in SECTIONS {
        for row in rows(&document, heading).iter().filter(|row| row[2] == "required") {
            let field = span(&row[0]).unwrap();
            let mut config: Value = serde_json::to_value(Config::parse(ONLY_WHAT_MUST_BE).unwrap()).unwrap();
            config.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(field);
            let problems = Config::parse(&config.to_string()).unwrap_err();
            let place = format!("{path}{field}");
            let said = problems.iter().any(|problem| problem.path == place && problem.wrong == "missing");
            assert!(said, "{heading} {field} may be left out: {problems}");
            required += 1;
        }
    }
    assert!(required >= 8, "saw {required} required fields");
}

#[test]
fn configurations_in_the_documents_are_good() {
    let mut seen = 0;
    for document in documents() {
        // Manifests of a cluster are executed by the package that reads them.
        let is_file = |text: &str| !text.contains("apiVersion: ");
        for block in blocks(&text(&document)).iter().filter(|block| block.kind == "yaml" && is_file(&block.text)) {
            let config = Config::parse(&block.text);
            assert!(config.is_ok(), "{document}:{}:\n{}", block.line, config.unwrap_err());
            seen += 1;
        }
    }
    assert!(seen >= 2, "saw {seen} configurations");
}

/// The example that shows everything shows everything.
#[test]
fn the_whole_file_has_every_field() {
    let document = text("docs/configuration.md");
    let block = blocks(&document).into_iter().find(|block| block.kind == "yaml").unwrap();
    let config: Value = serde_json::to_value(Config::parse(&block.text).unwrap()).unwrap();
    let mut seen = 0;
    for (heading, pointer, _) in SECTIONS.into_iter().chain([LIMITS]) {
        let pointer = if heading == "services.NAME.versions.NAME" { "/services/shop/versions/v2" } else { pointer };
        for row in rows(&document, heading) {
            let field = span(&row[0]).unwrap();
            // Of the strategies and the two kinds of certificate a file shows one, and so of endpoints and a refusal, and of one
            // canary and several.
            let shown = config.pointer(pointer).and_then(|group| group.get(field)).is_some();
            assert!(
                shown
                    || ["switchAfter", "standby", "startWithin", "certificate", "key", "refuse", "canaries"]
                        .contains(&field),
                "{heading} {field} is not shown"
            );
            seen += 1;
        }
    }
    assert!(seen >= 50, "saw {seen} fields");
}
