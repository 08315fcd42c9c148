//! `docs/kubectl.md` is what the program says of itself, and every command in the documents is one that it understands.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The documents that users read.
fn documents() -> Vec<(PathBuf, String)> {
    let folders = [root(), root().join("docs")];
    let paths = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    let markdown = paths.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    markdown.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// What the program says to arguments and `--help`.
fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_kubectl-tidegate")).args(arguments).arg("--help").output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The code spans of the first column of the table below a heading.
fn documented(heading: &str) -> BTreeSet<String> {
    let document = fs::read_to_string(root().join("docs/kubectl.md")).unwrap();
    let section = document.split("\n## ").find(|part| part.lines().next() == Some(heading));
    let section = section.unwrap_or_else(|| panic!("there is no section {heading}"));
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split('|').next());
    rows.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned)).collect()
}

/// The commands that the program lists.
fn commands() -> BTreeSet<String> {
    let help = help(&[]);
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_command_is_in_the_table() {
    assert!(commands().len() >= 9, "{:?}", commands());
    assert_eq!(documented("Commands"), commands());
}

#[test]
fn every_option_is_in_the_table() {
    let mut known = BTreeSet::new();
    for command in commands() {
        for line in help(&[&command]).lines().map(str::trim).filter(|line| line.starts_with('-')) {
            let names = line.split([' ', ',']).filter(|word| word.starts_with('-') && word.len() > 1);
            known.extend(names.map(str::to_owned));
        }
    }
    known.retain(|name| !["-h", "--help"].contains(&name.as_str()));
    assert!(known.len() >= 12, "{known:?}");
    assert_eq!(documented("Options"), known);
}

#[test]
fn every_command_line_in_the_documents_is_understood() {
    let mut seen = 0;
    for (path, text) in documents() {
        // In blocks, sentences and tables.
        let lines =
            text.lines().flat_map(|line| line.split('`').map(|part| part.split(" #").next().unwrap_or_default()));
        for line in lines.filter_map(|part| part.trim().strip_prefix("kubectl tidegate ")) {
            seen += 1;
            let printed = help(&line.split_whitespace().collect::<Vec<_>>());
            assert!(printed.contains("Usage:"), "{}: {line}", path.display());
        }
    }
    assert!(seen >= 10, "saw {seen} command lines");
}
