//! What is pure stays pure: time and chance are arguments, and nothing is read, written, awaited or logged.

use super::sources::{Source, assert_none, sources};

/// What a pure file must not say, and what it would be.
const IMPURE: [(&str, &str); 23] = [
    ("async ", "async"),
    (".await", "async"),
    ("tokio", "async"),
    ("Instant::now", "a clock"),
    ("SystemTime", "a clock"),
    ("getrandom", "chance"),
    ("rand::", "chance"),
    ("RandomState", "chance"),
    ("std::fs", "I/O"),
    ("std::io", "I/O"),
    ("TcpStream", "I/O"),
    ("TcpListener", "I/O"),
    ("UdpSocket", "I/O"),
    ("ToSocketAddrs", "I/O"),
    ("std::env", "the environment"),
    ("std::process", "processes"),
    ("std::thread", "threads"),
    ("Mutex", "shared state"),
    ("thread_local!", "shared state"),
    ("static mut ", "shared state"),
    ("print!(", "output"),
    ("println!(", "output"),
    ("tracing::", "logging"),
];

/// Pure by its place, or because it says so. `PURE` in a crate's root holds for the whole crate.
fn is_pure(source: &Source) -> bool {
    let by_place = ["config/src/", "inject/src/", "controller/src/engine", "controller/src/evidence"];
    by_place.iter().any(|place| source.path.starts_with(place))
        || source.doc().is_some_and(|doc| doc.starts_with("PURE"))
}

#[test]
fn pure_files_are_pure() {
    let pure: Vec<_> = sources().into_iter().filter(is_pure).collect();
    assert!(pure.len() >= 70, "saw {} files", pure.len());
    let mut faults = Vec::new();
    for source in &pure {
        // A type for instants, which reads no clock by itself.
        let code = source.code().replace("use tokio::time::Instant;", "");
        for (word, what) in IMPURE.iter().filter(|(word, _)| code.contains(word)) {
            faults.push(format!("{}: `{word}` is {what}", source.path));
        }
    }
    assert_none(&faults);
}

#[test]
fn the_crate_of_the_configuration_says_that_it_is_pure() {
    let all = sources();
    let root = all.iter().find(|source| source.path == "config/src/lib.rs");
    assert!(root.and_then(Source::doc).is_some_and(|doc| doc.starts_with("PURE")));
}
