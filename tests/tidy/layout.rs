//! Sizes, names and words.

use std::env;
use std::fs;

use super::sources::{assert_none, files, in_repository, root, sources};

/// Lines of a file, unit tests not counted. What is longer holds a second concept.
const LINES_MAX: usize = 400;
/// Half of all files that ship are no longer than this.
const MEDIAN_LINES_MAX: usize = 150;
/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 9] = ["utils", "util", "helpers", "helper", "common", "manager", "misc", "shared", "globals"];

#[test]
fn files_are_short() {
    let sources = sources();
    assert!(sources.len() >= 120, "saw {} files", sources.len());
    let mut faults = Vec::new();
    let mut lengths = Vec::new();
    for source in &sources {
        let lines = if source.is_test { &source.text } else { source.shipped() }.lines().count();
        if lines > LINES_MAX {
            faults.push(format!("{}: {lines} lines, at most {LINES_MAX}", source.path));
        }
        if !source.is_test {
            lengths.push(lines);
        }
    }
    assert_none(&faults);
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= MEDIAN_LINES_MAX, "the median file has {median} lines, at most {MEDIAN_LINES_MAX}");
}

#[test]
fn every_file_says_what_it_is() {
    let sources = sources();
    let silent = sources.iter().filter(|source| source.doc().is_none_or(|doc| doc.len() < 5));
    assert_none(
        &silent.map(|source| format!("{}: does not begin with `//! ` and a sentence", source.path)).collect::<Vec<_>>(),
    );
}

#[test]
fn names_say_something() {
    let mut faults = Vec::new();
    for source in sources() {
        for part in source.path.trim_end_matches(".rs").split('/') {
            if EMPTY_NAMES.contains(&part) || part.ends_with("_main") {
                faults.push(format!("{}: `{part}` says nothing about what is inside", source.path));
            }
        }
        if source.path.ends_with("/mod.rs") {
            faults.push(format!("{}: a module `foo` lives in `foo.rs`, beside its folder", source.path));
        }
    }
    assert_none(&faults);
}

#[test]
fn nothing_that_ships_unwraps_or_validates() {
    let (mut faults, mut seen) = (Vec::new(), 0);
    for source in sources() {
        let code = source.code();
        seen += usize::from(!code.is_empty());
        for (word, why) in [
            (".unwrap()", "say what happens instead"),
            ("fn validate", "parse into a type that cannot be wrong"),
            ("todo!(", "unfinished"),
            ("unimplemented!(", "unfinished"),
            ("process::exit", "return an exit code to main"),
        ] {
            if code.contains(word) {
                faults.push(format!("{}: `{word}`: {why}", source.path));
            }
        }
    }
    assert!(seen >= 90, "saw {seen} files");
    assert_none(&faults);
}

/// Texts carry no trace of the machine they were written on.
#[test]
fn no_file_names_the_machine_it_was_written_on() {
    let mut traces = vec![root().to_string_lossy().into_owned()];
    traces.extend(env::var("HOME").ok().filter(|home| home.matches('/').count() > 1));
    let name = fs::read_to_string("/etc/hostname").unwrap_or_default();
    traces.push(name.trim().to_owned());
    traces.retain(|trace| trace.len() > 5 && trace != "localhost");
    let (mut faults, mut seen) = (Vec::new(), 0);
    for path in files(root()) {
        let (Ok(text), name) = (fs::read_to_string(&path), in_repository(&path)) else { continue };
        // A second work tree of git's names the first one here.
        if name == ".git" {
            continue;
        }
        seen += 1;
        for trace in traces.iter().filter(|trace| text.contains(trace.as_str())) {
            faults.push(format!("{name}: names {trace}"));
        }
    }
    assert!(seen >= 150, "saw {seen} files");
    assert_none(&faults);
}
