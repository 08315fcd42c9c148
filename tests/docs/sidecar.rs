//! `docs/sidecar.md`: its command, run on its manifests, does what its tables say.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use super::markdown::{blocks, rows, span, text};

const DOCUMENT: &str = "docs/sidecar.md";

/// The manifests of the document.
fn manifests() -> String {
    blocks(&text(DOCUMENT)).into_iter().find(|block| block.kind == "yaml manifests").unwrap().text
}

/// Runs the document's command on manifests, in a directory of its own.
fn run(name: &str, manifests: &str) -> Output {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("sidecar").join(name);
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("shop.yaml"), manifests).unwrap();
    fs::write(directory.join("ca.pem"), "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n").unwrap();
    let block = blocks(&text(DOCUMENT)).into_iter().find(|block| block.kind == "sh").unwrap();
    let arguments = block.text.trim().strip_prefix("tidegate ").unwrap().split_whitespace();
    Command::new(env!("CARGO_BIN_EXE_tidegate")).args(arguments).current_dir(directory).output().unwrap()
}

/// The pod template of the Deployment in a text.
fn template(text: &str) -> Value {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
    let deployment = documents.iter().find(|document| document["kind"] == "Deployment").unwrap();
    deployment["spec"]["template"].clone()
}

/// A value at a path with dots, of which the last key may have its own.
fn at(value: &Value, path: &str) -> String {
    let (steps, last) = path.split_once("annotations.").map_or((path, None), |(steps, last)| (steps, Some(last)));
    let steps = steps.split('.').filter(|step| !step.is_empty());
    let found = steps.fold(value, |value, step| match step.parse::<usize>() {
        Ok(index) => &value[index],
        Err(_) => &value[step],
    });
    match last.map_or(found, |last| &found["annotations"][last]) {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn printed(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_command_changes_what_is_said() {
    let before = manifests();
    let output = run("good", &before);
    let (after, told) = printed(&output);
    assert!(output.status.success(), "{told}");
    assert_eq!(told, "tidegate: document 2, Deployment shop has the sidecar\n");
    assert_eq!(after.split("---").next(), before.split("---").next(), "the Service stays as it was");
    let (old, new) = (template(&before), template(&after));
    let rows = rows(&text(DOCUMENT), "Without the webhook");
    for row in &rows {
        let cell = |index: usize| span(&row[index]).unwrap_or_default().to_owned();
        assert_eq!((at(&old, &cell(0)), at(&new, &cell(0))), (cell(1), cell(2)), "{}", row[0]);
    }
    assert!(rows.len() >= 8, "saw {} rows", rows.len());
    let (again, _) = printed(&run("again", &after));
    assert_eq!(again, after, "twice is once");
}

#[test]
fn what_the_sidecar_is_told_is_what_is_said() {
    let (after, _) = printed(&run("told", &manifests()));
    let sidecar = template(&after)["spec"]["initContainers"][0].clone();
    let variables = sidecar["env"].as_array().unwrap().iter();
    let value = |one| match at(one, "valueFrom.fieldRef.fieldPath") {
        plain if plain.is_empty() => at(one, "value"),
        field => field,
    };
    let given: BTreeMap<_, _> = variables.map(|one| (at(one, "name"), value(one))).collect();
    let rows = rows(&text(DOCUMENT), "What it is told");
    let cell = |cell: &str| span(cell).unwrap().to_owned();
    let said: BTreeMap<_, _> = rows.iter().map(|row| (cell(&row[0]), cell(&row[1]))).collect();
    assert_eq!(said, given);
    let resources = &sidecar["resources"];
    for (path, value) in
        [("requests.cpu", "50m"), ("requests.memory", "32Mi"), ("limits.cpu", "1"), ("limits.memory", "256Mi")]
    {
        assert_eq!(at(resources, path), value);
    }
    assert!(text(DOCUMENT).contains("asks for 50m CPU and 32Mi, and may use 1 CPU and 256Mi"));
}

#[test]
fn what_stands_in_the_way_is_told_as_said() {
    let rows = rows(&text(DOCUMENT), "What stands in the way");
    for (index, row) in rows.iter().enumerate() {
        let [from, to, answer] = [0, 1, 2].map(|cell| span(&row[cell]).unwrap());
        assert_eq!(manifests().matches(from).count(), 1, "{from}");
        // The cell of a table is one line.
        let to = to.replacen("true, containers:", "true\n      containers:", 1);
        let output = run(&format!("bad-{index}"), &manifests().replace(from, &to));
        let (after, told) = printed(&output);
        assert_eq!((output.status.code(), after.as_str()), (Some(1), ""), "{from} -> {to}: {told}");
        assert!(told.contains(answer), "{from} -> {to}: {told}");
    }
    assert!(rows.len() >= 10, "saw {} rows", rows.len());
}

#[test]
fn a_service_that_is_missing_can_be_named() {
    let deployment = manifests().split("---\n").nth(1).unwrap().to_owned();
    let (after, told) = printed(&run("alone", &deployment));
    assert_eq!(after, deployment);
    assert!(told.contains("left as it is"), "{told}");
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("sidecar").join("alone");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let options = "inject -f shop.yaml --image i --controller https://c --ca ca.pem --service-port http";
    let output = command.args(options.split(' ')).current_dir(directory).output().unwrap();
    let (after, told) = printed(&output);
    assert!(after.contains("tidegate-proxy") && told.contains("has the sidecar"), "{told}");
}
