//! `docs/cli.md` is what the program says of itself, and every command in the documents is one it understands.

use std::fmt::Write as _;
use std::process::Command;

use super::markdown::{assert_generated, blocks, documents, text};

/// Runs the program with arguments and returns its code and what it printed.
fn tidegate(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let command = command.args(arguments).env("COLUMNS", "100").env_remove("TIDEGATE_STATE_DIR");
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

/// The commands that the program lists.
fn commands(help: &str) -> Vec<String> {
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names.filter(|name| !name.is_empty() && *name != "help").map(str::to_owned).collect()
}

#[test]
fn the_reference_is_what_the_program_says() {
    let (_, main) = tidegate(&["--help"]);
    let commands = commands(&main);
    assert!(commands.len() >= 9, "{commands:?}");
    let mut reference =
        "# Command line\n\nWhat the program says of itself. Written by `UPDATE_DOCS=1 cargo test --test docs`.\n"
            .to_owned();
    let mut section = |title: &str, help: &str| {
        let lines: Vec<_> = help.lines().map(str::trim_end).collect();
        write!(reference, "\n## {title}\n\n```text\n{}\n```\n", lines.join("\n").trim_end()).unwrap();
    };
    section("tidegate", &main);
    for command in &commands {
        let (code, help) = tidegate(&[command, "--help"]);
        assert_eq!(code, Some(0), "{command}");
        section(&format!("tidegate {command}"), &help);
    }
    assert_generated("docs/cli.md", &reference);
}

/// A command line of ours in a document: `tidegate …`, or the same through cargo.
fn arguments(line: &str) -> Option<Vec<&str>> {
    let line = line.split(" #").next()?.trim();
    let rest =
        ["tidegate ", "sudo tidegate ", "cargo run --release -- "].iter().find_map(|by| line.strip_prefix(by))?;
    Some(rest.split_whitespace().collect())
}

#[test]
fn every_command_in_the_documents_is_understood() {
    let mut seen = 0;
    for document in documents() {
        let text = text(&document);
        let shell = blocks(&text).into_iter().filter(|block| block.kind == "sh");
        let mut lines: Vec<String> =
            shell.flat_map(|b| b.text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
        // And those in sentences and tables.
        lines.extend(text.split('`').skip(1).step_by(2).map(str::to_owned));
        for line in &lines {
            let Some(mut arguments) = arguments(line) else { continue };
            seen += 1;
            arguments.push("--help");
            let (code, printed) = tidegate(&arguments);
            assert_eq!(code, Some(0), "{document}: {line}");
            assert!(printed.contains("Usage:"), "{document}: {line}: {printed}");
        }
    }
    assert!(seen >= 25, "saw {seen} commands");
}

/// A contributor and `.ci/run` run the same commands: the words of the one are found in the other, in their order.
#[test]
fn cargo_commands_in_the_documents_are_run() {
    let ci = text(".ci/run");
    let runs = |command: &str| {
        ci.lines().any(|line| {
            let mut there = line.split([' ', ';']);
            command.split_whitespace().all(|word| there.any(|other| other == word))
        })
    };
    let mut seen = 0;
    for document in documents() {
        for block in blocks(&text(&document)).iter().filter(|block| block.kind == "sh") {
            for line in block.text.lines().map(|line| line.split(" #").next().unwrap_or_default().trim()) {
                // The variable makes the tests write what they otherwise compare.
                let command = line.strip_prefix("UPDATE_DOCS=1 ").unwrap_or(line);
                if command.starts_with("cargo ") && arguments(command).is_none() {
                    let command = command.trim_end_matches(" --test docs");
                    assert!(runs(command), "{document}: `{command}` is not run by .ci/run");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen >= 5, "saw {seen} commands");
}

#[test]
fn commands_are_told_from_other_words() {
    assert_eq!(arguments("tidegate status shop  # why"), Some(vec!["status", "shop"]));
    assert_eq!(arguments("cargo run --release -- check -c a.yaml"), Some(vec!["check", "-c", "a.yaml"]));
    assert_eq!(arguments("cargo test"), None);
    assert_eq!(arguments("tidegate"), None);
    assert_eq!(commands("Commands:\n  run  Run\n       more\n  help  Help\n\nOptions:\n  -h\n"), ["run"]);
}
