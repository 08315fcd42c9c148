//! `docs/operations.md` against the program: files, codes, signals and answers.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tidegate::Exit;

use super::markdown::{rows, span, text};
use super::running::{Running, printed};

#[test]
fn the_state_directory_holds_what_is_said() {
    let running = Running::start("state", &text("examples/minimal.yaml"));
    let written: BTreeSet<_> = rows(&text("docs/operations.md"), "The state directory")
        .iter()
        .map(|row| span(&row[0]).unwrap().to_owned())
        .collect();
    let entries = fs::read_dir(&running.state_dir).unwrap().map(|entry| entry.unwrap());
    let mut found = BTreeSet::new();
    for entry in entries {
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        found.insert(entry.file_name().to_string_lossy().into_owned());
    }
    assert_eq!(written, found);
}

#[test]
fn a_signal_ends_it_and_the_state_stays() {
    let mut running = Running::start("signal", &text("examples/minimal.yaml"));
    assert!(running.admin("/readyz").starts_with("HTTP/1.1 200"));
    assert!(running.admin("/healthz").starts_with("HTTP/1.1 200"));
    let kill = format!("kill -TERM {}", running.child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
    assert!(running.state_dir.join("state.redb").exists());
    assert!(!running.state_dir.join("control.sock").exists(), "the socket goes with the instance");
    let output = running.tidegate(&["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(printed(&output).contains("no instance answers"), "{}", printed(&output));
}

#[test]
fn exit_codes_are_those_of_the_table() {
    let document = text("docs/operations.md");
    let codes: Vec<u8> = rows(&document, "Exit codes").iter().map(|row| row[0].parse().unwrap()).collect();
    let ours = [Exit::Done, Exit::Error, Exit::RolledBack, Exit::Undecided].map(Exit::code);
    // 2 is the command line parser's.
    assert_eq!(codes, [ours[0], ours[1], 2, ours[2], ours[3]]);
    for (arguments, code) in [(["check", "-c", "missing.yaml"], 1), (["check", "--unknown", "x"], 2)] {
        let output = Command::new(env!("CARGO_BIN_EXE_tidegate")).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn answers_are_those_of_the_table() {
    let numbers = [
        ("BAD_REQUEST", 400),
        ("NOT_FOUND", 404),
        ("REQUEST_TIMEOUT", 408),
        ("PAYLOAD_TOO_LARGE", 413),
        ("URI_TOO_LONG", 414),
        ("MISDIRECTED_REQUEST", 421),
        ("NOT_IMPLEMENTED", 501),
        ("BAD_GATEWAY", 502),
        ("SERVICE_UNAVAILABLE", 503),
        ("GATEWAY_TIMEOUT", 504),
    ];
    let source = text("proxy/src/error.rs");
    let read = |line: &str| {
        let (status, rest) = line.split_once("(StatusCode::")?.1.split_once(", \"")?;
        let number = numbers.iter().find(|(name, _)| *name == status).unwrap_or_else(|| panic!("{status}")).1;
        Some((number.to_string(), rest.split('"').next()?.to_owned()))
    };
    let known: BTreeSet<_> = source.lines().filter_map(read).collect();
    assert!(known.len() >= 12, "{known:?}");
    let document = text("docs/operations.md");
    let rows = rows(&document, "Answers of the proxy itself");
    let written: BTreeSet<_> = rows.iter().map(|row| (row[0].clone(), span(&row[1]).unwrap().to_owned())).collect();
    assert_eq!(written, known);
}

#[test]
fn members_of_the_access_log_are_those_of_the_table() {
    let source = text("proxy/src/access_log/format.rs");
    let source = source.split("#[cfg(test)]").next().unwrap();
    let calls = ["object.text(\"", "object.value(\""].map(|call| source.split(call).skip(1)).into_iter().flatten();
    let known: BTreeSet<_> = calls.filter_map(|rest| rest.split('"').next().map(str::to_owned)).collect();
    assert!(known.len() >= 15, "{known:?}");
    let rows = rows(&text("docs/operations.md"), "What is logged");
    let written =
        rows.iter().flat_map(|row| row[0].split(", ").filter_map(span).map(str::to_owned).collect::<Vec<_>>());
    assert_eq!(written.collect::<BTreeSet<_>>(), known);
}

#[test]
fn an_answer_has_its_reason() {
    let config = text("examples/minimal.yaml").replace("- service: shop", "- { service: shop, host: shop.example }");
    let running = Running::start("reason", &config);
    let (head, _) = running.get("/", &[]);
    assert!(head.starts_with("HTTP/1.1 404") && head.contains("x-tidegate-reason: no-route"), "{head}");
}
