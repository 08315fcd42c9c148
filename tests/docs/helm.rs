//! `docs/helm.md` against the chart's values and their schema.

use std::collections::BTreeMap;

use serde_json::Value;
use tidegate_inject::Resources;

use super::markdown::{rows, span, text};

const CHART: &str = "deploy/helm/tidegate";

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every value that users set, by its path. What the schema does not divide further is one value.
fn leaves(values: &Value, schema: &Value, path: &str, found: &mut BTreeMap<String, Value>) {
    match (values, schema.get("required")) {
        (Value::Object(fields), Some(_)) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                let schema = &schema["properties"][name];
                assert!(!schema.is_null(), "the schema does not know {path}");
                leaves(value, schema, &path, found);
            }
        }
        _ => assert!(found.insert(path.to_owned(), values.clone()).is_none(), "{path} is there twice"),
    }
}

/// The chart says what the controller would take without it.
#[test]
fn sidecars_are_as_large_as_the_controller_makes_them() {
    let sidecar = &yaml(&format!("{CHART}/values.yaml"))["sidecar"];
    let said = |name: &str| sidecar[name].as_str().unwrap().to_owned();
    let [cpu, memory] = [Resources::CPU, Resources::MEMORY].map(|(request, limit)| (request.into(), limit.into()));
    assert_eq!([(said("cpu"), said("cpuLimit")), (said("memory"), said("memoryLimit"))], [cpu, memory]);
}

#[test]
fn every_value_has_its_row() {
    let schema = serde_json::from_str(&text(&format!("{CHART}/values.schema.json"))).unwrap();
    let mut known = BTreeMap::new();
    leaves(&yaml(&format!("{CHART}/values.yaml")), &schema, "", &mut known);
    assert!(known.len() >= 20, "{known:?}");
    let mut written = BTreeMap::new();
    for row in rows(&text("docs/helm.md"), "Values") {
        let default =
            serde_json::from_str(span(&row[1]).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", row[1]));
        assert!(row[2].len() > 3, "{}: says nothing", row[0]);
        let twice = written.insert(span(&row[0]).unwrap().to_owned(), default);
        assert!(twice.is_none(), "{} is there twice", row[0]);
    }
    assert_eq!(written, known);
}

/// Every object of the schema names all its fields and refuses others.
#[test]
fn the_schema_asks_for_what_is_there() {
    let schema: Value = serde_json::from_str(&text(&format!("{CHART}/values.schema.json"))).unwrap();
    let values = yaml(&format!("{CHART}/values.yaml"));
    let mut seen = 0;
    for (name, section) in schema["properties"].as_object().unwrap() {
        if section.get("required").is_none() {
            continue;
        }
        seen += 1;
        assert_eq!(section["additionalProperties"], false, "{name}");
        let fields = section["properties"].as_object().unwrap().keys();
        let missing: Vec<_> = fields.filter(|field| values[name].get(field).is_none()).collect();
        assert!(missing.is_empty(), "{name}: values.yaml does not have {missing:?}");
    }
    assert!(seen >= 6, "saw {seen} sections");
}
