//! Options: what the program says of them, and what it makes of wrong ones.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::running::program;

#[test]
fn the_reference_is_what_the_program_says() {
    let output = program(&["--help"]).output().unwrap();
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<_> = help.lines().map(str::trim_end).collect();
    let mut reference = "# tidegate-proxy\n\nThe data plane alone, for a cluster: a small program that is told everything by \
                         a controller. What it says of itself; written by\n`UPDATE_DOCS=1 cargo test -p tidegate-proxy`.\n"
        .to_owned();
    write!(reference, "\n```text\n{}\n```\n", lines.join("\n").trim_end()).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tidegate-proxy.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &reference).unwrap();
    }
    assert_eq!(fs::read_to_string(path).unwrap(), reference, "run the tests with UPDATE_DOCS=1");
}

#[test]
fn wrong_command_lines_are_told() {
    let controller = ["--controller", "https://a:1", "--ca", "c", "--token", "t", "--state-dir", "s"];
    for (arguments, said) in [
        (vec![], "--state-dir"),
        (vec!["--state-dir", "s"], "--controller"),
        (vec!["--controller", "https://a:1", "--state-dir", "s"], "--token"),
        (
            vec!["--controller", "http://a:1", "--ca", "c", "--token", "t", "--state-dir", "s"],
            "does not begin with https://",
        ),
        ([&controller[..], &["--config", "f"]].concat(), "cannot be used with"),
        ([&controller[..], &["--fallback", "127.0.0.1:1"]].concat(), "--fallback-listen"),
        (
            [&controller[..], &["--fallback", "127.0.0.1:1,127.0.0.1:2", "--fallback-listen", "127.0.0.1:3"]].concat(),
            "--fallback-listen has 1 address(es) and --fallback 2",
        ),
        (
            [
                &controller[..],
                &["--fallback", "127.0.0.1:1,127.0.0.1:2", "--fallback-listen", "127.0.0.1:3,127.0.0.1:3"],
            ]
            .concat(),
            "--fallback-listen names 127.0.0.1:3 twice",
        ),
        (
            [&controller[..], &["--fallback", "127.0.0.1:1,b", "--fallback-listen", "127.0.0.1:3"]].concat(),
            "invalid value 'b'",
        ),
        ([&controller[..], &["--workers", "0"]].concat(), "--workers"),
        ([&controller[..], &["--leave", "3601"]].concat(), "3601 is not in 0..=3600"),
        (vec!["--config", "f", "--state-dir", "s", "--fallback", "a"], "--fallback"),
    ] {
        let output = program(&arguments).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains(said), "{arguments:?}: {told}");
    }
}

#[test]
fn what_cannot_be_served_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let state = directory.path().join("state");
    let file = directory.path().join("tidegate.yaml");
    let canary = "listeners: [{address: '127.0.0.1:0'}]\nroutes: [{service: s}]\nservices: {s: {stable: a, canary: b, \
                  rollout: {strategy: canary}, versions: {a: {endpoints: ['a:1']}, b: {endpoints: ['a:2']}}}}\n";
    for (text, said) in [
        (None, "cannot read"),
        (Some("routes: []"), "listeners: missing"),
        (Some(canary), "services.s.rollout: a rollout, which needs a controller"),
    ] {
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let [state, file] = [&state, &file].map(|path| path.to_str().unwrap());
        let output = program(&["--config", file, "--state-dir", state, "--admin", "127.0.0.1:0"]).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(said), "{told}");
    }
}
