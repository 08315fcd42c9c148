//! The definition in `deploy/crds` is the one that the types make.

use std::env;
use std::fs;
use std::path::Path;

use kube::CustomResourceExt;
use serde_json::Value;
use tidegate_cluster::rollout_object::Rollout;

const FILE: &str = "../../deploy/crds/tidegate.dev_rollouts.yaml";

/// The definition as it is shipped.
fn definition() -> Value {
    serde_json::to_value(Rollout::crd()).unwrap()
}

#[test]
fn the_shipped_definition_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let expected = format!(
        "# Written by `UPDATE_CRDS=1 cargo test -p tidegate-cluster --test rollout_object`.\n{}\n",
        serde_saphyr::to_string(&definition()).unwrap().trim_end()
    );
    if env::var_os("UPDATE_CRDS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "{FILE} is not up to date: UPDATE_CRDS=1 writes it anew");
    assert_eq!(serde_saphyr::from_str::<Value>(&found).unwrap(), definition(), "as a reader of YAML sees it");
    assert!(expected.len() < 100_000, "{} bytes: too long to be applied by kubectl", expected.len());
}

/// Looks at every schema inside a schema.
fn walk(schema: &Value, path: &str, seen: &mut usize, look: &mut impl FnMut(&Value, &str)) {
    *seen += 1;
    look(schema, path);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(property, &format!("{path}.{name}"), seen, look);
    }
    if schema["items"].is_object() {
        walk(&schema["items"], &format!("{path}[]"), seen, look);
    }
}

#[test]
fn the_schema_is_one_that_an_api_server_understands() {
    let definition = definition();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut seen = 0;
    walk(schema, "", &mut seen, &mut |schema, path| {
        assert!(schema["type"].is_string(), "{path} has no type: {schema}");
        for choice in ["anyOf", "oneOf", "allOf", "not"] {
            assert!(schema.get(choice).is_none(), "{path} has {choice}");
        }
        // The only formats that an API server knows among ours.
        assert!(
            schema["format"].as_str().is_none_or(|format| ["int64", "date-time"].contains(&format)),
            "{path}: {schema}"
        );
        let list = schema["type"] == "array";
        assert!(!list || schema["maxItems"].is_u64(), "{path} has no end");
    });
    assert!(seen >= 60, "saw {seen} schemas");
}

/// Every field that users write is described.
#[test]
fn fields_are_described() {
    let definition = definition();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut seen = 0;
    walk(schema, "spec", &mut seen, &mut |schema, path| {
        let inside = path.ends_with("[]") || path.contains(".job.");
        assert!(inside || schema["description"].is_string(), "{path} is not described");
    });
    assert!(seen >= 40, "saw {seen} fields");
}
