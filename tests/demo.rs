//! The demo as people start it.

use std::process::Command;

#[test]
fn a_broken_canary_is_rolled_back_and_nothing_is_left_behind() {
    let place = tempfile::tempdir().unwrap();
    let mut demo = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    demo.args(["demo", "--scenario", "broken", "--visitors", "200", "--seed", "3"]).env("TMPDIR", place.path());
    let output = demo.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    for part in ["steps: [\"10%\", \"50%\", \"100%\"]", "Rolled back after ", " visitors saw an error (", "Seed 3: "] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 0, "the state is gone");
}

#[test]
fn too_few_file_descriptors_are_told() {
    let mut demo = Command::new("sh");
    demo.args(["-c", "ulimit -n 100 && exec \"$0\" demo", env!("CARGO_BIN_EXE_tidegate")]);
    let output = demo.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("576 file descriptors are needed, and the system grants 100"), "{text}");
}

#[test]
fn the_policy_it_prints_is_an_ordinary_file() {
    let tidegate = env!("CARGO_BIN_EXE_tidegate");
    let printed = Command::new(tidegate).args(["demo", "--print-config"]).output().unwrap();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("tidegate.yaml");
    std::fs::write(&file, printed.stdout).unwrap();
    let checked = Command::new(tidegate).args(["check", "-c"]).arg(&file).status().unwrap();
    assert!(checked.success());
}
