//! The rules for shell scripts, where no compiler helps.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use super::sources::{assert_none, files, in_repository, root};

/// As of Rust files.
const LINES_MAX: usize = 400;
/// Lines of a function.
const FUNCTION_LINES_MAX: usize = 60;
/// Characters of a line.
const WIDTH_MAX: usize = 128;

/// The scripts with their texts: files that say what runs them.
fn scripts() -> Vec<(PathBuf, String)> {
    let texts = files(root()).into_iter().filter_map(|path| Some((path.clone(), fs::read_to_string(path).ok()?)));
    texts.filter(|(_, text)| text.starts_with("#!")).collect()
}

/// The names of functions with the number of their lines.
fn functions(text: &str) -> Vec<(&str, usize)> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_suffix("() {") {
            found.push((name, 2 + lines.by_ref().take_while(|line| *line != "}").count()));
        }
    }
    found
}

#[test]
fn scripts_stop_at_errors_and_say_what_they_are() {
    let scripts = scripts();
    assert!(scripts.len() >= 15, "saw {} scripts", scripts.len());
    let (mut faults, mut seen) = (Vec::new(), 0);
    for (path, text) in &scripts {
        let name = in_repository(path);
        let mut fault = |what: String| faults.push(format!("{name}: {what}"));
        let mut lines = text.lines();
        if lines.next() != Some("#!/usr/bin/env bash") {
            fault("is run by bash, wherever that is".to_owned());
        }
        if !lines.next().is_some_and(|line| line.starts_with("# ") && line.len() > 20) {
            fault("does not begin with what it is".to_owned());
        }
        if lines.find(|line| !line.starts_with('#')) != Some("set -euo pipefail") {
            fault("goes on after errors".to_owned());
        }
        if fs::metadata(path).unwrap().permissions().mode() & 0o111 == 0 {
            fault("is not executable".to_owned());
        }
        if text.lines().count() > LINES_MAX {
            fault(format!("more than {LINES_MAX} lines"));
        }
        for (number, _) in text.lines().enumerate().filter(|(_, line)| line.chars().count() > WIDTH_MAX) {
            fault(format!("line {} is longer than {WIDTH_MAX}", number + 1));
        }
        for (function, lines) in functions(text) {
            seen += 1;
            if lines > FUNCTION_LINES_MAX {
                fault(format!("{function} has {lines} lines, at most {FUNCTION_LINES_MAX}"));
            }
        }
    }
    assert!(seen >= 30, "saw {seen} functions");
    assert_none(&faults);
}

/// What `tests/cluster/exec printenv KUBECONFIG` ends with, with these variables.
fn exec(variables: &[(&str, &str)]) -> Output {
    let mut exec = Command::new(root().join("tests/cluster/exec"));
    for name in ["CLUSTER_KUBECONFIG", "CLUSTER_USE_KUBECONFIG", "KUBECONFIG"] {
        exec.env_remove(name);
    }
    exec.args(["printenv", "KUBECONFIG"]).envs(variables.iter().copied()).output().unwrap()
}

#[test]
fn another_cluster_is_taken_only_if_it_is_asked_for() {
    let place = tempfile::tempdir().unwrap();
    let (named, daily) = (place.path().join("named"), place.path().join("daily"));
    fs::write(&named, "").unwrap();
    fs::write(&daily, "").unwrap();
    let (named, daily) = (named.to_str().unwrap(), daily.to_str().unwrap());
    for (variables, taken) in [
        (vec![("CLUSTER_KUBECONFIG", named), ("KUBECONFIG", daily)], Some(named)),
        (vec![("CLUSTER_USE_KUBECONFIG", "yes"), ("KUBECONFIG", daily)], Some(daily)),
        // Where both are there, the more particular one.
        (vec![("CLUSTER_USE_KUBECONFIG", "yes"), ("CLUSTER_KUBECONFIG", named), ("KUBECONFIG", daily)], Some(named)),
        (vec![("KUBECONFIG", daily)], None),
        (vec![("CLUSTER_USE_KUBECONFIG", "no"), ("KUBECONFIG", daily)], None),
        (vec![("CLUSTER_USE_KUBECONFIG", "yes")], None),
    ] {
        let output = exec(&variables);
        let printed = String::from_utf8(output.stdout).unwrap();
        match taken {
            Some(path) => assert_eq!(printed.trim_end(), path, "{variables:?}"),
            // Without a cluster of the work tree it fails; with one, that is what is meant.
            None => assert!(![named, daily].contains(&printed.trim_end()), "{variables:?}: {printed}"),
        }
    }
}

#[test]
fn functions_are_counted_from_their_name_to_their_brace() {
    assert_eq!(functions("a() {\n    b\n}\nc() { d; }\ne() {\n}\n"), [("a", 3), ("e", 2)]);
}
